//! Tests: the directive, the rows of the specification, sharing, and the store against a model.

mod answers;
mod rows;
mod script;
mod sharing;
mod stale;
mod store;
mod syntax;
mod upstream;
