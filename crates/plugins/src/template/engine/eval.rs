//! A template at work: bounded steps, bounded output.

use super::fields::read;
use super::functions::Function;
use super::print;
use super::scope::Scope;
use super::tree::{Branch, BranchKind, Command, Node, Operand, OperandKind, Pipe};
use super::value::{Object, Value};

/// Octets that a template makes at most (security.md RL-12).
const MAX_OUTPUT: usize = 1 << 16;
/// Nodes and commands that it runs at most.
const MAX_STEPS: usize = 10_000;

/// Why a template could not go on.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) at: usize,
    /// The part at fault.
    pub(super) part: String,
    pub(super) text: String,
}

/// Renders nodes over the data.
pub(super) fn render(nodes: &[Node], data: &dyn Object) -> Result<String, Failure> {
    let root = Value::Object(data);
    let mut run = Run { out: String::new(), steps: 0, scope: Scope::new(root.clone()) };
    run.list(nodes, &root)?;
    Ok(run.out)
}

struct Run<'n, 'd> {
    out: String,
    steps: usize,
    scope: Scope<'n, 'd>,
}

/// What a node says about the range around it.
#[derive(PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

type Outcome<T> = Result<T, Failure>;

impl<'n, 'd> Run<'n, 'd> {
    fn list(&mut self, nodes: &'n [Node], dot: &Value<'d>) -> Outcome<Flow> {
        for node in nodes {
            let flow = self.node(node, dot)?;
            if flow != Flow::On {
                return Ok(flow);
            }
        }
        Ok(Flow::On)
    }

    fn node(&mut self, node: &'n Node, dot: &Value<'d>) -> Outcome<Flow> {
        self.step()?;
        match node {
            Node::Text(text) => self.out.push_str(text),
            Node::Action(pipe) => {
                let value = self.pipe(pipe, dot)?;
                if pipe.variables.is_empty() {
                    self.print(&value, pipe)?;
                }
            }
            Node::Branch(branch) => return self.branch(branch, dot),
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        if self.out.len() > MAX_OUTPUT {
            return Err(unplaced("output is too long"));
        }
        Ok(Flow::On)
    }

    fn step(&mut self) -> Outcome<()> {
        self.steps += 1;
        if self.steps > MAX_STEPS { Err(unplaced("too many steps")) } else { Ok(()) }
    }

    fn print(&mut self, value: &Value<'d>, pipe: &Pipe) -> Outcome<()> {
        match value {
            Value::Object(object) => {
                let first = pipe.commands.first().and_then(|command| command.words.first());
                let text = format!("can't print {}", object.type_name());
                Err(first.map_or_else(|| unplaced(&text), |word| failure(word, &text)))
            }
            value => {
                self.out.push_str(&value.to_string());
                Ok(())
            }
        }
    }

    fn branch(&mut self, branch: &'n Branch, dot: &Value<'d>) -> Outcome<Flow> {
        let mark = self.scope.mark();
        let flow = match branch.kind {
            BranchKind::Range => self.range(branch, dot),
            BranchKind::If | BranchKind::With => {
                let value = self.pipe(&branch.pipe, dot)?;
                match (value.is_true(), branch.kind) {
                    (true, BranchKind::With) => self.list(&branch.body, &value),
                    (true, _) => self.list(&branch.body, dot),
                    (false, _) => self.list(&branch.otherwise, dot),
                }
            }
        };
        self.scope.leave(mark);
        flow
    }

    fn range(&mut self, branch: &'n Branch, dot: &Value<'d>) -> Outcome<Flow> {
        let mark = self.scope.mark();
        let value = self.commands(&branch.pipe, dot)?;
        let turns: Box<dyn Iterator<Item = (Value<'d>, Value<'d>)>> = match &value {
            Value::List(values) => {
                let keys = (0_i64..).map(Value::Int);
                Box::new(keys.zip(values.to_vec()))
            }
            Value::Map(entries) => {
                Box::new(entries.iter().cloned().map(|(key, value)| (Value::text(key), value)))
            }
            Value::Int(count) => {
                Box::new((0..*count).map(|turn| (Value::Int(turn), Value::Int(turn))))
            }
            Value::Nothing | Value::Nil => Box::new(std::iter::empty()),
            other => {
                let first = branch.pipe.commands.first().and_then(|command| command.words.first());
                let text = format!("range can't iterate over {other}");
                return Err(first.map_or_else(|| unplaced(&text), |word| failure(word, &text)));
            }
        };
        let mut is_empty = true;
        for (key, item) in turns {
            is_empty = false;
            self.step()?;
            self.scope.leave(mark);
            self.set_turn(&branch.pipe, key, &item);
            if self.list(&branch.body, &item)? == Flow::Break {
                break;
            }
        }
        if is_empty { self.list(&branch.otherwise, dot) } else { Ok(Flow::On) }
    }

    /// `$item`, or `$key, $item`.
    fn set_turn(&mut self, pipe: &'n Pipe, key: Value<'d>, item: &Value<'d>) {
        let values = match pipe.variables.as_slice() {
            [item_name] => vec![(item_name, item.clone())],
            [key_name, item_name] => vec![(key_name, key), (item_name, item.clone())],
            _ => Vec::new(),
        };
        for (name, value) in values {
            self.set(name, value, pipe.assigns);
        }
    }

    fn set(&mut self, name: &'n str, value: Value<'d>, assigns: bool) {
        if assigns { self.scope.assign(name, value) } else { self.scope.declare(name, value) }
    }

    /// The value of a pipeline, which its variable gets.
    fn pipe(&mut self, pipe: &'n Pipe, dot: &Value<'d>) -> Outcome<Value<'d>> {
        let value = self.commands(pipe, dot)?;
        for name in &pipe.variables {
            self.set(name, value.clone(), pipe.assigns);
        }
        Ok(value)
    }

