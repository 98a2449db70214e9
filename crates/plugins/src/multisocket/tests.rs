//! The acceptance rows of the specification that the Corefile side decides (MS1 to MS4); the sockets
//! are counted in the engine's tests and in the black box.

use std::num::NonZeroUsize;

use dunlin_core::directive::SocketCount;
use dunlin_core::testing;

use super::ENTRY;

#[test]
fn the_number_is_read() {
    let exactly = |count| SocketCount::Exactly(NonZeroUsize::new(count).unwrap());
    let table = [
        ("MS1", "multisocket", SocketCount::PerWorker),
        ("MS2", "multisocket 3", exactly(3)),
        ("", "multisocket 1024", exactly(1024)),
    ];
    for (row, text, expected) in table {
        let block = testing::setup(&ENTRY, text).unwrap();
        assert_eq!(block.parts().sockets, Some(expected), "{row} {text}");
    }
}

#[test]
fn mistakes_are_told_as_coredns_tells_them() {
    let count = |line: u32, word: &str| {
        let text = "Error during parsing: Wrong argument count or unexpected line ending after";
        format!("Corefile:{line} - {text} '{word}'")
    };
    let table = [
        ("MS3", "multisocket 0", "num sockets can not be zero or negative: 0".to_owned()),
        ("MS3", "multisocket -1", "num sockets can not be zero or negative: -1".into()),
        (
            "MS3",
            "multisocket x",
            "invalid num sockets: strconv.Atoi: parsing \"x\": invalid syntax".into(),
        ),
        ("MS3", "multisocket 1025", "num sockets exceeds maximum (1024): 1025".into()),
        ("MS4", "multisocket 1 2", count(2, "2")),
        ("MS4", "multisocket\nmultisocket 2", count(3, "multisocket")),
    ];
    for (row, text, expected) in table {
        let error = format!("{:#}", testing::setup(&ENTRY, text).unwrap_err());
        assert_eq!(error, expected, "{row} {text}");
    }
}
