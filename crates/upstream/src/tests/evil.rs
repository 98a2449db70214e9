//! The table of misbehaving upstreams (security.md §4.3), row by row, over real sockets.

use std::time::Duration;

use dunlin_core::op::{MessageType, OpCode, ResponseCode};
use dunlin_core::rr::{DNSClass, Name, Record};
use dunlin_core::wire::Records;
use dunlin_testkit::records::{name, record};
use dunlin_testkit::upstream::{Action, Asked, Behave, Reply, Transport, Upstream};

use super::*;
use crate::error::Failure;
use crate::{Policy, Probe, Remote, RemoteConfig, StreamLimits, group};

/// A group of real upstreams with more time for a try than an answer ever needs.
pub(super) fn real_group(upstreams: &[&Upstream]) -> Group<Remote> {
    group_with(upstreams, Duration::from_secs(5), 0)
}

/// The same with little time, for what is never answered.
pub(super) fn impatient_group(upstreams: &[&Upstream]) -> Group<Remote> {
    group_with(upstreams, Duration::from_millis(100), 0)
}

/// A group whose upstreams have pools of this many sockets.
pub(super) fn group_with(
    upstreams: &[&Upstream],
    read_timeout: Duration,
    udp_pool: usize,
) -> Group<Remote> {
    let metrics = Metrics::new(0);
    let families = ProxyMetrics::of(&metrics);
    let made = upstreams.iter().map(|upstream| {
        let numbers = Arc::new(families.upstream("forward", &upstream.to_string()));
        let config = RemoteConfig {
            address: upstream.address(),
            source: None,
            tls: None,
            udp_pool,
            limits: StreamLimits::default(),
            probe: Probe::default(),
        };
        group::Upstream::new(
            upstream.to_string(),
            Remote::new(config, Arc::clone(&numbers)),
            numbers,
        )
    });
    let settings =
        Settings { policy: Policy::Sequential, read_timeout, max_fails: 0, ..Settings::default() };
    let broken = metrics.counter("broken", "Broken.", &[]).with(&[]);
    Group::new(made.collect(), settings, broken)
}

const GOOD: &str = "a.test. 300 IN A 192.0.2.1";

fn good() -> Action {
    Reply::new().answer(GOOD).into()
}

fn wait_50_ms() -> Action {
    Action::Wait(Duration::from_millis(50))
}

/// What one question came to.
#[derive(Debug)]
struct Came {
    /// The records of the answer section as text, or the failure.
    result: Result<Vec<String>, Failure>,
    response: Option<Response>,
    /// How the upstream was asked.
    sends: Vec<Transport>,
}

async fn ask_evil(behavior: impl Behave + 'static) -> Came {
    came(&ask("a.test"), behavior, real_group).await
}

async fn ask_evil_with_opt(behavior: impl Behave + 'static) -> Came {
    came(&ask_with_opt("a.test"), behavior, real_group).await
}

async fn ask_in_vain(behavior: impl Behave + 'static) -> Came {
    came(&ask("a.test"), behavior, impatient_group).await
}

async fn came(
    ask: &Ask,
    behavior: impl Behave + 'static,
    group: impl Fn(&[&Upstream]) -> Group<Remote>,
) -> Came {
    let upstream = Upstream::start();
    upstream.on("a.test", behavior);
    let outcome = group(&[&upstream]).ask(ask, false).await;
    let sends = upstream.asked().iter().map(|asked| asked.transport).collect();
    let (result, response) = match outcome.result {
        Ok(response) => (Ok(answers(&response)), Some(response)),
        Err(failure) => (Err(failure), None),
    };
    Came { result, response, sends }
}

fn answers(response: &Response) -> Vec<String> {
    let message = dunlin_core::op::Message::from_vec(&response.bytes).unwrap();
    message.answers.iter().map(ToString::to_string).collect()
}

