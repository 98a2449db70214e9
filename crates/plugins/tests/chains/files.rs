//! `root` and the plugins that read files. Rows RT4, RT5, RT8 and RT12.

use dunlin_engine::Embedded;
use dunlin_plugins::registry;

use crate::journal::Journal;
use crate::kit::block;

#[tokio::test]
async fn rt8_rt12_files_of_forward_start_from_the_root_of_their_block() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().display().to_string();
    let reads = |lines: &str| format!("{lines}\nforward . tls://127.0.0.1 {{\ntls ca.pem\n}}");
    let missing = |path: &str| {
        format!("plugin/forward: error reading {path}: open {path}: no such file or directory")
    };
    let under_root = missing(&format!("{root}/ca.pem"));
    let table = [
        (format!("a.test {{\n{}\n}}", reads(&format!("root {root}"))), under_root.clone()),
        (format!("a.test {{\n{}\nroot {root}\n}}", reads("")), under_root),
        (
            format!("a.test {{\nroot {root}\nwhoami\n}}\nb.test {{\n{}\n}}", reads("")),
            missing("ca.pem"),
        ),
    ];
    for (corefile, expected) in table {
        let error = Embedded::new(registry(), &corefile).await.err().unwrap();
        assert_eq!(error.to_string(), expected, "{corefile}");
    }
}

#[test]
fn rt4_rt5_a_root_that_is_not_there_is_a_warning() {
    for lines in ["root /nonexistent", "root /\nroot /nonexistent"] {
        let (journal, _guard) = Journal::start();
        let _set_up = block(&format!("{lines}\nwhoami"));
        let expected = "WARN plugin/root: Root path does not exist: /nonexistent";
        assert_eq!(journal.take("plugin/root"), [expected], "{lines}");
    }
}
