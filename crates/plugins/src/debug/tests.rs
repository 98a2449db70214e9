//! Rows of the specification that a setup shows; the rest is for the black box.

use dunlin_core::testing;

use super::ENTRY;

#[test]
fn it_takes_no_arguments_and_may_be_repeated() {
    const ARGUMENT: &str = "Corefile:2 - Error during parsing: Wrong argument count or unexpected line ending after 'x'";
    const BRACE: &str =
        "Corefile:2 - Error during parsing: Unexpected token '{', expecting argument";
    let table = [
        ("", "", Ok(false)), // DB2
        ("", "debug", Ok(true)),
        ("DB5", "debug x", Err(ARGUMENT)),
        ("DB6", "debug\ndebug", Ok(true)),
        ("DB11", "debug {\n}", Err(BRACE)),
    ];
    for (row, text, expected) in table {
        let block = testing::setup(&ENTRY, text);
        let found = block.map(|block| block.parts().debug).map_err(|error| format!("{error:#}"));
        assert_eq!(found, expected.map_err(str::to_owned), "{row} {text}");
    }
}