impl Came {
    /// The good answer after one send over UDP.
    fn is_good(&self) {
        assert_eq!(self.result.as_deref(), Ok(&[GOOD.to_owned()][..]));
        assert_eq!(self.sends, [Transport::Udp]);
    }

    /// Nothing until the time was over, and few sends.
    fn is_silence(&self) {
        let failure = self.result.as_ref().unwrap_err();
        assert!(failure.to_string().ends_with("i/o timeout"), "{failure}");
        assert_eq!(failure.extended_error().code, 22);
        assert!(self.sends.len() <= 3, "{:?}", self.sends);
    }
}

#[tokio::test]
async fn empty_question_section() {
    ask_in_vain(Reply::new().answer(GOOD).without_question()).await.is_silence();
}

#[tokio::test]
async fn other_name_in_question() {
    ask_in_vain(Reply::new().answer(GOOD).wrong_question("b.test")).await.is_silence();
}

#[tokio::test]
async fn forged_then_good() {
    let forged = Reply::new().answer("b.test. 1 IN A 192.0.2.66").wrong_question("b.test");
    ask_evil(vec![forged.into(), wait_50_ms(), good()]).await.is_good();
}

#[tokio::test]
async fn other_class_in_question() {
    let chaos = Reply::new().answer("a.test. 1 IN A 192.0.2.66").edit(|message| {
        message.queries[0].set_query_class(DNSClass::CH);
    });
    ask_in_vain(chaos.clone()).await.is_silence();
    ask_evil(vec![chaos.into(), good()]).await.is_good();
}

#[tokio::test]
async fn flipped_case_then_good() {
    let flipped = Reply::new().wrong_question("A.tEST").answer("A.tEST. 1 IN A 192.0.2.2");
    let came = ask_evil(vec![flipped.into(), good()]).await;
    assert_eq!(came.result.unwrap(), ["A.tEST. 1 IN A 192.0.2.2"], "0x20 is off: the first one");
}

#[tokio::test]
async fn qr_is_0() {
    let query = Reply::new()
        .answer(GOOD)
        .edit(|message| message.metadata.message_type = MessageType::Query);
    ask_in_vain(query).await.is_silence();
}

#[tokio::test]
async fn opcode_5_in_reply() {
    let update =
        Reply::new().answer(GOOD).edit(|message| message.metadata.op_code = OpCode::Update);
    ask_in_vain(update).await.is_silence();
}

#[tokio::test]
async fn one_or_five_wrong_ids_then_good() {
    for count in [1, 5] {
        let mut actions = vec![Action::from(Reply::new().answer(GOOD).wrong_id()); count];
        actions.push(good());
        ask_evil(actions).await.is_good();
    }
}

#[tokio::test]
async fn f11_f13_wrong_ids_only_and_garbage_only() {
    ask_in_vain(Reply::new().answer(GOOD).wrong_id()).await.is_silence();
    ask_in_vain(Action::Raw(b"8 octets".to_vec())).await.is_silence();
}

#[tokio::test]
async fn garbage_with_right_id_then_good() {
    let behavior = |asked: &Asked| {
        let mut garbage = asked.bytes[..2].to_vec();
        garbage.extend_from_slice(b"garbage that is no message");
        // A right question, but a record that is cut.
        let mut cut = Reply::new().answer(GOOD).encode(asked).unwrap();
        cut.truncate(cut.len() - 3);
        vec![Action::Raw(garbage), Action::Raw(cut), wait_50_ms(), good()]
    };
    ask_evil(behavior).await.is_good();
}

#[tokio::test]
async fn datagrams_of_no_or_one_octet_then_good() {
    ask_evil(vec![Action::Unframed(vec![]), Action::Unframed(vec![0]), good()]).await.is_good();
}

#[tokio::test]
async fn tc_empty_or_with_forged_partial() {
    let empty = Reply::new().truncated();
    for cut in [empty.clone(), empty.answer("a.test. 1 IN A 192.0.2.66")] {
        let came = ask_evil(move |asked: &Asked| match asked.transport {
            Transport::Udp => vec![cut.clone().into()],
            _ => vec![good()],
        });
        let came = came.await;
        assert_eq!(came.result.unwrap(), [GOOD]);
        assert_eq!(came.sends, [Transport::Udp, Transport::Tcp]);
    }
}

