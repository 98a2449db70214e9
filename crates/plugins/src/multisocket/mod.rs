#![doc = include_str!("README.md")]

mod setup;
#[cfg(test)]
mod tests;

pub use self::setup::ENTRY;
