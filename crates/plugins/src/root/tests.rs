//! Rows of the specification that a setup shows.

use std::io;
use std::path::Path;

use dunlin_core::{Directive, Entry, testing};

use super::{ENTRY, setup};

/// Stands in for a plugin that reads a file: it names the file as a directory to be seen.
const HOSTS: Entry = Entry { name: "hosts", setup: read_file };

fn read_file(directive: &mut Directive<'_>) -> anyhow::Result<()> {
    while directive.next() {
        let file = directive.arg().unwrap_or_default();
        let file = directive.file(file);
        directive.watch(file);
    }
    Ok(())
}

#[test]
fn the_last_path_counts() {
    const NONE: &str = "Corefile:2 - Error during parsing: Wrong argument count or unexpected line ending after 'root'";
    const TWO: &str = "Corefile:2 - Error during parsing: Wrong argument count or unexpected line ending after '/b'";
    let table = [
        ("RT1", "root /tmp", Ok("/tmp")),
        ("RT2", "root", Err(NONE)),
        ("RT3", "root /a /b", Err(TWO)),
        ("RT4", "root /nonexistent", Ok("/nonexistent")),
        ("RT5", "root /tmp\nroot /nonexistent", Ok("/nonexistent")),
        ("", "", Ok("")),
    ];
    for (row, text, expected) in table {
        let block = testing::setup(&ENTRY, text);
        let found =
            block.map(|block| block.parts().root.clone()).map_err(|error| format!("{error:#}"));
        assert_eq!(found, expected.map(Into::into).map_err(str::to_owned), "{row} {text}");
    }
}

#[test]
fn file_arguments_start_from_it_wherever_it_stands() {
    let table = [
        ("RT6", "root /tmp\nhosts f", "/tmp/f"),
        ("RT7", "hosts f\nroot /tmp", "/tmp/f"),
        ("RT9", "root /tmp\nhosts /abs/f", "/abs/f"),
        ("", "root /tmp\nhosts ../f", "/tmp/../f"),
        ("RT12", "hosts f", "f"),
    ];
    for (row, text, file) in table {
        let block = testing::block(&[ENTRY, HOSTS], text).unwrap();
        assert_eq!(block.parts().watched, [Path::new(file)], "{row} {text}");
    }
}

#[test]
fn a_path_that_may_not_be_looked_at_is_an_error() {
    let error = |number| Some(io::Error::from_raw_os_error(number));
    let table = [
        (None, None),
        (error(2), None),
        (error(13), Some("unable to access root path '/x': stat /x: permission denied")),
        (error(20), Some("unable to access root path '/x': stat /x: not a directory")),
    ];
    for (error, complaint) in table {
        let shown = format!("{error:?}");
        assert_eq!(setup::complaint(Path::new("/x"), error).as_deref(), complaint, "{shown}");
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().join("x").display().to_string();
    let error = testing::setup(&ENTRY, &format!("root {path}")).unwrap_err().to_string();
    let expected = format!(
        "Corefile:2 - Error during parsing: unable to access root path '{path}': stat {path}: not a directory"
    );
    assert_eq!(error, expected);
}
