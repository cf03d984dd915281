//! Prometheus's text format 0.0.4 (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

use std::fmt::{Display, Write as _};

use super::Distribution;

/// The `Content-Type` of a [`Page`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Microseconds in a second: what divides a distribution of durations.
pub const SECONDS: f64 = 1_000_000.0;

/// A label's name and value.
pub type Label<'a> = (&'static str, &'a str);

/// What a scraper is answered, as far as it is written.
#[derive(Debug, Default)]
pub struct Page(String);

impl Page {
    /// What only grows. Its name ends in `_total`.
    pub fn counter(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "counter", help)
    }

    /// What goes up and down.
    pub fn gauge(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "gauge", help)
    }

    /// A distribution.
    pub fn histogram(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, "histogram", help)
    }

    fn family(&mut self, name: &'static str, kind: &str, help: &str) -> Family<'_> {
        // Writing to a text cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        Family { page: &mut self.0, name }
    }

    /// The whole text.
    pub fn finish(self) -> String {
        self.0
    }
}

/// One metric, for all its labels.
#[derive(Debug)]
pub struct Family<'a> {
    page: &'a mut String,
    name: &'static str,
}

impl Family<'_> {
    /// A value under these labels.
    pub fn value(&mut self, labels: &[Label<'_>], value: impl Display) {
        self.sample("", labels, value);
    }

    /// A distribution under these labels, its values divided by `unit`.
    pub fn distribution(&mut self, labels: &[Label<'_>], distribution: &Distribution, unit: f64) {
        let mut below = 0;
        for (index, count) in distribution.counts.iter().enumerate() {
            below += count;
            let bound = match distribution.bounds.get(index) {
                Some(bound) => scaled(*bound, unit).to_string(),
                None => "+Inf".to_owned(),
            };
            self.sample("_bucket", &[labels, &[("le", &bound)]].concat(), below);
        }
        self.sample("_sum", labels, scaled(distribution.sum, unit));
        self.sample("_count", labels, below);
    }

    fn sample(&mut self, suffix: &str, labels: &[Label<'_>], value: impl Display) {
        self.page.push_str(self.name);
        self.page.push_str(suffix);
        for (index, (name, value)) in labels.iter().enumerate() {
            self.page.push(if index == 0 { '{' } else { ',' });
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.page, "{name}=\"{value}\"");
        }
        let _ = writeln!(self.page, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure is not exact to sixteen digits")]
fn scaled(value: u64, unit: f64) -> f64 {
    value as f64 / unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_is_written_cumulatively_and_labels_are_escaped() {
        let mut page = Page::default();
        let found = Distribution { bounds: &[500, 1_000_000], counts: vec![1, 0, 2], sum: 3_000_250 };
        page.histogram("wait_seconds", "How long.").distribution(&[("who", "a\"b\\c\nd")], &found, SECONDS);
        let who = r#"who="a\"b\\c\nd""#;
        assert_eq!(
            page.finish(),
            format!(
                "# HELP wait_seconds How long.\n# TYPE wait_seconds histogram\n\
                 wait_seconds_bucket{{{who},le=\"0.0005\"}} 1\nwait_seconds_bucket{{{who},le=\"1\"}} 1\n\
                 wait_seconds_bucket{{{who},le=\"+Inf\"}} 3\nwait_seconds_sum{{{who}}} 3.00025\n\
                 wait_seconds_count{{{who}}} 3\n"
            )
        );
    }
}
