//! Formats that Corefiles, messages and logs inherit from Go's standard library, errors included.

mod duration;
mod number;
mod quote;
mod regexp;
#[cfg(test)]
mod tests;

pub use self::duration::{GoDuration, parse_duration};
pub use self::number::{atoi, parse_uint16, parse_uint32, parse_uint64};
pub use self::quote::quote;
pub use self::regexp::regexp_error;
