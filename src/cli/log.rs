//! The log: what is written, in which form, and that each line is one line.
//!
//! A line goes to standard error whole, with one call, before the program goes on: what was logged before a crash is
//! there after it, and nothing has to be flushed. That costs a few microseconds, so what happens thousands of times a
//! second in good order is logged at `debug`.

use std::any::Any;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::str::FromStr as _;

use anyhow::Context as _;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{Log, LogFormat};

/// Logs to standard error from now on.
pub(super) fn start(log: Log) -> anyhow::Result<()> {
    // The libraries below tell at `info` what we tell ourselves, or what nobody asked.
    let targets = match std::env::var("UMISHOP_LOG") {
        Ok(targets) => {
            Targets::from_str(&targets).with_context(|| format!("UMISHOP_LOG: cannot understand `{targets}`"))?
        }
        Err(_) => Targets::new().with_default(LevelFilter::WARN).with_target("umishop", log.level),
    };
    let colours = log.format == LogFormat::Text && io::stderr().is_terminal();
    let lines = lines(log.format, colours, move || OneLine { to: io::stderr(), colours });
    tracing_subscriber::registry().with(targets).with(lines).init();
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(
            location,
            why = said(panic.payload()),
            "A part of umishop panicked at {location}: a fault of its own"
        );
    }));
    Ok(())
}

/// What a panic says, if that stands in the code: what was put together at run time may hold what a customer wrote.
fn said(payload: &(dyn Any + Send)) -> &'static str {
    payload.downcast_ref::<&'static str>().copied().unwrap_or("(not logged: it may hold what a customer wrote)")
}

/// Forms lines and hands each to a writer of its own.
fn lines<S, W>(format: LogFormat, colours: bool, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_ansi(colours)
        // It would tell of a line that cannot be written on the very same standard error, and panic.
        .log_internal_errors(false);
    match format {
        LogFormat::Text => Box::new(lines.with_target(false)),
        // There is one span at most: the call.
        LogFormat::Json => Box::new(lines.json().with_span_list(false)),
    }
}

/// Writes one line, and takes care that it is one: what a receiver or a customer wrote may stand in it, and must neither
/// pass for a line of its own nor move a terminal's cursor.
struct OneLine<W> {
    to: W,
    /// Whether the line may have colours.
    colours: bool,
}

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match escaped(&String::from_utf8_lossy(line), self.colours) {
            Some(escaped) => self.to.write_all(escaped.as_bytes())?,
            None => self.to.write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// The line without what controls a terminal or turns the direction of its text, as JSON writes such characters; `None`:
/// there is nothing of the kind. `colours` may stay.
fn escaped(line: &str, colours: bool) -> Option<String> {
    let text = line.strip_suffix('\n').unwrap_or(line);
    let stays = |at: usize, character| !controls(character) || (colours && is_colour(&text[at..]));
    if text.char_indices().all(|(at, character)| stays(at, character)) {
        return None;
    }
    let mut escaped = String::with_capacity(line.len() + 16);
    for (at, character) in text.char_indices() {
        match character {
            character if stays(at, character) => escaped.push(character),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            character => {
                // Writing to a text cannot fail. All of them have four digits at most.
                let _ = write!(escaped, "\\u{:04x}", u32::from(character));
            }
        }
    }
    escaped.push_str(&line[text.len()..]);
    Some(escaped)
}

fn controls(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Whether the text begins with a sequence that sets a colour or a weight, and does nothing else.
fn is_colour(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("\u{1b}[") else { return false };
    rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m')
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged when somebody writes `text` wherever they can.
    fn logged(format: LogFormat, colours: bool, text: &str) -> String {
        let kept = Kept::default();
        let to = kept.clone();
        let lines = lines(format, colours, move || OneLine { to: to.clone(), colours });
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), || {
            let _call = tracing::error_span!("call", id = %text).entered();
            tracing::error!(shown = %text, kept = text, error = ?text, "It said {text}");
        });
        let bytes = kept.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    const EVIL: &str =
        "x\n2026-11-24T09:30:00Z ERROR forged\r\t\u{0}\u{7}\u{8}\u{7f}\u{85}\u{9b}2J\u{1b}[2J\u{2028}\u{202e}y";

    fn is_harmless(line: &str) -> bool {
        !line.contains(|c: char| c.is_control() || ('\u{2028}'..='\u{202e}').contains(&c))
    }

    #[test]
    fn nobody_can_forge_a_line_or_move_the_cursor_in_either_form() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let line = logged(format, false, EVIL);
            let (line, rest) = line.split_once('\n').unwrap();
            assert!(rest.is_empty() && is_harmless(line), "{format:?} {line:?}");
            assert_eq!(line.matches("forged").count(), 5, "{format:?} {line:?}");
        }
    }

    #[test]
    fn a_panic_tells_what_stands_in_the_code_and_not_what_a_customer_wrote() {
        let payload = |panics: fn()| std::panic::catch_unwind(panics).unwrap_err();
        assert_eq!(said(&*payload(|| panic!("no such state"))), "no such state");
        let question = || panic!("cannot cut `{}`", std::hint::black_box("My deepest secret"));
        assert!(!said(&*payload(question)).contains("deepest"));
    }

    #[test]
    fn in_json_what_was_said_comes_out_as_it_was() {
        let line: serde_json::Value = serde_json::from_str(&logged(LogFormat::Json, false, EVIL)).unwrap();
        assert_eq!(line["fields"]["kept"], EVIL);
        assert_eq!(line["span"]["name"], "call");
    }

    #[test]
    fn a_terminal_sees_our_colours_and_no_escape_sequence_of_others() {
        let line = logged(LogFormat::Text, true, EVIL);
        assert!(line.contains("\u{1b}[") && !line.contains("\u{1b}[2J"), "{line:?}");
        assert!(is_harmless(&line.trim_end().replace('\u{1b}', "")), "{line:?}");
    }
}
