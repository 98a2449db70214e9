//! Go's `text/template`, as far as answers need it: fields, variables, pipelines, `if`, `with`,
//! `range`, and the functions of [`functions`]. Pure: text and data in, text out, with a bound on
//! work and output. What it leaves out (`define`, `template`, `block`, `call`, floating-point and
//! complex numbers) is a mistake when the template is read, not when it runs.

mod eval;
mod fields;
mod format;
mod functions;
mod lexer;
mod numbers;
mod parser;
mod print;
mod scope;
#[cfg(test)]
mod tests;
mod tree;
mod value;

use self::tree::Node;
pub(super) use self::value::{Object, Value};

/// A template that was read.
#[derive(Debug)]
pub(super) struct Template {
    name: &'static str,
    text: String,
    nodes: Vec<Node>,
}

impl Template {
    /// Reads a template; `name` stands in messages.
    ///
    /// # Errors
    /// `template: NAME:LINE: …`, as Go says it where Go has the mistake too.
    pub(super) fn new(name: &'static str, text: &str) -> Result<Self, String> {
        let nodes = parser::parse(text).map_err(|mistake| {
            let line = line_of(text, mistake.at);
            format!("template: {name}:{line}: {}", mistake.text)
        })?;
        Ok(Self { name, text: text.to_owned(), nodes })
    }

    /// The text that it makes of the data.
    ///
    /// # Errors
    /// `template: NAME:LINE:COLUMN: executing "NAME" at <PART>: …`
    pub(super) fn render(&self, data: &dyn Object) -> Result<String, String> {
        eval::render(&self.nodes, data).map_err(|failure| {
            let before = self.text.get(..failure.at).unwrap_or(&self.text);
            let column = before.rsplit('\n').next().map_or(0, str::len);
            let line = line_of(&self.text, failure.at);
            let (name, part) = (self.name, shortened(&failure.part));
            format!(
                "template: {name}:{line}:{column}: executing \"{name}\" at <{part}>: {}",
                failure.text
            )
        })
    }

    /// The template as Go prints it: blanks and comments in actions are gone.
    pub(super) fn source(&self) -> String {
        print::nodes(&self.nodes)
    }

    /// The text outside of actions.
    pub(super) fn literals(&self) -> impl Iterator<Item = &str> {
        tree::literals(&self.nodes)
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or(text).matches('\n').count() + 1
}

/// Go shows 20 octets of a part at most.
fn shortened(part: &str) -> String {
    match part.char_indices().nth(20) {
        Some((end, _)) => format!("{}...", part.get(..end).unwrap_or_default()),
        None => part.to_owned(),
    }
}
