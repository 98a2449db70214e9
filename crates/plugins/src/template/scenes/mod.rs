//! The acceptance rows of the specification, by theme.

mod answers;
mod records;
mod syntax;
