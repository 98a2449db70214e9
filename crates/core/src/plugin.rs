//! The one trait that authors write, and the chain that walks it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;

use crate::error::{Error, Result};
use crate::query::Query;
use crate::reply::Reply;

/// A link of the chain.
///
/// A plugin answers, or runs `next` and may change the [`Reply`] that it then owns. Code after
/// `next.run(query).await?` is what other servers do in a wrapped response writer.
#[async_trait]
pub trait Plugin: Send + Sync + 'static {
    /// The directive, which is also the folder, the log prefix and the metric subsystem.
    fn name(&self) -> &'static str;

    /// Answers the query or hands it on.
    ///
    /// # Errors
    /// Our failure, never a DNS result: the client gets SERVFAIL or [`Error::rcode`].
    async fn serve(&self, query: &mut Query, next: Next<'_>) -> Result<Reply>;

    /// Whether there is nothing to do for this query, nor for its reply: the chain then goes past this
    /// plugin, which costs a tenth of a call of [`Plugin::serve`]. It changes nothing and counts
    /// nothing, may be asked several times for one query, and may say `false` where a look would take
    /// long: `serve` is called all the same wherever somebody watches, and then hands the query on.
    fn ignores(&self, query: &Query) -> bool {
        let _ = query;
        false
    }

    /// Adds what this plugin knows about a query to its metadata, before the chain runs. Called
    /// only in server blocks with `metadata`.
    fn describe(&self, query: &Query) {
        let _ = query;
    }

    /// Whether it would ask a server elsewhere about this query. Nobody else may be asked when a
    /// query is explained offline: then the plugin is passed over, with SERVFAIL.
    fn asks_upstreams(&self, query: &Query) -> bool {
        let _ = query;
        false
    }
}

/// The plugins of one server block, in the order of the directive list.
pub struct Chain {
    plugins: Box<[Box<dyn Plugin>]>,
}

impl Chain {
    /// A chain of these plugins.
    #[must_use]
    pub fn new(plugins: Vec<Box<dyn Plugin>>) -> Arc<Self> {
        Arc::new(Self { plugins: plugins.into() })
    }

    /// Whether there is no plugin: every query is then refused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.plugins.is_empty()
    }

    /// The names in order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.plugins.iter().map(|plugin| plugin.name())
    }

    /// Lets every plugin describe the query.
    pub fn describe(&self, query: &Query) {
        for plugin in &self.plugins {
            plugin.describe(query);
        }
    }

    /// Runs the whole chain.
    pub fn run<'q>(self: &'q Arc<Self>, query: &'q mut Query) -> Serving<'q> {
        Next { chain: self, index: 0 }.run(query)
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// The rest of the chain behind a plugin. It can be run several times, or not at all.
#[derive(Debug, Clone, Copy)]
pub struct Next<'a> {
    chain: &'a Arc<Chain>,
    index: usize,
}

impl<'a> Next<'a> {
    /// Runs the rest of the chain.
    pub fn run<'q>(self, query: &'q mut Query) -> Serving<'q>
    where
        'a: 'q,
    {
        let mut next = self;
        while let Some(plugin) = self.chain.plugins.get(next.index) {
            next.index += 1;
            if !plugin.ignores(query) {
                return Serving::Plugin(plugin.serve(query, next), plugin.name());
            }
        }
        Serving::End(next.caller())
    }

    /// The plugin that comes next.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        self.chain.plugins.get(self.index).map(|plugin| plugin.name())
    }

    /// The rest of the chain as a value that outlives this query and keeps its generation alive:
    /// for work that goes on after the reply was sent, such as a refresh.
    #[must_use]
    pub fn detach(self) -> Rest {
        Rest { chain: Arc::clone(self.chain), index: self.index }
    }

    fn caller(self) -> &'static str {
        let before = self.index.checked_sub(1).and_then(|index| self.chain.plugins.get(index));
        before.map_or("", |plugin| plugin.name())
    }
}

