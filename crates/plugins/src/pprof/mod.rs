#![doc = include_str!("README.md")]

mod pages;
mod setup;
#[cfg(test)]
mod tests;

pub use self::setup::ENTRY;
