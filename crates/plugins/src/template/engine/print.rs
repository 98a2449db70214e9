//! A tree as text again, in the form in which Go prints it.

use super::tree::{Branch, BranchKind, Command, Node, Operand, OperandKind, Pipe};

pub(super) fn nodes(nodes: &[Node]) -> String {
    nodes.iter().map(node).collect()
}

fn node(node: &Node) -> String {
    match node {
        Node::Text(text) => text.clone(),
        Node::Action(action) => format!("{{{{{}}}}}", pipe(action)),
        Node::Branch(inner) => branch(inner),
        Node::Break => "{{break}}".into(),
        Node::Continue => "{{continue}}".into(),
    }
}

fn branch(branch: &Branch) -> String {
    let keyword = match branch.kind {
        BranchKind::If => "if",
        BranchKind::With => "with",
        BranchKind::Range => "range",
    };
    let otherwise = match branch.otherwise.as_slice() {
        [] => String::new(),
        some => format!("{{{{else}}}}{}", nodes(some)),
    };
    let (condition, body) = (pipe(&branch.pipe), nodes(&branch.body));
    format!("{{{{{keyword} {condition}}}}}{body}{otherwise}{{{{end}}}}")
}

fn pipe(pipe: &Pipe) -> String {
    let commands: Vec<String> = pipe.commands.iter().map(command).collect();
    let commands = commands.join(" | ");
    if pipe.variables.is_empty() {
        return commands;
    }
    let sign = if pipe.assigns { "=" } else { ":=" };
    format!("{} {sign} {commands}", pipe.variables.join(", "))
}

pub(super) fn command(command: &Command) -> String {
    let words: Vec<String> = command.words.iter().map(operand).collect();
    words.join(" ")
}

pub(super) fn operand(operand: &Operand) -> String {
    match &operand.kind {
        OperandKind::Dot => ".".into(),
        OperandKind::Nil => "nil".into(),
        OperandKind::Bool(value) => value.to_string(),
        OperandKind::Number(_, written) | OperandKind::String(_, written) => written.clone(),
        OperandKind::Field(names) => chain("", names),
        OperandKind::Variable(name, names) => chain(name, names),
        OperandKind::Nested(inner, names) => chain(&format!("({})", pipe(inner)), names),
        OperandKind::Function(function) => function.name().into(),
    }
}

fn chain(start: &str, names: &[String]) -> String {
    names.iter().fold(start.to_owned(), |text, name| format!("{text}.{name}"))
}
