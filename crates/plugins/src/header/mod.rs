#![doc = include_str!("README.md")]

mod setup;
#[cfg(test)]
mod tests;

use dunlin_core::wire::Flags;
use dunlin_core::{Next, Plugin, Query, Reply, Result, async_trait};

pub use self::setup::ENTRY;

/// Sets and clears header flags.
#[derive(Debug, Default)]
struct Header {
    query: Change,
    response: Change,
}

/// What becomes of the flags: of several rules for one flag the last has won.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Change {
    set: u16,
    clear: u16,
}

impl Change {
    fn add(&mut self, mask: u16, on: bool) {
        let (into, out_of) =
            if on { (&mut self.set, &mut self.clear) } else { (&mut self.clear, &mut self.set) };
        *into |= mask;
        *out_of &= !mask;
    }

    fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

#[async_trait]
impl Plugin for Header {
    fn name(&self) -> &'static str {
        "header"
    }

    async fn serve(&self, query: &mut Query, next: Next<'_>) -> Result<Reply> {
        query.set_flag(self.query.set, true);
        query.set_flag(self.query.clear, false);
        let mut reply = next.run(query).await?;
        reply.set_flag(self.response.set, true);
        reply.set_flag(self.response.clear, false);
        // The client gets the RD flag of its query back; from here on that is this one.
        query.set_flag(self.response.set & Flags::RD, true);
        query.set_flag(self.response.clear & Flags::RD, false);
        Ok(reply)
    }
}
