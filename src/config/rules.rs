//! The keys that every channel has beside its own: how its messages are treated.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use figment::value::Value;

use super::ChannelConfig;
use super::channels::Table;
use super::reader::Reader;
use super::routes::refuse_unknown;
use super::tree::{self, Form, Path, child};
use crate::domain::{ChannelAddress, ContactField, Fallback, OnUnknown, Rate, RetrySchedule, Rules, is_language};

/// The keys that every channel has, and their form.
pub(super) const COMMON: [(&str, Form); 10] = [
    ("retry", Form::List),
    ("concurrency", Form::Number),
    ("on_unknown", Form::Text),
    ("rate", Form::Text),
    ("burst", Form::Number),
    ("expire", Form::Text),
    ("fallback", Form::Text),
    ("fallback_failures", Form::Number),
    ("fallback_after", Form::Text),
    ("language", Form::Text),
];

/// The most that a channel may send at once.
const MOST_AT_ONCE: u128 = 256;

/// The most that may follow each other without a pause.
const LARGEST_BURST: u128 = 10_000;

/// The most failures that may come before the fallback.
const MOST_FAILURES: u128 = 100;

/// How many failed attempts a fallback waits for, unless the channel says: one may be chance.
const FALLBACK_FAILURES: u32 = 2;

/// How long it waits at most, unless the channel says: somebody has asked a question and sits before a chat.
const FALLBACK_AFTER: Duration = Duration::from_mins(2);

/// Takes the keys out of the table, and reads them.
pub(super) fn rules(reader: &mut Reader<'_>, table: &mut Table) -> Option<Rules> {
    let kind = table.kind;
    let retry = retry(reader, table);
    let concurrency = number(reader, table, "concurrency", MOST_AT_ONCE, u32::try_from(kind.pace.concurrency).ok()?);
    let on_unknown = on_unknown(reader, table);
    let rate = rate(reader, table);
    let expire = duration(reader, table, "expire", || humantime::parse_duration(kind.pace.expire).ok());
    let fallback = fallback(reader, table);
    Some(Rules {
        retry: retry?,
        on_unknown: on_unknown?,
        concurrency: usize::try_from(concurrency?).ok()?,
        rate: rate?,
        expire: expire?,
        fallback: fallback?,
    })
}

/// The language that the channel's people read; empty: the shop's.
pub(super) fn language(reader: &mut Reader<'_>, table: &mut Table) -> Option<String> {
    let Some((path, value)) = table.keys.remove("language") else { return Some(String::new()) };
    let found = value.as_str().filter(|text| is_language(text));
    if found.is_none() {
        let text = value.as_str().unwrap_or_default().to_owned();
        reader.expected(&path, &text, "a language like \"es\" or \"pt-BR\"", "es");
    }
    found.map(str::to_owned)
}

fn retry(reader: &mut Reader<'_>, table: &mut Table) -> Option<RetrySchedule> {
    let Some((path, value)) = table.keys.remove("retry") else {
        return schedule(table.kind.pace.retry.iter().copied());
    };
    let texts = value.as_array().unwrap_or_default().iter().map(Value::as_str).collect::<Option<Vec<_>>>();
    let found = texts.filter(|_| Form::of(&value) == Form::List).and_then(schedule);
    if found.is_none() {
        reader.problem(
            &path,
            "expected a list of 1 to 100 waits, each from 1s to 30days",
            "write retry = [\"5s\", \"1m\", \"30m\"]",
        );
    }
    found
}

fn schedule<'a>(waits: impl IntoIterator<Item = &'a str>) -> Option<RetrySchedule> {
    let waits = waits.into_iter().map(|wait| humantime::parse_duration(wait).ok()).collect::<Option<Vec<_>>>()?;
    RetrySchedule::new(waits).ok()
}

fn number(reader: &mut Reader<'_>, table: &mut Table, key: &str, most: u128, default: u32) -> Option<u32> {
    let Some((path, value)) = table.keys.remove(key) else { return Some(default) };
    let found =
        value.to_u128().or_else(|| u128::try_from(value.to_i128()?).ok()).filter(|found| (1..=most).contains(found));
    if found.is_none() {
        reader.problem(&path, format!("expected a whole number from 1 to {most}"), format!("write {key} = {default}"));
    }
    found.and_then(|found| u32::try_from(found).ok())
}

fn duration(
    reader: &mut Reader<'_>,
    table: &mut Table,
    key: &str,
    default: impl FnOnce() -> Option<Duration>,
) -> Option<Duration> {
    let Some((path, value)) = table.keys.remove(key) else { return default() };
    let found = value.as_str().and_then(|text| humantime::parse_duration(text).ok()).filter(|found| !found.is_zero());
    if found.is_none() {
        reader.problem(&path, "expected a length of time like \"2m\" or \"5days\"", format!("write {key} = \"2m\""));
    }
    found
}

fn on_unknown(reader: &mut Reader<'_>, table: &mut Table) -> Option<OnUnknown> {
    let Some((path, value)) = table.keys.remove("on_unknown") else { return Some(OnUnknown::default()) };
    let found = match value.as_str() {
        Some("retry") => Some(OnUnknown::Retry),
        Some("hold") => Some(OnUnknown::Hold),
        _ => None,
    };
    if found.is_none() {
        reader.problem(&path, "expected \"retry\" or \"hold\"", "write on_unknown = \"retry\"");
    }
    found
}

