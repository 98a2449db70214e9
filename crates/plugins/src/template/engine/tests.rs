//! What Go 1.25 says of the same templates, but where a row tells of a difference.

use proptest::prelude::*;

use super::*;

#[derive(Debug)]
struct Data;

#[derive(Debug)]
struct Question;

impl Object for Data {
    fn type_name(&self) -> &'static str {
        "*main.D"
    }

    fn field(&self, name: &str) -> Option<Value<'_>> {
        Some(match name {
            "Zone" => Value::text("test."),
            "Name" => Value::text("a.test."),
            "Match" => Value::list(["a.test.", "a", "255"].map(Value::text)),
            "Group" => {
                let entries = [("0", "a.test."), ("1", "a"), ("n", "255")];
                Value::map(entries.map(|(key, value)| (key.to_owned(), Value::text(value))))
            }
            "Question" => Value::Object(&Question),
            _ => return None,
        })
    }

    fn has_method(&self, name: &str) -> bool {
        name == "Meta"
    }

    fn call(&self, _name: &str, label: &str) -> String {
        if label == "a/b" { "meta".into() } else { String::new() }
    }
}

impl Object for Question {
    fn type_name(&self) -> &'static str {
        "*main.Q"
    }

    fn field(&self, name: &str) -> Option<Value<'_>> {
        Some(match name {
            "Name" => Value::text("A.test."),
            "Qtype" | "Qclass" => Value::Uint(1),
            _ => return None,
        })
    }
}

/// What the template makes, or its mistake.
fn shown(text: &str) -> String {
    let made = Template::new("answer", text).and_then(|template| template.render(&Data));
    made.unwrap_or_else(|error| format!("! {error}"))
}

