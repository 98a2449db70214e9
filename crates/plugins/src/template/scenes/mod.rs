//! The acceptance rows of the specification, by theme.

mod answers;
mod expressions;
mod records;
mod syntax;
