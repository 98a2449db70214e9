//! The acceptance rows of the specification, by theme.

mod aliases;
mod names;
mod options;
mod replies;
mod syntax;