/// The rest of a chain, detached from the query that it was met with.
#[derive(Debug, Clone)]
pub struct Rest {
    chain: Arc<Chain>,
    index: usize,
}

impl Rest {
    /// Runs it.
    pub fn run<'q>(&'q self, query: &'q mut Query) -> Serving<'q> {
        Next { chain: &self.chain, index: self.index }.run(query)
    }
}

/// A plugin at work on a query.
#[must_use = "nothing is served until it is awaited"]
pub enum Serving<'q> {
    #[doc(hidden)]
    Plugin(Pin<Box<dyn Future<Output = Result<Reply>> + Send + 'q>>, &'static str),
    #[doc(hidden)]
    End(&'static str),
}

impl Future for Serving<'_> {
    type Output = Result<Reply>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<Reply>> {
        match self.get_mut() {
            Self::Plugin(serving, name) => {
                // Signed where it lies: a reply is too large to be handed round for that.
                let mut polled = serving.as_mut().poll(context);
                if let Poll::Ready(Ok(reply)) = &mut polled {
                    reply.sign(name);
                }
                polled
            }
            Self::End(caller) => {
                let text = format!("plugin/{caller}: no next plugin found");
                Poll::Ready(Err(Error::new(text)))
            }
        }
    }
}

impl fmt::Debug for Serving<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plugin(_, name) => write!(f, "Serving({name})"),
            Self::End(caller) => write!(f, "End({caller})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::ResponseCode;
    use hickory_proto::rr::RecordType;

    use super::*;
    use crate::testing::{Stub, query, stub};

    /// What a link does with the rest of its chain.
    #[derive(Clone, Copy)]
    enum Does {
        Answers,
        HandsOn,
        EditsTheReply,
        ReplacesTheReply,
        AsksTwice,
        RunsTheRestDetached,
        /// Nothing to queries for TXT, and answers others.
        IgnoresTexts,
    }

    struct Link(&'static str, Does);

    #[async_trait]
    impl Plugin for Link {
        fn name(&self) -> &'static str {
            self.0
        }

        fn ignores(&self, query: &Query) -> bool {
            matches!(self.1, Does::IgnoresTexts) && query.qtype() == RecordType::TXT
        }

        async fn serve(&self, query: &mut Query, next: Next<'_>) -> Result<Reply> {
            match self.1 {
                Does::Answers | Does::IgnoresTexts => Ok(query.reply()),
                Does::HandsOn => next.run(query).await,
                Does::EditsTheReply => {
                    next.run(query).await.map(|reply| reply.with_rcode(ResponseCode::Refused))
                }
                Does::ReplacesTheReply => {
                    next.run(query).await?;
                    Ok(query.error(ResponseCode::NXDomain))
                }
                Does::AsksTwice => {
                    next.run(query).await?;
                    next.run(query).await
                }
                Does::RunsTheRestDetached => {
                    let (rest, mut later) = (next.detach(), query.duplicate());
                    tokio::spawn(async move { rest.run(&mut later).await }).await.unwrap()
                }
            }
        }
    }

    fn chain(links: &[(&'static str, Does)], last: Option<&Stub>) -> Arc<Chain> {
        let mut plugins: Vec<Box<dyn Plugin>> = Vec::new();
        plugins.extend(links.iter().map(|&(name, does)| Box::new(Link(name, does)) as _));
        plugins.extend(last.map(|stub| Box::new(stub.clone()) as _));
        Chain::new(plugins)
    }

    async fn ask(chain: &Arc<Chain>) -> Result<Reply> {
        chain.run(&mut query("example.org", RecordType::A).build()).await
    }

    #[tokio::test]
    async fn the_author_is_the_innermost_plugin_that_made_the_reply() {
        let table: [(&[_], _, _); 5] = [
            (&[("a", Does::Answers), ("b", Does::Answers)], "a", ResponseCode::NoError),
            (&[("a", Does::HandsOn), ("b", Does::Answers)], "b", ResponseCode::NoError),
            (&[("a", Does::EditsTheReply), ("b", Does::Answers)], "b", ResponseCode::Refused),
            (&[("a", Does::ReplacesTheReply), ("b", Does::Answers)], "a", ResponseCode::NXDomain),
            (
                &[("a", Does::HandsOn), ("b", Does::RunsTheRestDetached), ("c", Does::Answers)],
                "c",
                ResponseCode::NoError,
            ),
        ];
        for (links, author, rcode) in table {
            let reply = ask(&chain(links, None)).await.unwrap();
            assert_eq!((reply.author(), reply.rcode()), (Some(author), rcode));
        }
    }

    #[tokio::test]
    async fn falling_off_the_end_names_the_last_plugin() {
        let table: [(&[_], _); 3] = [
            (&[], "plugin/: no next plugin found"),
            (&[("a", Does::HandsOn)], "plugin/a: no next plugin found"),
            (
                &[("a", Does::HandsOn), ("b", Does::RunsTheRestDetached)],
                "plugin/b: no next plugin found",
            ),
        ];
        for (links, text) in table {
            let error = ask(&chain(links, None)).await.unwrap_err();
            assert_eq!((error.to_string().as_str(), error.rcode()), (text, ResponseCode::ServFail));
        }
    }

    #[tokio::test]
    async fn what_a_plugin_ignores_goes_past_it() {
        let answer = ("z", Does::Answers);
        let table: [(&[_], _, _); 4] = [
            (&[("a", Does::IgnoresTexts), answer], RecordType::A, Ok("a")),
            (&[("a", Does::IgnoresTexts), answer], RecordType::TXT, Ok("z")),
            (
                &[
                    ("a", Does::HandsOn),
                    ("b", Does::IgnoresTexts),
                    ("c", Does::IgnoresTexts),
                    answer,
                ],
                RecordType::TXT,
                Ok("z"),
            ),
            (
                &[("a", Does::HandsOn), ("b", Does::IgnoresTexts)],
                RecordType::TXT,
                Err("plugin/b: no next plugin found"),
            ),
        ];
        for (links, qtype, expected) in table {
            let result = chain(links, None).run(&mut query("a.test", qtype).build()).await;
            let author = result.map(|reply| reply.author().unwrap());
            assert_eq!(author.map_err(|error| error.to_string()), expected.map_err(str::to_owned));
        }
    }

    #[tokio::test]
    async fn the_rest_can_be_run_twice() {
        let last = stub(|query| Box::pin(async move { Ok(query.reply()) }));
        let links = [("a", Does::AsksTwice), ("b", Does::AsksTwice)];
        let reply = ask(&chain(&links, Some(&last))).await.unwrap();
        assert_eq!((last.asked(), reply.author()), (4, Some("stub")));
    }

    #[tokio::test]
    async fn a_detached_rest_keeps_its_chain_alive_and_starts_where_it_was_taken() {
        let last = stub(|query| Box::pin(async move { Ok(query.reply()) }));
        let chain = chain(&[("a", Does::Answers), ("b", Does::HandsOn)], Some(&last));
        let rest = Next { chain: &chain, index: 1 }.detach();
        drop(chain);
        let reply = rest.run(&mut query(".", RecordType::NS).build()).await.unwrap();
        assert_eq!((last.asked(), reply.author()), (1, Some("stub")));
    }

    #[test]
    fn the_next_plugin_has_a_name() {
        let chain = chain(&[("a", Does::Answers), ("b", Does::Answers)], None);
        let names = [0, 1, 2].map(|index| Next { chain: &chain, index }.name());
        assert_eq!(names, [Some("a"), Some("b"), None]);
        assert_eq!(chain.names().collect::<Vec<_>>(), ["a", "b"]);
        assert!(!chain.is_empty());
    }
}
