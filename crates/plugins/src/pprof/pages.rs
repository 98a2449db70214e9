//! What the paths answer. Those of Go's `net/http/pprof` that need a profiler of the language say so.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use dunlin_core::directive::HttpResponse;

/// A path, what the index says of it, and its answer.
pub(super) struct Page {
    pub(super) path: &'static str,
    pub(super) meaning: &'static str,
    pub(super) answer: fn() -> HttpResponse,
}

/// All pages. CoreDNS leads from the first path to the second; here both are the index.
pub(super) const PAGES: [Page; 13] = [
    Page { path: "/debug/pprof", meaning: "", answer: index },
    Page { path: "/debug/pprof/", meaning: "", answer: index },
    Page { path: "/debug/pprof/cmdline", meaning: "the command line", answer: command_line },
    Page {
        path: "/debug/pprof/symbol",
        meaning: "there are no symbols to look up",
        answer: symbol,
    },
    Page {
        path: "/debug/pprof/threadcreate",
        meaning: "threads, and their CPU time",
        answer: threads,
    },
    Page { path: "/debug/pprof/profile", meaning: ABSENT, answer: absent },
    Page { path: "/debug/pprof/trace", meaning: ABSENT, answer: absent },
    Page { path: "/debug/pprof/allocs", meaning: ABSENT, answer: absent },
    Page { path: "/debug/pprof/block", meaning: ABSENT, answer: absent },
    Page { path: "/debug/pprof/goroutine", meaning: ABSENT, answer: absent },
    Page { path: "/debug/pprof/heap", meaning: ABSENT, answer: absent },
    Page { path: "/debug/pprof/mutex", meaning: ABSENT, answer: absent },
    Page { path: "/debug/pprof/goroutineleak", meaning: ABSENT, answer: absent },
];

const ABSENT: &str = "not there: a profile of the Go runtime";

fn index() -> HttpResponse {
    let mut body = String::from(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><title>/debug/pprof/</title></head>\n<body>\n\
         <h1>/debug/pprof/</h1>\n<ul>\n",
    );
    for page in PAGES.iter().filter(|page| !page.meaning.is_empty()) {
        let (path, meaning) = (page.path, page.meaning);
        body.push_str(&format!("<li><a href=\"{path}\">{path}</a>: {meaning}</li>\n"));
    }
    body.push_str("</ul>\n</body>\n</html>\n");
    HttpResponse { status: 200, content_type: "text/html; charset=utf-8", body: body.into() }
}

/// The words with a NUL between them.
fn command_line() -> HttpResponse {
    let words: Vec<Vec<u8>> = std::env::args_os().map(|word| word.as_bytes().to_vec()).collect();
    HttpResponse::text(200, words.join(&0))
}

/// `go tool pprof` asks this first.
fn symbol() -> HttpResponse {
    HttpResponse::text(200, "num_symbols: 0\n")
}

fn absent() -> HttpResponse {
    HttpResponse::text(501, "There is no Go runtime here. Profile the process with perf.\n")
}

/// A line for each thread: its name, and the ticks that it spent in its own code and in the kernel.
fn threads() -> HttpResponse {
    let lines = thread_lines(Path::new("/proc/self/task"));
    let body = format!("threadcreate profile: total {}\n{}", lines.len(), lines.concat());
    HttpResponse::text(200, body)
}

pub(super) fn thread_lines(tasks: &Path) -> Vec<String> {
    let entries = fs::read_dir(tasks).into_iter().flatten().flatten();
    let mut lines: Vec<String> = entries
        .filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok())
        .filter_map(|stat| thread_line(&stat))
        .collect();
    lines.sort();
    lines
}

/// Of `proc(5)`: the name stands in parentheses and may hold some; user and system time are the
/// 12th and 13th words behind it.
fn thread_line(stat: &str) -> Option<String> {
    let (before, after) = stat.rsplit_once(')')?;
    let (_, name) = before.split_once('(')?;
    let mut words = after.split_whitespace().skip(11);
    let (user, system) = (words.next()?, words.next()?);
    Some(format!("{name}: {user} ticks in user mode, {system} in kernel mode\n"))
}
