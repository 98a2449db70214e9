#![doc = include_str!("README.md")]

mod get;
mod self_check;
mod setup;
#[cfg(test)]
mod tests;

pub use self::setup::ENTRY;
