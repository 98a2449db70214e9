//! What a server is told before it starts.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use parking_lot::Mutex;

use super::{Output, Server};
use crate::ports;

/// A server about to be started; see [`Server::of`].
///
/// Corefile, files, arguments and environment may have placeholders `{{word}}` (letters, digits, `_`):
/// those [`set`](Self::set) before, `{{dir}}` for the working directory, and otherwise a free port, the
/// same wherever the word stands. `{{port}}` is where DNS is served.
#[derive(Debug)]
#[must_use]
pub struct Setup {
    binary: PathBuf,
    words: HashMap<String, String>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    files: Vec<(String, String)>,
}

impl Setup {
    pub(super) fn new(binary: &Path) -> Self {
        let binary =
            env::current_dir().map_or_else(|_| binary.to_owned(), |here| here.join(binary));
        let (words, arguments, environment, files) = Default::default();
        Self { binary, words, arguments, environment, files }
    }

    /// The Corefile; the server gets `-conf` with its path.
    pub fn corefile(self, text: &str) -> Self {
        self.argument("-conf").argument("{{dir}}/Corefile").file("Corefile", text)
    }

    /// One more argument.
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// One more environment variable.
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// One more file in the working directory; folders on its way are made.
    pub fn file(mut self, path: &str, text: &str) -> Self {
        self.files.push((path.to_owned(), text.to_owned()));
        self
    }

    /// What `{{word}}` stands for, such as an upstream's address.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers have addresses and numbers, not references"
    )]
    pub fn set(mut self, word: &str, value: impl ToString) -> Self {
        self.words.insert(word.to_owned(), value.to_string());
        self
    }

    /// Starts the server and waits until it replies at `{{port}}` of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// If it does not, with all it said; if there is no `{{port}}`.
    #[track_caller]
    pub fn start(self) -> Server {
        let server = self.spawn();
        server.wait_for_reply(server.address());
        server
    }

    /// Starts the server and does not wait: it may be meant to fail, or serve no plain DNS.
    ///
    /// # Panics
    ///
    /// If the binary cannot be run.
    #[track_caller]
    pub fn spawn(mut self) -> Server {
        let directory = tempfile::tempdir().expect("a temporary directory");
        self.words.insert("dir".into(), directory.path().display().to_string());
        let words = &mut self.words;
        for (path, text) in &self.files {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().expect("a directory")).expect("a writable directory");
            fs::write(path, fill(text, words)).expect("a writable directory");
        }
        let mut command = Command::new(&self.binary);
        command
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.args(self.arguments.iter().map(|argument| fill(argument, words)));
        for (name, value) in &self.environment {
            command.env(name, fill(value, words));
        }
        let mut child =
            command.spawn().unwrap_or_else(|error| panic!("{}: {error}", self.binary.display()));
        let output = Output::collect(child.stdout.take(), child.stderr.take());
        Server { child: Mutex::new(child), output, words: Mutex::new(self.words), directory }
    }
}

/// Replaces placeholders; unknown ones become free ports. What is no placeholder stays, as `{{ .Name }}`
/// of a template.
pub(super) fn fill(text: &str, words: &mut HashMap<String, String>) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        filled.push_str(before);
        match after.split_once("}}") {
            Some((word, behind)) if is_word(word) => {
                let value =
                    words.entry(word.to_owned()).or_insert_with(|| ports::free().to_string());
                filled.push_str(value);
                rest = behind;
            }
            _ => {
                filled.push_str("{{");
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    filled
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
