#![doc = include_str!("README.md")]
//!
//! # For readers of the code
//!
//! There is no plugin here, only its manual page and the rows of its specification: the parser of
//! `dunlin_corefile` replaces every `import` before a directive is looked at.

mod setup;
#[cfg(test)]
mod tests;
