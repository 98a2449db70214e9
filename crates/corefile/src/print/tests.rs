//! The canonical layout, word for word.

use std::path::Path;

use super::print;
use crate::{MemoryLoader, Settings, Source, parse};

fn printed(text: &str) -> Result<String, String> {
    let environment = |name: &str| match name {
        "BRACE" => Some("}".to_owned()),
        "END" => Some(r"a b\".to_owned()),
        _ => None,
    };
    let settings =
        Settings { loader: &MemoryLoader::new(), environment: &environment, directives: None };
    let source = Source { name: "Corefile", directory: Path::new("/"), text: text.as_bytes() };
    let corefile = parse(&source, &settings).into_result().unwrap();
    print(&corefile).map_err(|error| error.to_string())
}

#[test]
fn the_layout_is_canonical() {
    let text = "# comment\na,b:53\n{\nlog \"\" \"x # y\" \"say \\\"hi\\\"\" {\nclass a { b }\n\nx\n} # end\nerrors}\n\n}\nc d";
    let expected = r#"a,b:53 {
    log "" "x # y" "say \"hi\"" {
        class a { b }
        x
    }
    errors}
}

c, d {
}
"#;
    assert_eq!(printed(text).unwrap(), expected);
    assert_eq!(printed(expected).unwrap(), expected);
}

#[test]
fn words_that_cannot_be_written_are_refused() {
    let table = [
        (". {\n log {$BRACE}\n}", r#"word cannot be written in a Corefile: "}""#),
        (". {\n log {$END}\n}", r#"word cannot be written in a Corefile: "a b\\""#),
    ];
    for (text, expected) in table {
        assert_eq!(printed(text), Err(expected.to_owned()));
    }
}
