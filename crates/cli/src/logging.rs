//! Events as lines: `[LEVEL] plugin/NAME: text`, the form that scripts grep, or JSON.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::SystemTime;

use dunlin_core::lines::{Format, Lines, Style};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// Sends all events to `lines`, in their style.
pub(crate) fn install(lines: &Lines) -> Switches {
    let switches = Switches::default();
    let layer = LineLayer { lines: lines.clone(), switches: switches.clone() };
    let subscriber = tracing_subscriber::registry().with(layer);
    // A second one in this process, as in an embedding, keeps the first.
    let _already_set = tracing::subscriber::set_global_default(subscriber);
    switches
}

/// What can be said of lines while the process runs. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Switches {
    /// Whether DEBUG lines are wanted.
    pub(crate) debug: Arc<AtomicBool>,
    /// Text lines go to standard error, with the time in front: node-cache's, before its server starts.
    pub(crate) early: Arc<AtomicBool>,
}

struct LineLayer {
    lines: Lines,
    switches: Switches,
}

impl<S: Subscriber> Layer<S> for LineLayer {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let metadata = event.metadata();
        let (level, target) = (*metadata.level(), metadata.target());
        if !self.wants(level, target) {
            return;
        }
        let mut text = Text::default();
        event.record(&mut text);
        let label = label(level, target);
        let Style { format, time } = self.lines.style();
        if format == Format::Text && self.switches.early.load(Relaxed) {
            let text = text.finish();
            crate::to_stderr(&format!("{} [{label}] {text}\n", local_time()));
            return;
        }
        self.lines.write(|line| match format {
            Format::Json => write_json(line, label, target, &text.finish()),
            Format::Text => write_text(line, time, label, target, &text.finish()),
        });
    }
}

impl LineLayer {
    /// Our own life-cycle events; of foreign crates, what somebody should look at.
    fn wants(&self, level: Level, target: &str) -> bool {
        let own = ["dunlin", "plugin/", "fatal"].iter().any(|lead| target.starts_with(lead));
        let most = match (own, self.switches.debug.load(Relaxed)) {
            (true, true) => Level::DEBUG,
            (true, false) => Level::INFO,
            (false, _) => Level::ERROR,
        };
        level <= most
    }
}

fn label(level: Level, target: &str) -> &'static str {
    match level {
        _ if target == "fatal" => "FATAL",
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        _ => "DEBUG",
    }
}

fn write_text(line: &mut Vec<u8>, time: bool, label: &str, target: &str, text: &str) {
    let time = if time { format!("{} ", now()) } else { String::new() };
    let plugin = plugin_of(target).map(|_| format!("{target}: ")).unwrap_or_default();
    // Writing to memory cannot fail.
    let _always = writeln!(line, "{time}[{label}] {plugin}{text}");
}

fn write_json(line: &mut Vec<u8>, label: &str, target: &str, text: &str) {
    let mut fields = serde_json::Map::new();
    fields.insert("time".into(), now().into());
    fields.insert("level".into(), label.into());
    if let Some(plugin) = plugin_of(target) {
        fields.insert("plugin".into(), plugin.into());
    }
    fields.insert("msg".into(), text.into());
    // Writing to memory cannot fail.
    let _always = writeln!(line, "{}", serde_json::Value::Object(fields));
}

fn plugin_of(target: &str) -> Option<&str> {
    target.strip_prefix("plugin/")
}

/// Now, as RFC 3339 has it, in UTC.
fn now() -> String {
    let mut text = Vec::new();
    dunlin_core::timestamp::append(&mut text, SystemTime::now());
    String::from_utf8_lossy(&text).into_owned()
}

/// Now, as Go's log package has it, to the second, in UTC.
pub(crate) fn local_time() -> String {
    let now = now();
    let seconds = now.split('.').next().unwrap_or(&now);
    seconds.replace('-', "/").replace('T', " ")
}

/// The message of an event, then its other fields.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Text {
    fn finish(self) -> String {
        self.message + &self.fields
    }

    fn add(&mut self, field: &Field, value: &dyn std::fmt::Display) {
        // Writing to memory cannot fail.
        let _always = match field.name() {
            "message" => write!(self.message, "{value}"),
            name => write!(self.fields, " {name}={value}"),
        };
    }
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.add(field, &format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, &value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_the_form_that_scripts_know() {
        let text = |label: &str, target: &str| {
            let mut line = Vec::new();
            write_text(&mut line, false, label, target, "text");
            String::from_utf8(line).unwrap()
        };
        assert_eq!(text("INFO", "plugin/reload"), "[INFO] plugin/reload: text\n");
        assert_eq!(text("WARNING", "dunlin_engine::reload"), "[WARNING] text\n");
        assert_eq!(text("FATAL", "fatal"), "[FATAL] text\n");
    }

    #[test]
    fn a_json_line_is_json_whatever_the_text_holds() {
        let mut line = Vec::new();
        write_json(&mut line, "ERROR", "plugin/errors", "a \"b\"\n\u{1b}[0m\0");
        assert_eq!(line.iter().filter(|octet| **octet == b'\n').count(), 1);
        let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(value["msg"], "a \"b\"\n\u{1b}[0m\0");
        assert_eq!(value["plugin"], "errors");
        assert_eq!(value["level"], "ERROR");
    }
}