const MADE: &[(&str, &str)] = &[
    ("{{ .Name }} 60 IN A {{ index .Match 2 }}", "a.test. 60 IN A 255"),
    ("{{- .Name -}}  x", "a.test.x"),
    ("a {{- /* note */ -}} b", "ab"),
    ("{{/* note */}}x", "x"),
    ("a  {{- `-` }}", "a-"),
    ("{{ if eq .Name `a.test.` }}yes{{ else }}no{{ end }}", "yes"),
    ("{{ if eq .Name `b` }}1{{ else if eq .Zone `test.` }}2{{ else }}3{{ end }}", "2"),
    ("{{ if and .Name .Zone (gt (len .Match) 2) }}all{{ end }}", "all"),
    ("{{ or .Group.none .Name }}", "a.test."),
    ("{{ and .Group.none .Name }}", "<no value>"),
    ("{{ or .Name (index .Match 9) }}", "a.test."),
    ("{{ not .Name }}", "false"),
    ("{{ with .Group.n }}{{ . }}{{ else }}none{{ end }}", "255"),
    ("{{ with .Group.none }}{{ . }}{{ else }}none{{ end }}", "none"),
    ("{{ with $x := .Group.n }}{{ $x }}{{ end }}", "255"),
    ("{{ range .Match }}[{{ . }}]{{ end }}", "[a.test.][a][255]"),
    (
        "{{ range $i, $m := .Match }}{{ if $i }},{{ end }}{{ $i }}={{ $m }}{{ end }}",
        "0=a.test.,1=a,2=255",
    ),
    ("{{ range $k, $v := .Group }}{{ $k }}:{{ $v }} {{ end }}", "0:a.test. 1:a n:255 "),
    ("{{ range $m := .Match }}{{ if eq $m `a` }}{{ break }}{{ end }}{{ $m }}{{ end }}", "a.test."),
    ("{{ range .Match }}{{ if eq . `a` }}{{ continue }}{{ end }}{{ . }}{{ end }}", "a.test.255"),
    ("{{ range .Group.none }}x{{ else }}empty{{ end }}", "empty"),
    ("{{ range 3 }}{{ . }}{{ end }}", "012"),
    ("{{ $x := 1 }}{{ $x = 2 }}{{ $x }}", "2"),
    ("{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ end }}{{ $x }}", "1"),
    ("{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}", "2"),
    (
        "{{ $.Name }} {{ .Group.n }} {{ .Group.none }} {{ index .Group `none` }}",
        "a.test. 255 <no value> ",
    ),
    (
        "{{ .Question.Name }} {{ .Question.Qtype }} {{ .Meta `a/b` }} {{ `a/b` | .Meta }} {{ $.Meta `x` }}",
        "A.test. 1 meta meta ",
    ),
    (
        "{{ parseInt .Group.n 10 8 }} {{ parseInt `ff` 16 8 }} {{ parseInt `0x10` 0 0 }}",
        "255 255 16",
    ),
    ("{{ printf `%d-%s-%q-%x-%v` 7 .Name .Zone 255 true }}", "7-a.test.-\"test.\"-ff-true"),
    (
        "{{ printf `%5d|%-5d|%05d|%+d|%x|%X|%#x|%o|%b|%c` 42 42 42 42 255 255 255 8 5 65 }}",
        "   42|42   |00042|+42|ff|FF|0xff|10|101|A",
    ),
    ("{{ printf `%5s|%-5s|%.1s|%x|%t` `ab` `ab` `ab` `ab` true }}", "   ab|ab   |a|6162|true"),
    (
        "{{ printf `%d` `x` }} {{ printf `%s` 1 }} {{ printf `%d` }} {{ printf `%d` 1 2 }} {{ printf `100%%` }}",
        "%!d(string=x) %!s(int=1) %!d(MISSING) 1%!(EXTRA int=2) 100%",
    ),
    ("{{ printf `%d.%d` (parseInt `0a` 16 8) (parseInt `ff` 16 8) }}", "10.255"),
    (
        "{{ .Match }} {{ .Group }} {{ len .Match }} {{ len .Name }}",
        "[a.test. a 255] map[0:a.test. 1:a n:255] 3 7",
    ),
    ("{{ print 1 2 `a` `b` 3 4 true }} {{ println 1 `x` }}", "1 2ab3 4 true 1 x\n"),
    (
        "{{ html `<a href=\"x\">&'` }} {{ js `it's <b>` }} {{ urlquery `a b&c/é` }}",
        "&lt;a href=&#34;x&#34;&gt;&amp;&#39; it\\'s \\u003Cb\\u003E a+b%26c%2F%C3%A9",
    ),
    ("{{ .Name | printf `%s-%s` `x` | len }}", "9"),
    ("{{ slice .Name 0 1 }} {{ slice .Match 1 }} {{ slice .Name 2 }}", "a [a 255] test."),
    ("{{ index .Name 0 }}", "97"),
    (
        "{{ lt 1 2 }} {{ le 2 2 }} {{ gt `b` `a` }} {{ ge 1 2 }} {{ eq 1 2 3 1 }}",
        "true true true false true",
    ),
    ("{{ (index .Match 1) }}{{ (.Question).Qtype }}", "a1"),
    (
        "{{ 'a' }} {{ 0x1F }} {{ 0b11 }} {{ 0o17 }} {{ 1_000 }} {{ -5 }} {{ `raw\\n` }}",
        "97 31 3 15 1000 -5 raw\\n",
    ),
    (r#"{{ "q\"\t\x41\u00e9" }}"#, "q\"\tAé"),
    ("{{if .Name}}{{\"a\"}}{{else}}{{range .Match}}x{{end}}{{end}}", "a"),
    ("{{ if not (eq .Name `x`) }}ok{{ end }}", "ok"),
    ("{{ $a := .Match }}{{ index $a 1 }}{{ $q := .Question }}{{ $q.Name }}", "aA.test."),
    ("{ {{ .Zone }} }", "{ test. }"),
];

#[test]
fn templates_make_what_they_make_in_go() {
    for (text, expected) in MADE {
        assert_eq!(shown(text), *expected, "{text}");
    }
}

#[test]
fn mistakes_are_told_as_in_go() {
    let executing = |place: &str, part: &str, text: &str| {
        format!("! template: answer:{place}: executing \"answer\" at <{part}>: {text}")
    };
    let table = [
        ("{{ .Name", "! template: answer:1: unclosed action".to_owned()),
        ("x\n{{ foo }}", "! template: answer:2: function \"foo\" not defined".into()),
        ("{{ end }}", "! template: answer:1: unexpected {{end}}".into()),
        ("{{ if .Name }}x", "! template: answer:1: unexpected EOF".into()),
        ("{{ if }}x{{ end }}", "! template: answer:1: missing value for if".into()),
        ("{{ else }}", "! template: answer:1: unexpected {{else}}".into()),
        ("{{ $x }}", "! template: answer:1: undefined variable \"$x\"".into()),
        (
            "{{ with $y := 5 }}{{ end }}{{ $y }}",
            "! template: answer:1: undefined variable \"$y\"".into(),
        ),
        ("{{ break }}", "! template: answer:1: {{break}} outside {{range}}".into()),
        (
            "{{ `x` | 1 }}",
            "! template: answer:1: non executable command in pipeline stage 2".into(),
        ),
        ("{{ \"x }}", "! template: answer:1: unterminated quoted string".into()),
        ("{{ }}", "! template: answer:1: missing value for command".into()),
        ("{{ ( .Name }}", "! template: answer:1: unclosed left paren".into()),
        ("{{ /* x }}", "! template: answer:1: unclosed comment".into()),
        ("{{ ne 1 2 3 }}", executing("1:3", "ne", "wrong number of args for ne: want 2 got 3")),
        ("{{ eq }}", executing("1:3", "eq", "wrong number of args for eq: want at least 1 got 0")),
        (
            "{{ index .Match 5 }}",
            executing("1:3", "index .Match 5", "error calling index: index out of range: 5"),
        ),
        ("{{ .Foo }}", executing("1:3", ".Foo", "can't evaluate field Foo in type *main.D")),
        (
            "x\n{{ .Name.Foo }}",
            executing("2:8", ".Name.Foo", "can't evaluate field Foo in type string"),
        ),
        (
            "{{ eq 1 `a` }}",
            executing(
                "1:3",
                "eq 1 `a`",
                "error calling eq: incompatible types for comparison: int and string",
            ),
        ),
        (
            "{{ parseInt `300` 10 8 }}",
            executing(
                "1:3",
                "parseInt `300` 10 8",
                "error calling parseInt: strconv.ParseUint: parsing \"300\": value out of range",
            ),
        ),
        (
            "{{ parseInt `zz` 10 8 }}",
            executing(
                "1:3",
                "parseInt `zz` 10 8",
                "error calling parseInt: strconv.ParseUint: parsing \"zz\": invalid syntax",
            ),
        ),
        (
            "{{ index .Group 1 }}",
            executing(
                "1:3",
                "index .Group 1",
                "error calling index: value has type int; should be string",
            ),
        ),
        ("{{ .Meta }}", executing("1:3", ".Meta", "wrong number of args for Meta: want 1 got 0")),
        (
            "{{ .Name `x` }}",
            executing("1:3", ".Name", "Name has arguments but cannot be invoked as function"),
        ),
        ("{{ nil }}", executing("1:3", "nil", "nil is not a command")),
        ("{{ len 3 }}", executing("1:3", "len 3", "error calling len: len of type int")),
        // Go finds this one out when the template runs.
        ("{{ 1 2 }}", "! template: answer:1: can't give argument to non-function 1".into()),
        // Not there: what Go has beyond this.
        ("{{ define `x` }}{{ end }}", "! template: answer:1: {{define}} is not supported".into()),
        ("{{ template `x` }}", "! template: answer:1: {{template}} is not supported".into()),
        ("{{ block `x` . }}{{ end }}", "! template: answer:1: {{block}} is not supported".into()),
        ("{{ call .Name }}", "! template: answer:1: function \"call\" is not supported".into()),
        ("{{ 1.5 }}", "! template: answer:1: bad number syntax: \"1.5\"".into()),
        ("{{ .Question }}", executing("1:3", ".Question", "can't print *main.Q")),
        (
            "{{ printf `%*d` 1 2 }}",
            executing(
                "1:3",
                "printf `%*d` 1 2",
                "error calling printf: printf with * or [n] is not supported",
            ),
        ),
    ];
    for (text, expected) in table {
        assert_eq!(shown(text), expected, "{text}");
    }
}

#[test]
fn work_and_output_are_bounded() {
    let table = [
        ("{{ range 20000 }}{{ end }}", "too many steps"),
        ("{{ range 200 }}{{ range 200 }}{{ end }}{{ end }}", "too many steps"),
        ("{{ range 4000 }}xxxxxxxxxxxxxxxxxxxxxxxx{{ end }}", "output is too long"),
        ("{{ printf `%99999d` 1 }}", "output is too long"),
        (
            "{{ $x := `xxxxxxxxxx` }}{{ range 20 }}{{ $x = print $x $x }}{{ end }}",
            "output is too long",
        ),
    ];
    for (text, expected) in table {
        let found = shown(text);
        assert!(found.ends_with(expected), "{text}: {found}");
    }
    let deep = format!("{}1{}", "{{ ".to_owned() + &"(".repeat(100), ")".repeat(100) + " }}");
    assert!(shown(&deep).ends_with("too deeply nested"));
    let deep = "{{ if 1 }}".repeat(100) + &"{{ end }}".repeat(100);
    assert!(shown(&deep).ends_with("too deeply nested"));
}

#[test]
fn the_source_of_a_template_is_that_of_go() {
    let table = [
        ("{{ .Name }} 60 IN A {{ index .Match 2 }}", "{{.Name}} 60 IN A {{index .Match 2}}"),
        ("a {{- /* note */ -}} b", "ab"),
        (
            "{{ if eq .Name `b` }}1{{ else if eq .Zone `t` }}2{{ else }}3{{ end }}",
            "{{if eq .Name `b`}}1{{else}}{{if eq .Zone `t`}}2{{else}}3{{end}}{{end}}",
        ),
        (
            "{{ range $i, $m := .Match }}{{ $i }}{{ end }}",
            "{{range $i, $m := .Match}}{{$i}}{{end}}",
        ),
        ("{{ (.Question).Qtype | printf `%d` }}", "{{(.Question).Qtype | printf `%d`}}"),
        ("{{ $x := 1 }}{{ $x = 0x2 }}{{ $.Name }}", "{{$x := 1}}{{$x = 0x2}}{{$.Name}}"),
    ];
    for (text, expected) in table {
        assert_eq!(Template::new("answer", text).unwrap().source(), expected, "{text}");
    }
}

/// Texts made of the pieces that mean something.
fn text() -> impl Strategy<Value = String> {
    let pieces = vec![
        "{{", "}}", "{{- ", " -}}", " ", ".", ".Name", ".Match", ".Group.n", "$", "$x", ":=", "=",
        "|", "(", ")", ",", "if", "else", "end", "range", "with", "break", "index", "printf", "eq",
        "len", "slice", "parseInt", "1", "-7", "\"", "`", "'", "\\", "/*", "*/", "%d", "x", "\n",
        "é", "true", "nil", "print",
    ];
    proptest::collection::vec(proptest::sample::select(pieces), 0..40)
        .prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_text_is_a_template_or_a_mistake(text in prop_oneof![text(), ".{0,40}"]) {
        if let Ok(template) = Template::new("answer", &text) {
            let made = template.render(&Data);
            prop_assert!(made.is_err() || made.is_ok_and(|made| made.len() <= 3 << 16));
            let _ = (template.source(), template.literals().count());
        }
    }

    #[test]
    fn text_outside_of_actions_stays_as_it_is(text in "[^{]{0,60}") {
        prop_assert_eq!(shown(&text), text);
    }

    #[test]
    fn numbers_are_read_as_they_print(number in any::<i64>()) {
        prop_assert_eq!(shown(&format!("{{{{ {number} }}}}")), number.to_string());
        let printed = shown(&format!("{{{{ printf `%x` {number} }}}}"));
        let expected = format!("{}{:x}", if number < 0 { "-" } else { "" }, number.unsigned_abs());
        prop_assert_eq!(printed, expected);
    }
}