    fn commands(&mut self, pipe: &'n Pipe, dot: &Value<'d>) -> Outcome<Value<'d>> {
        let mut value = None;
        for command in &pipe.commands {
            value = Some(self.command(command, dot, value)?);
        }
        Ok(value.unwrap_or(Value::Nothing))
    }

    /// `last` is the value of the command before in the pipeline.
    fn command(
        &mut self,
        command: &'n Command,
        dot: &Value<'d>,
        last: Option<Value<'d>>,
    ) -> Outcome<Value<'d>> {
        self.step()?;
        let Some((first, rest)) = command.words.split_first() else { return Ok(Value::Nothing) };
        if let OperandKind::Function(function) = first.kind {
            return self.call(function, command, dot, last);
        }
        if first.kind == OperandKind::Nil {
            return Err(failure(first, "nil is not a command"));
        }
        if rest.is_empty() && last.is_none() {
            return self.operand(first, dot);
        }
        let mut arguments = Vec::new();
        for word in rest {
            arguments.push(self.operand(word, dot)?);
        }
        arguments.extend(last);
        self.method(first, dot, &arguments)
    }

    fn call(
        &mut self,
        function: Function,
        command: &'n Command,
        dot: &Value<'d>,
        last: Option<Value<'d>>,
    ) -> Outcome<Value<'d>> {
        let mut arguments = Vec::new();
        for word in command.words.iter().skip(1) {
            let value = self.operand(word, dot)?;
            let stops = function.stops_at(&value);
            arguments.push(value);
            if stops {
                break;
            }
        }
        if !arguments.last().is_some_and(|value| function.stops_at(value)) {
            arguments.extend(last);
        }
        let at = command.words.first().map_or(0, |word| word.at);
        let wrong_count = |text| Failure { at, part: function.name().to_owned(), text };
        function.check_count(arguments.len()).map_err(wrong_count)?;
        function.call(&arguments).map_err(|text| Failure {
            at,
            part: print::command(command),
            text,
        })
    }

    /// A field that is given arguments: a method.
    fn method(
        &mut self,
        word: &'n Operand,
        dot: &Value<'d>,
        arguments: &[Value<'d>],
    ) -> Outcome<Value<'d>> {
        let (start, names) = match &word.kind {
            OperandKind::Field(names) => (dot.clone(), names),
            OperandKind::Variable(name, names) => (self.scope.get(name), names),
            OperandKind::Nested(pipe, names) => (self.pipe(pipe, dot)?, names),
            _ => return Err(failure(word, "can't give argument to non-function")),
        };
        let Some((name, before)) = names.split_last() else {
            return Err(failure(word, "can't give argument to non-function"));
        };
        let object = read(&start, before).map_err(|text| failure(word, &text))?;
        let Value::Object(object) = object else {
            let text = format!("can't evaluate field {name} in type {}", object.type_name());
            return Err(failure(word, &text));
        };
        if !object.has_method(name) {
            let text = format!("{name} has arguments but cannot be invoked as function");
            return Err(failure(word, &text));
        }
        match arguments {
            [Value::Text(argument)] => Ok(Value::text(object.call(name, argument))),
            [other] => {
                let text =
                    format!("wrong type for value; expected string; got {}", other.type_name());
                Err(failure(word, &text))
            }
            _ => {
                let count = arguments.len();
                Err(failure(word, &format!("wrong number of args for {name}: want 1 got {count}")))
            }
        }
    }

    fn operand(&mut self, word: &'n Operand, dot: &Value<'d>) -> Outcome<Value<'d>> {
        let (start, names) = match &word.kind {
            OperandKind::Dot => return Ok(dot.clone()),
            OperandKind::Nil => return Ok(Value::Nil),
            OperandKind::Bool(value) => return Ok(Value::Bool(*value)),
            OperandKind::Number(number, _) => return Ok(Value::of_number(*number)),
            OperandKind::String(text, _) => return Ok(Value::text(text.as_str())),
            OperandKind::Function(function) => {
                let called = function.check_count(0).and_then(|()| function.call(&[]));
                return called.map_err(|text| failure(word, &text));
            }
            OperandKind::Field(names) => (dot.clone(), names),
            OperandKind::Variable(name, names) => (self.scope.get(name), names),
            OperandKind::Nested(pipe, names) => {
                let mark = self.scope.mark();
                let value = self.pipe(pipe, dot)?;
                self.scope.leave(mark);
                (value, names)
            }
        };
        read(&start, names).map_err(|text| failure(word, &text))
    }
}

fn failure(word: &Operand, text: &str) -> Failure {
    Failure { at: word.at, part: print::operand(word), text: text.to_owned() }
}

fn unplaced(text: &str) -> Failure {
    Failure { at: 0, part: String::new(), text: text.to_owned() }
}
