//! The questions of a load: which names, and in which order.

/// A stream of queries. Each is a whole message with the id left 0.
#[derive(Debug, Clone)]
pub(crate) struct Questions {
    messages: Vec<Vec<u8>>,
    /// Only with one message: its first label holds a number in this many names.
    names: u32,
    pick: Pick,
    turn: u64,
    random: u64,
}

/// In which order names are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pick {
    /// One after the other, round and round.
    InTurn,
    /// Each as often as any other, at random.
    Uniform,
    /// The name of rank k about 1/k as often as the first.
    Zipf,
    /// Never one twice.
    Fresh,
}

/// Octets of a header.
const HEADER: usize = 12;
/// The first label of a numbered name: `n` and 16 hexadecimal digits.
const DIGITS: std::ops::Range<usize> = HEADER + 2..HEADER + 18;

impl Questions {
    /// Names of a number below this domain.
    pub(crate) fn numbered(names: u32, domain: &str, pick: Pick) -> Self {
        let message = message(&format!("n{:016x}.{domain}", 0));
        Self { messages: vec![message], names: names.max(1), pick, turn: 0, random: SEED }
    }

    /// These names in turn.
    pub(crate) fn listed(names: impl IntoIterator<Item = String>) -> Self {
        let messages: Vec<_> = names.into_iter().map(|name| message(&name)).collect();
        Self { messages, names: 0, pick: Pick::InTurn, turn: 0, random: SEED }
    }

    /// The same names, each of them once and in turn: how many, and they.
    pub(crate) fn once(&self) -> (u64, Self) {
        let count = if self.names > 0 { self.names.into() } else { self.messages.len() as u64 };
        let count = if self.pick == Pick::Fresh { 0 } else { count };
        (count, Self { pick: Pick::InTurn, turn: 0, ..self.clone() })
    }

    /// The same with another beginning, for another client.
    pub(crate) fn of_client(&self, number: u64) -> Self {
        let random = SEED ^ (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self { random, turn: number << 32, ..self.clone() }
    }

    /// The next message.
    pub(crate) fn next(&mut self) -> &mut [u8] {
        let turn = self.turn;
        self.turn += 1;
        if self.names == 0 {
            let at = usize::try_from(turn).unwrap_or(0) % self.messages.len().max(1);
            return self.messages.get_mut(at).map(Vec::as_mut_slice).unwrap_or_default();
        }
        let number = match self.pick {
            Pick::InTurn => turn % u64::from(self.names),
            Pick::Uniform => self.random() % u64::from(self.names),
            Pick::Zipf => self.rank(),
            Pick::Fresh => self.random(),
        };
        let message = self.messages.first_mut().map(Vec::as_mut_slice).unwrap_or_default();
        for (at, digit) in message.get_mut(DIGITS).unwrap_or_default().iter_mut().rev().enumerate()
        {
            *digit = b"0123456789abcdef"
                .get(usize::from((number >> (4 * at)) as u8 & 15))
                .copied()
                .unwrap_or(b'0');
        }
        message
    }

    /// Inverts the integral of 1/k: close to Zipf's law with exponent 1, without a table that
    /// would take part of the processor's cache.
    fn rank(&mut self) -> u64 {
        let unit = (self.random() >> 11) as f64 / (1u64 << 53) as f64;
        let rank = (unit * f64::from(self.names + 1).ln()).exp() as u64;
        rank.clamp(1, self.names.into()) - 1
    }

    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

const SEED: u64 = 0x2545_f491_4f6c_dd1d;

/// A query for the A records of a name, with RD.
fn message(name: &str) -> Vec<u8> {
    let mut message = vec![0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.').filter(|label| !label.is_empty()) {
        message.push(label.len() as u8);
        message.extend_from_slice(label.as_bytes());
    }
    message.extend_from_slice(&[0, 0, 1, 0, 1]);
    message
}
