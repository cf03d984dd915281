//! Lists of channels over which the shop's own people are told something: alerts, reports.

use std::collections::{BTreeMap, BTreeSet};

use figment::value::Value;

use super::reader::Reader;
use super::tree::{child, path};
use super::{ChannelConfig, routes};
use crate::domain::ChannelAddress;

/// The channels of the list `key`; `known` are those that there are.
pub(super) fn channels(reader: &mut Reader<'_>, key: &str, known: &BTreeSet<ChannelAddress>) -> Vec<ChannelAddress> {
    let named = named(reader, key);
    routes::addresses(reader, &path(key), named, known)
}

/// Notes each of them that writes to customers alone: `what` would reach nobody there.
pub(super) fn refuse_without_address(
    reader: &mut Reader<'_>,
    key: &str,
    what: &str,
    channels: &BTreeMap<ChannelAddress, ChannelConfig>,
) {
    for (position, text) in named(reader, key) {
        let channel = text.parse().ok().and_then(|address: ChannelAddress| channels.get(&address));
        if channel.is_some_and(|found| !found.channel.has_own_address()) {
            reader.problem(
                &child(&path(key), &position),
                format!("{text} only writes to customers, so {what} would reach nobody"),
                format!("name a channel with an address of its own, or write one into [channels.{text}]"),
            );
        }
    }
}

/// What is written in the list, with its places. What refers to a variable that is not set yet is empty, and told elsewhere.
fn named<'a>(reader: &Reader<'a>, key: &str) -> impl Iterator<Item = (usize, &'a str)> + use<'a> {
    let list = reader.value(key).and_then(Value::as_array).unwrap_or_default();
    let texts = list.iter().enumerate().filter_map(|(index, value)| Some((index, value.as_str()?)));
    texts.filter(|(_, text)| !text.is_empty())
}
