//! The larger tests of this plugin: scenes, which are a server block with a cache in front of a
//! scripted upstream, and what is played in them. `tests.rs` beside this folder has the rows of the
//! specification.

mod answers;
mod script;
mod sharing;
mod stale;
mod store;
mod syntax;
mod upstream;

pub(super) use self::script::{Scene, play_all, question, settle, show};