#[tokio::test]
async fn large_reply_over_udp() {
    let large = (0..240).fold(Reply::new(), |reply, last| {
        reply.answer(&format!("a.test. 300 IN A 192.0.2.{last}"))
    });
    let came = ask_evil_with_opt(large).await;
    assert_eq!(came.result.unwrap().len(), 240);
    assert_eq!(came.sends, [Transport::Udp, Transport::Tcp]);
}

#[tokio::test]
async fn trailing_bytes() {
    let came = ask_evil(|asked: &Asked| {
        let mut bytes = Reply::new().answer(GOOD).encode(asked).unwrap();
        bytes.extend_from_slice(&[0; 100]);
        vec![Action::Raw(bytes)]
    });
    let came = came.await;
    came.is_good();
    let response = came.response.unwrap();
    assert_eq!(response.bytes.len(), response.summary.end);
}

#[tokio::test]
async fn unrelated_record_in_answer() {
    let reply = Reply::new().answer("bank.test. 300 IN A 192.0.2.66").answer(GOOD);
    ask_evil(reply).await.is_good();
}

#[tokio::test]
async fn wrong_owner_only() {
    let came = ask_evil(Reply::new().answer("bank.test. 300 IN A 192.0.2.66")).await;
    assert_eq!(came.result.unwrap_err().extended_error().code, 22);
    assert_eq!(came.sends.len(), 1);
    let (evil, honest) = (Upstream::start(), Upstream::start());
    evil.always(Reply::new().answer("bank.test. 300 IN A 192.0.2.66"));
    honest.always(Reply::new().answer(GOOD));
    let outcome = real_group(&[&evil, &honest]).ask(&ask("a.test"), false).await;
    assert_eq!(answers(&outcome.result.unwrap()), [GOOD]);
}

#[tokio::test]
async fn class_ch_record_in_answer() {
    let reply = Reply::new().answer(GOOD).edit(|message| {
        let mut foreign: Record = record("a.test. 300 IN A 192.0.2.66");
        foreign.dns_class = DNSClass::CH;
        message.answers.push(foreign);
    });
    ask_evil(reply).await.is_good();
}

#[tokio::test]
async fn a_with_5_octets() {
    let behavior = |asked: &Asked| {
        let mut bytes = Reply::new().answer(GOOD).encode(asked).unwrap();
        bytes.push(1);
        let at = bytes.len() - 6;
        bytes[at] = 5;
        vec![Action::Raw(bytes)]
    };
    ask_in_vain(behavior).await.is_silence();
}

#[tokio::test]
async fn cname_to_itself_and_loop_of_two() {
    let itself = Reply::new().answer("a.test. 300 IN CNAME a.test.");
    let two =
        Reply::new().answer("a.test. 300 IN CNAME b.test.").answer("b.test. 300 IN CNAME a.test.");
    for circle in [itself, two] {
        let came = ask_evil(circle).await;
        let failure = came.result.unwrap_err();
        assert!(matches!(failure, Failure::AliasLoop { .. }), "{failure}");
        assert_eq!(failure.extended_error().code, 22);
        assert_eq!(came.sends.len(), 1);
    }
}

#[tokio::test]
async fn nxdomain_and_nodata_without_soa() {
    for rcode in [ResponseCode::NXDomain, ResponseCode::NoError] {
        let came = ask_evil(Reply::new().rcode(rcode)).await;
        assert_eq!(came.response.unwrap().rcode(), u16::from(rcode.low()), "passed on");
    }
}

#[tokio::test]
async fn servfail_and_refused() {
    for rcode in [ResponseCode::ServFail, ResponseCode::Refused] {
        let came = ask_evil(Reply::new().rcode(rcode)).await;
        assert_eq!(came.response.unwrap().rcode(), u16::from(rcode.low()), "passed on");
        assert_eq!(came.sends.len(), 1);
    }
}

