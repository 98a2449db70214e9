//! Rows of the specification that a setup shows: the rest of them is about the engine.

use dunlin_core::directive::ReloadTimes;
use dunlin_core::testing;

use super::ENTRY;

fn times(text: &str) -> Result<Option<(u128, u128)>, String> {
    let block = testing::setup(&ENTRY, text).map_err(|error| format!("{error:#}"))?;
    let millis = |times: ReloadTimes| (times.interval.as_millis(), times.jitter.as_millis());
    Ok(block.parts().reload.map(millis))
}

#[test]
fn times_have_defaults_and_bounds() {
    const THREE: &str = "Corefile:2 - Error during parsing: Wrong argument count or unexpected line ending after '3s'";
    const INTERVAL: &str = "interval value must be greater or equal to 2s";
    const JITTER: &str = "jitter value must be 0 or greater or equal to 1s";
    let table = [
        ("RL14", "", Ok(None)),
        ("", "reload", Ok(Some((30_000, 15_000)))),
        ("", "reload 2s 1s", Ok(Some((2_000, 1_000)))),
        ("", "reload 10s", Ok(Some((10_000, 5_000)))),
        ("", "reload 1h 1m", Ok(Some((3_600_000, 60_000)))),
        ("", "reload 10s 8s", Ok(Some((10_000, 5_000)))),
        ("RL15", "reload 1s", Err(INTERVAL)),
        ("RL15", "reload -30s", Err(INTERVAL)),
        ("RL15", "reload 0", Err(INTERVAL)),
        ("RL15", "reload 2s 500ms", Err(JITTER)),
        ("RL15", "reload 2s -1s", Err(JITTER)),
        ("RL15", "reload a", Err("time: invalid duration \"a\"")),
        ("RL15", "reload 5", Err("time: missing unit in duration \"5\"")),
        ("RL15", "reload 10s b", Err("time: invalid duration \"b\"")),
        ("RL15", "reload 10s 2s 3s", Err(THREE)),
        ("RL16", "reload 10s 0s", Ok(Some((10_000, 0)))),
        ("", "reload 10s 0", Ok(Some((10_000, 0)))),
        ("", "reload 10s\nreload a b c d", Ok(Some((10_000, 5_000)))),
        ("", "reload 10s {\n foo\n}", Ok(Some((10_000, 5_000)))),
    ];
    for (row, text, expected) in table {
        assert_eq!(times(text), expected.map_err(str::to_owned), "{row} {text}");
    }
}
