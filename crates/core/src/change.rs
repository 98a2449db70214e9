//! A query made anew with another question or other EDNS options, for the plugins further down.
//!
//! The message is written and shown to the gate again, so that nothing reaches a plugin that the
//! gate would not have let pass.

use crate::buffer::Buffer;
use crate::edns::Edns;
use crate::error::{Error, Result};
use crate::gate::{self, Opcodes};
use crate::mnemonic;
use crate::query::Query;
use crate::wire::{CLASS_IN, HEADER_LEN, Presentation, WireName, types};

/// What a query is to ask instead. Made from the query: [`Query::change`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// QNAME in wire form; its spelling goes upstream.
    pub name: Vec<u8>,
    /// QTYPE.
    pub qtype: u16,
    /// QCLASS.
    pub qclass: u16,
    /// All EDNS options, code and data, if they are to be others. They travel to upstreams as they
    /// are, even those that would belong to the client's hop. An OPT is added if there is none.
    pub options: Option<Vec<(u16, Vec<u8>)>>,
}

/// What a query announces that got its OPT here, in octets: what CoreDNS says.
const UDP_SIZE: u16 = 4096;

impl Change {
    /// No change yet.
    pub(crate) fn of(query: &Query) -> Self {
        Self {
            name: query.qname_as_sent().to_vec(),
            qtype: query.qtype_code(),
            qclass: query.qclass_code(),
            options: None,
        }
    }

    /// Another question in class IN.
    pub(crate) fn ask(name: &[u8], qtype: u16) -> Self {
        Self { name: name.to_vec(), qtype, qclass: CLASS_IN, options: None }
    }

    /// The message: header, question, OPT.
    fn message(&self, query: &Query) -> Buffer {
        let mut bytes = Buffer::new();
        bytes.extend_from_slice(query.as_bytes().get(..4).unwrap_or_default());
        let has_opt = query.edns().is_some() || self.options.is_some();
        bytes.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, u8::from(has_opt)]);
        bytes.extend_from_slice(&self.name);
        bytes.extend_from_slice(&self.qtype.to_be_bytes());
        bytes.extend_from_slice(&self.qclass.to_be_bytes());
        if has_opt {
            self.append_opt(query, &mut bytes);
        }
        bytes
    }

    fn append_opt(&self, query: &Query, bytes: &mut Vec<u8>) {
        let size = query.edns().map_or(UDP_SIZE, |edns: &Edns| edns.udp_size);
        bytes.extend_from_slice(&[0, 0, types::OPT.to_be_bytes()[1]]);
        bytes.extend_from_slice(&size.to_be_bytes());
        bytes.extend_from_slice(&[0, 0, if query.dnssec_ok() { 0x80 } else { 0 }, 0]);
        let length_at = bytes.len();
        bytes.extend_from_slice(&[0, 0]);
        match &self.options {
            Some(options) => options.iter().for_each(|(code, data)| append(bytes, *code, data)),
            None => query.edns_options().for_each(|(code, data)| append(bytes, code, data)),
        }
        let length = u16::try_from(bytes.len() - length_at - 2).unwrap_or(u16::MAX);
        crate::wire::write_u16(bytes, length_at, length);
    }

    /// The bytes of the query, and what the gate says of them.
    ///
    /// # Errors
    /// A question that nobody may ask, or options that are too many.
    pub(crate) fn pass(&self, query: &Query) -> Result<(Buffer, gate::View, WireName)> {
        let bytes = self.message(query);
        let opcodes = Opcodes::default().with(query.flags().opcode());
        let mut name = WireName::new();
        let passed = gate::accept(&bytes, query.client(), query.transport(), opcodes, &mut name);
        let view = passed.map_err(|_| {
            let kind =
                mnemonic::rtype(self.qtype).map_or_else(|| self.qtype.to_string(), Into::into);
            Error::new(format!("no query to ask: {} {kind}", Presentation(&self.name)))
        })?;
        debug_assert!(view.end > HEADER_LEN && view.trailing == 0);
        Ok((bytes, view, name))
    }
}

