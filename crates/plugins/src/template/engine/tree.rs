//! What a template consists of.

use super::functions::Function;

/// A piece of a template.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    /// Text to copy.
    Text(String),
    /// A pipeline whose value is printed, unless it only sets a variable.
    Action(Pipe),
    /// `if`, `with`, `range`.
    Branch(Branch),
    /// Ends the innermost `range`.
    Break,
    /// Goes on with the next turn of the innermost `range`.
    Continue,
}

/// A condition or a list, and what is done about it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Branch {
    pub(super) kind: BranchKind,
    pub(super) pipe: Pipe,
    pub(super) body: Vec<Node>,
    pub(super) otherwise: Vec<Node>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BranchKind {
    If,
    With,
    Range,
}

/// Commands, each of which gets the value of the one before as its last argument.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pipe {
    /// Variables that get the value, and whether they exist already.
    pub(super) variables: Vec<String>,
    pub(super) assigns: bool,
    pub(super) commands: Vec<Command>,
}

/// A function with its arguments, or a single operand.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Command {
    pub(super) words: Vec<Operand>,
}

/// An operand and its place in the text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Operand {
    pub(super) at: usize,
    pub(super) kind: OperandKind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum OperandKind {
    Dot,
    Nil,
    Bool(bool),
    /// A number or a character, and how it was written.
    Number(i128, String),
    /// A text, and how it was written.
    String(String, String),
    /// `.A.B`
    Field(Vec<String>),
    /// `$x.A.B`; the name has its dollar.
    Variable(String, Vec<String>),
    /// `(pipeline).A.B`
    Nested(Box<Pipe>, Vec<String>),
    Function(Function),
}

/// All texts, those of branches included.
pub(super) fn literals(nodes: &[Node]) -> Box<dyn Iterator<Item = &str> + '_> {
    Box::new(nodes.iter().flat_map(|node| match node {
        Node::Text(text) => Box::new(std::iter::once(text.as_str())),
        Node::Branch(branch) => {
            let both = literals(&branch.body).chain(literals(&branch.otherwise));
            Box::new(both) as Box<dyn Iterator<Item = &str>>
        }
        _ => Box::new(std::iter::empty()),
    }))
}