#[tokio::test]
async fn formerr_on_edns_good_without() {
    let behavior = |asked: &Asked| match &asked.message.as_ref().unwrap().edns {
        Some(_) => vec![Reply::new().rcode(ResponseCode::FormErr).without_edns().into()],
        None => vec![good()],
    };
    let came = ask_evil_with_opt(behavior).await;
    assert_eq!(came.result.unwrap(), [GOOD]);
    assert_eq!(came.sends.len(), 2);
}

#[tokio::test]
async fn silence() {
    ask_in_vain(Vec::<Action>::new()).await.is_silence();
}

#[tokio::test]
async fn referral() {
    let referral = || {
        let reply = Reply::new().authority("test. 300 IN NS ns.test.");
        reply.edit(|message| message.metadata.recursion_available = false)
    };
    let came = ask_evil(referral()).await;
    assert_eq!(came.result.unwrap_err().extended_error().code, 22);
    let (lame, honest) = (Upstream::start(), Upstream::start());
    lame.always(referral());
    honest.always(Reply::new().answer(GOOD));
    let outcome = real_group(&[&lame, &honest]).ask(&ask("a.test"), false).await;
    assert_eq!(answers(&outcome.result.unwrap()), [GOOD]);
}

#[tokio::test]
async fn ttl_with_the_top_bit() {
    let came = ask_evil(Reply::new().answer(GOOD).edit(|message| {
        message.answers[0].ttl = 2_147_483_649;
    }));
    let response = came.await.response.unwrap();
    let ttls: Vec<u32> = Records::new(&response.bytes).unwrap().map(|record| record.ttl).collect();
    assert_eq!(ttls, [0]);
}

#[tokio::test]
async fn fw_21_sixteen_mismatches_move_the_question_to_tcp() {
    let came = ask_evil(|asked: &Asked| match asked.transport {
        Transport::Udp => vec![Action::from(Reply::new().answer(GOOD).wrong_id()); 17],
        _ => vec![good()],
    });
    let came = came.await;
    assert_eq!(came.result.unwrap(), [GOOD]);
    assert_eq!(came.sends, [Transport::Udp, Transport::Tcp]);
}

#[tokio::test]
async fn aliases_are_followed_and_what_leads_nowhere_is_stripped() {
    let chain = [
        "a.test. 300 IN CNAME b.test.",
        "b.test. 300 IN CNAME c.test.",
        "c.test. 300 IN A 192.0.2.3",
    ];
    let build = |order: &[usize]| {
        order.iter().fold(Reply::new().answer("d.test. 1 IN A 192.0.2.66"), |reply, index| {
            reply.answer(chain[*index])
        })
    };
    for order in [[0, 1, 2], [2, 1, 0]] {
        let mut found = ask_evil(build(&order)).await.result.unwrap();
        found.sort();
        assert_eq!(found, chain, "{order:?}");
    }
    let dangling = Reply::new().answer(chain[0]);
    assert_eq!(ask_evil(dangling).await.result.unwrap(), [chain[0]], "a lone CNAME is an answer");
}

#[tokio::test]
async fn names_below_a_dname_are_part_of_the_answer() {
    let below = |asked: &str| -> Name { name(asked) };
    let dname = dunlin_core::rr::RData::Unknown {
        code: 39.into(),
        rdata: dunlin_core::rr::rdata::NULL::with(b"\x05other\x00".to_vec()),
    };
    let record = Record::from_rdata(below("test."), 300, dname);
    let reply = Reply::new()
        .edit(move |message| message.answers.push(record.clone()))
        .answer("a.test. 300 IN CNAME a.other.")
        .answer("a.other. 300 IN A 192.0.2.1")
        .answer("b.other. 300 IN A 192.0.2.66");
    assert_eq!(ask_evil(reply).await.result.unwrap().len(), 3);
}