/// `None`: not a rate. `Some(None)`: no limit.
#[expect(clippy::option_option, reason = "unreadable and unlimited are two things")]
fn rate(reader: &mut Reader<'_>, table: &mut Table) -> Option<Option<Rate>> {
    let burst = number(reader, table, "burst", LARGEST_BURST, table.kind.pace.burst);
    let (path, text) = match table.keys.remove("rate") {
        Some((path, value)) => (path, value.as_str().unwrap_or_default().to_owned()),
        None => (Path::new(), table.kind.pace.rate.to_owned()),
    };
    if text.is_empty() || text == "none" {
        return burst.map(|_| None);
    }
    let Ok(rate) = text.parse::<Rate>() else {
        reader.expected(&path, &text, "a rate like \"1/s\" or \"30/m\", or \"none\"", "1/s");
        return None;
    };
    burst.map(|burst| Some(rate.with_burst(burst)))
}

fn fallback(reader: &mut Reader<'_>, table: &mut Table) -> Option<Fallback> {
    let failures = number(reader, table, "fallback_failures", MOST_FAILURES, FALLBACK_FAILURES);
    let after = duration(reader, table, "fallback_after", || Some(FALLBACK_AFTER));
    let channel = match table.keys.remove("fallback") {
        None => Some(None),
        Some((path, value)) => match value.as_str().unwrap_or_default().parse::<ChannelAddress>() {
            Ok(channel) if channel == table.address => {
                reader.problem(&path, "a channel cannot take over from itself", "name another channel, or take it out");
                None
            }
            Ok(channel) => Some(Some(channel)),
            Err(_) => {
                let text = value.as_str().unwrap_or_default().to_owned();
                reader.expected(&path, &text, "a channel like email.sales", "email.sales");
                None
            }
        },
    };
    // Who is written to where is known once all channels are open.
    Some(Fallback { channel: channel?, failures: failures?, after: after?, is_elsewhere: false })
}

/// The channels that `used` ones fall back to, as far as their tables say.
pub(super) fn fallbacks(tables: &[Table], used: &BTreeSet<ChannelAddress>) -> BTreeSet<ChannelAddress> {
    let named = tables.iter().filter(|table| used.contains(&table.address));
    named.filter_map(|table| table.keys.get("fallback")?.1.as_str()?.parse().ok()).collect()
}

/// Notes for each channel whether the one that takes over from it writes to customers at another address.
pub(super) fn tell_fallbacks_apart(channels: &mut BTreeMap<ChannelAddress, ChannelConfig>) {
    let written_to: BTreeMap<ChannelAddress, ContactField> =
        channels.iter().filter_map(|(address, config)| Some((address.clone(), config.channel.writes_to()?))).collect();
    for (address, config) in channels {
        let fallback = &mut config.rules.fallback;
        let there = fallback.channel.as_ref().and_then(|channel| written_to.get(channel));
        fallback.is_elsewhere = there.is_some() && there != written_to.get(address);
    }
}

/// Notes every fallback that does not exist, or would reach nobody.
pub(super) fn refuse_bad_fallbacks(
    reader: &mut Reader<'_>,
    channels: &BTreeMap<ChannelAddress, ChannelConfig>,
    known: &BTreeSet<ChannelAddress>,
    welcome: Option<&ChannelAddress>,
    asked: &BTreeSet<ChannelAddress>,
) {
    for (address, config) in channels {
        let Some(fallback) = &config.rules.fallback.channel else { continue };
        let here = tree::path(&format!("channels.{}.{}.fallback", address.kind(), address.name()));
        refuse_unknown(reader, &here, fallback, known);
        refuse_silent(reader, &here, fallback, channels, asked.contains(address));
        let is_silent = |found: &ChannelConfig| found.channel.writes_to().is_none();
        if welcome == Some(address) && channels.get(fallback).is_some_and(is_silent) {
            reader.problem(
                &here,
                format!("{address} greets customers, and {fallback} does not write to any"),
                format!("name a channel that does, as another one of the kind {}", address.kind()),
            );
        }
    }
}

/// Notes a fallback for questions or reports that writes to customers alone.
pub(super) fn refuse_silent(
    reader: &mut Reader<'_>,
    here: &Path,
    fallback: &ChannelAddress,
    channels: &BTreeMap<ChannelAddress, ChannelConfig>,
    asked: bool,
) {
    if asked && channels.get(fallback).is_some_and(|found| !found.channel.has_own_address()) {
        reader.problem(
            here,
            format!("{fallback} only writes to customers, so a question or a report would reach nobody"),
            format!("name a channel with an address of its own, or write one into [channels.{fallback}]"),
        );
    }
}

/// The fallback of a route; see [`refuse_silent`] for what is found out only when the channels are open.
pub(super) fn route_fallback(
    reader: &mut Reader<'_>,
    text: &str,
    route: &Path,
    channels: &[ChannelAddress],
    known: &BTreeSet<ChannelAddress>,
) -> Option<ChannelAddress> {
    let here = child(route, "fallback");
    if text.is_empty() {
        return None;
    }
    let Ok(address) = text.parse::<ChannelAddress>() else {
        reader.expected(&here, text, "a channel like email.sales", "email.sales");
        return None;
    };
    if channels.contains(&address) {
        reader.problem(&here, format!("{address} gets the question anyway"), "name another channel, or take it out");
    }
    refuse_unknown(reader, &here, &address, known);
    Some(address)
}
