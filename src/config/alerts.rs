//! `[alerts]`: whom to tell that something is wrong, and when.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;

use figment::value::Value;

use super::reader::Reader;
use super::routes;
use super::tree::{child, path};
use super::{Alerts, ChannelConfig};
use crate::domain::ChannelAddress;

/// Shorter than the first is no limit, and longer than the second is silence.
const TIMES: RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(7 * 24);

/// Reads the section; `known` are the channels that there are.
pub(super) fn alerts(reader: &mut Reader<'_>, known: &BTreeSet<ChannelAddress>) -> Alerts {
    let list = path("alerts.channels");
    // What refers to a variable that is not set yet is empty, and told elsewhere.
    let named = reader.value("alerts.channels").and_then(Value::as_array).unwrap_or_default();
    let named = named.iter().enumerate().filter_map(|(index, value)| Some((index, value.as_str()?)));
    let channels = routes::addresses(reader, &list, named.filter(|(_, text)| !text.is_empty()), known);
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

/// Notes every channel for alerts that writes to customers alone.
pub(super) fn refuse_without_address(
    reader: &mut Reader<'_>,
    alerts: &Alerts,
    channels: &BTreeMap<ChannelAddress, ChannelConfig>,
) {
    let list = path("alerts.channels");
    let named = reader.value("alerts.channels").and_then(Value::as_array).unwrap_or_default();
    for address in &alerts.channels {
        let position = named.iter().position(|text| text.as_str() == Some(address.as_str()));
        if let Some(position) = position
            && channels.get(address).is_some_and(|found| !found.channel.has_own_address())
        {
            reader.problem(
                &child(&list, &position),
                format!("{address} only writes to customers, so an alert would reach nobody"),
                format!("name a channel with an address of its own, or write one into [channels.{address}]"),
            );
        }
    }
}