fn append(bytes: &mut Vec<u8>, code: u16, data: &[u8]) {
    let length = u16::try_from(data.len()).unwrap_or(0);
    bytes.extend_from_slice(&code.to_be_bytes());
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(data.get(..usize::from(length)).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::RecordType;

    use super::*;
    use crate::metadata::Metadata;
    use crate::testing::query;
    use crate::wire::Flags;

    #[test]
    fn the_limit_of_the_client_and_options_of_the_reply_outlive_a_change() {
        let mut asked = query("a.test", RecordType::A).edns(4096).build();
        asked.cap_udp_size(700);
        let mut change = asked.change();
        change.qtype = 28;
        let mut changed = asked.changed(&change).unwrap();
        assert_eq!((changed.our_udp_size(), changed.max_size()), (700, 700));
        assert_eq!(asked.nested(b"\x01b\x00", 1).unwrap().our_udp_size(), 700);
        changed.add_reply_option(3, b"id");
        asked.take_back(changed);
        assert_eq!(asked.reply_options(), b"\x00\x03\x00\x02id");
    }

    #[test]
    fn plugins_further_down_see_the_change_and_nobody_else() {
        let mut asked = query("a.Test", RecordType::A).id(7).dnssec_ok().option(10, b"12345678");
        asked = asked.option(65_001, b"x");
        let mut asked = asked.build();
        asked.attach_metadata(Metadata::default());
        asked.set_flag(Flags::AD, true);
        let change = Change {
            name: b"\x01B\x00".to_vec(),
            qtype: 28,
            qclass: 3,
            options: Some(vec![(3, Vec::new()), (65_001, b"y".to_vec())]),
        };
        let changed = asked.changed(&change).unwrap();
        assert!(asked.metadata().is_none());
        changed.metadata().unwrap().set("a/b", "1");
        assert_eq!(changed.qname_as_sent(), b"\x01B\x00");
        assert_eq!(changed.question(), b"\x01B\x00\x00\x1c\x00\x03");
        assert_eq!((changed.id(), changed.client()), (7, asked.client()));
        assert!(changed.dnssec_ok() && changed.flags().has(Flags::AD));
        let mut upstream = Vec::new();
        changed.append_for_upstream(&mut upstream);
        assert!(upstream.ends_with(b"\x80\x00\x00\x09\x00\x03\x00\x00\xfd\xe9\x00\x01y"));
        asked.take_back(changed);
        assert_eq!(asked.metadata().unwrap().get("a/b").as_deref(), Some("1"));
        assert_eq!(asked.qname_as_sent(), b"\x01a\x04Test\x00");
    }

    #[test]
    fn the_clients_own_options_still_end_at_its_hop() {
        let mut asked =
            query("a", RecordType::A).option(10, b"12345678").option(65_001, b"x").build();
        let mut change = asked.change();
        change.name = b"\x01b\x00".to_vec();
        let changed = asked.changed(&change).unwrap();
        assert_eq!(changed.edns_options().count(), 2);
        let mut upstream = Vec::new();
        changed.append_for_upstream(&mut upstream);
        assert!(upstream.ends_with(b"\x00\x05\xfd\xe9\x00\x01x"));
    }

    #[test]
    fn an_opt_is_added_for_options_and_a_bad_question_refused() {
        let mut asked = query("a", RecordType::A).build();
        let change = Change { options: Some(Vec::new()), ..asked.change() };
        let changed = asked.changed(&change).unwrap();
        assert_eq!(changed.edns().map(|edns| edns.udp_size), Some(4096));
        for (name, qtype) in [(&b"\x01b"[..], 1), (b"\x01b\x00", 0), (b"\x01b\x00", 41)] {
            let change = Change { name: name.to_vec(), qtype, ..asked.change() };
            assert!(asked.changed(&change).is_err(), "{change:?}");
        }
        let many = vec![(65_001, Vec::new()); 65];
        assert!(asked.changed(&Change { options: Some(many), ..asked.change() }).is_err());
    }
}
