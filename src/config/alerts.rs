//! `[alerts]`: whom to tell that something is wrong, and when.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::reader::Reader;
use super::tree::path;
use super::{Alerts, told};
use crate::domain::ChannelAddress;

/// Shorter than the first is no limit, and longer than the second is silence.
const TIMES: RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(7 * 24);

/// Reads the section; `known` are the channels that there are.
pub(super) fn alerts(reader: &mut Reader<'_>, known: &BTreeSet<ChannelAddress>) -> Alerts {
    let list = path("alerts.channels");
    let channels = told::channels(reader, "alerts.channels", known);
    if channels.is_empty() && !reader.sandbox && !reader.is_told(&list) {
        reader.warning(
            &list,
            "empty, so that trouble is only logged, and shown to whoever looks into the console",
            "name the channels that reach you, best of two kinds, as in channels = [\"email.sales\", \"slack.pricing\"]",
        );
    }
    Alerts { channels, every: time(reader, "alerts.every", "30m"), late: time(reader, "alerts.late", "10m") }
}

/// A length of time; whatever it is, if a problem with it is noted.
fn time(reader: &mut Reader<'_>, key: &str, example: &str) -> Duration {
    let time = reader.parse(key, "a length of time from \"1m\" to \"7days\"", example, |text| {
        humantime::parse_duration(text).ok().filter(|time| TIMES.contains(time))
    });
    time.unwrap_or(*TIMES.start())
}
