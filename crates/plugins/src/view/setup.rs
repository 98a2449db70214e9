//! The Corefile side: `view NAME [{ expr EXPRESSION }]`.

use anyhow::ensure;
use dunlin_core::directive;
use dunlin_core::expression::Expression;
use dunlin_core::{Directive, Entry};

use super::View;

/// What the directive list holds for this plugin.
pub const ENTRY: Entry = Entry { name: "view", setup };

/// What `view` says.
#[derive(Debug)]
pub(super) struct Config {
    pub(super) name: String,
    /// All of them have to hold.
    pub(super) expressions: Vec<Expression>,
}

fn setup(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    let Config { name, expressions } = parse(directive)?;
    ensure!(directive.parts().view.is_none(), "multiple views defined in server block");
    let view = directive::View::new(name.as_str(), move |query| {
        expressions.iter().all(|expression| expression.holds(query))
    });
    directive.parts().view = Some(view);
    directive.add(View { name });
    Ok(())
}

pub(super) fn parse(directive: &mut Directive<'_>) -> anyhow::Result<Config> {
    directive.next();
    directive.only_once()?;
    let &[name] = directive.remaining_args().as_slice() else {
        return Err(directive.arg_error().into());
    };
    let mut expressions = Vec::new();
    while directive.next_block() {
        match directive.val() {
            "expr" => {
                let text = directive.remaining_args().join(" ");
                let expression = Expression::compile(&text);
                expressions.push(expression.map_err(|mistake| directive.error(mistake))?);
            }
            other => return Err(directive.error(format!("unknown property '{other}'")).into()),
        }
    }
    Ok(Config { name: name.to_owned(), expressions })
}
