//! `[[routes]]`: which channels a question goes to.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use figment::value::{Dict, Value};

use super::ChannelConfig;
use super::problems::{did_you_mean, in_a_row};
use super::reader::Reader;
use super::rules;
use super::tree::{Path, child, path};
use crate::domain::{ChannelAddress, Route, RoutingTable, Topic, TopicKey};

/// Reads all routes; `known` are the channels that there are.
pub(super) fn routes(reader: &mut Reader<'_>, known: &BTreeSet<ChannelAddress>) -> Option<RoutingTable> {
    let all = path("routes");
    let tables = reader.value("routes").and_then(Value::as_array).unwrap_or_default();
    let mut named = Vec::new();
    let mut catch_all: Option<(usize, Route)> = None;
    for (index, table) in tables.iter().enumerate() {
        let Some(table) = table.as_dict() else { continue };
        let here = child(&all, &index);
        let route = route(reader, table, &here, known);
        match (&route.topic, &catch_all) {
            (Some(_), _) => named.push((here, route)),
            (None, Some((first, _))) => {
                let first = reader.layers.place(&child(&all, first));
                reader.problem(
                    &here,
                    format!("a second route without a topic; the first stands at {first}"),
                    "give it a topic, or put its channels into the first one",
                );
            }
            (None, None) => catch_all = Some((index, route)),
        }
    }
    refuse_unreachable(reader, &named);
    let Some((_, catch_all)) = catch_all else {
        reader.problem(
            &all,
            "no route takes a topic that nobody has named",
            "add a [[routes]] without a topic, as in channels = [\"email.sales\"]",
        );
        return None;
    };
    Some(RoutingTable::new(named.into_iter().map(|(_, route)| route).collect(), catch_all))
}

fn route(reader: &mut Reader<'_>, table: &Dict, here: &Path, known: &BTreeSet<ChannelAddress>) -> Route {
    let topic = table.get("topic").and_then(Value::as_str).map(Topic::new);
    if topic.as_ref().is_some_and(|topic| topic.as_str().is_empty()) {
        reader.problem(
            &child(here, "topic"),
            "a topic must not be empty",
            "write what the bot's button says, or leave the line out: the route then takes what no other one took",
        );
    }
    let aliases: Vec<Topic> = texts(table, "aliases").map(Topic::new).collect();
    if aliases.iter().any(|alias| alias.as_str().is_empty()) {
        reader.problem(&child(here, "aliases"), "another name must not be empty", "write what the bot's button says");
    }
    if topic.is_none() && !aliases.is_empty() {
        reader.problem(
            &child(here, "aliases"),
            "a route without a topic takes whatever is left, so other names mean nothing",
            "add a topic, or leave aliases out",
        );
    }
    let channels = channels(reader, table, here, known);
    let fallback = table.get("fallback").and_then(Value::as_str).unwrap_or_default();
    let fallback = rules::route_fallback(reader, fallback, here, &channels, known);
    Route { topic, aliases, channels, fallback }
}

fn texts<'a>(table: &'a Dict, key: &str) -> impl Iterator<Item = &'a str> {
    table.get(key).and_then(Value::as_array).unwrap_or_default().iter().filter_map(Value::as_str)
}

fn channels(
    reader: &mut Reader<'_>,
    table: &Dict,
    here: &Path,
    known: &BTreeSet<ChannelAddress>,
) -> Vec<ChannelAddress> {
    let list = child(here, "channels");
    let channels = addresses(reader, &list, texts(table, "channels").enumerate(), known);
    let is_empty = table.get("channels").and_then(Value::as_array).unwrap_or_default().is_empty();
    if is_empty && !reader.is_told(&list) {
        reader.problem(&list, "a route goes to at least one channel", "write channels = [\"email.sales\"]");
    }
    channels
}

/// The channels of the list at `list`, from the texts that stand at these positions of it.
pub(super) fn addresses<'a>(
    reader: &mut Reader<'_>,
    list: &Path,
    texts: impl Iterator<Item = (usize, &'a str)>,
    known: &BTreeSet<ChannelAddress>,
) -> Vec<ChannelAddress> {
    let mut channels = Vec::new();
    for (index, text) in texts {
        let here = child(list, &index);
        match text.parse::<ChannelAddress>() {
            Err(_) => reader.expected(&here, text, "a channel like email.sales", "email.sales"),
            Ok(address) if channels.contains(&address) => reader.problem(
                &here,
                format!("{address} is named twice, so that each message would be sent twice"),
                "name it once",
            ),
            Ok(address) => {
                refuse_unknown(reader, &here, &address, known);
                channels.push(address);
            }
        }
    }
    channels
}

/// Notes that `address`, named at `here`, is no channel of this configuration.
pub(super) fn refuse_unknown(
    reader: &mut Reader<'_>,
    here: &Path,
    address: &ChannelAddress,
    known: &BTreeSet<ChannelAddress>,
) {
    if known.contains(address) {
        return;
    }
    let names = || known.iter().map(ChannelAddress::as_str);
    let guess = did_you_mean(address.as_str(), names()).map(|guess| format!("{guess} Else ")).unwrap_or_default();
    let mend = format!("{guess}add a table [channels.{address}], or name one of: {}", in_a_row(names()));
    reader.problem(here, format!("there is no channel {address}"), mend);
}

/// Notes every channel of a route that writes to customers alone: whatever is asked there could only be given up.
pub(super) fn refuse_without_address(reader: &mut Reader<'_>, channels: &BTreeMap<ChannelAddress, ChannelConfig>) {
    let all = path("routes");
    let tables = reader.value("routes").and_then(Value::as_array).unwrap_or_default();
    for (index, table) in tables.iter().enumerate() {
        let here = child(&all, &index);
        let list = child(&here, "channels");
        let fallback = table.as_dict().and_then(|table| table.get("fallback")?.as_str()?.parse().ok());
        if let Some(fallback) = fallback {
            rules::refuse_silent(reader, &child(&here, "fallback"), &fallback, channels, true);
        }
        for (position, text) in table.as_dict().into_iter().flat_map(|table| texts(table, "channels")).enumerate() {
            let channel = text.parse().ok().and_then(|address: ChannelAddress| channels.get(&address));
            if channel.is_some_and(|found| !found.channel.has_own_address()) {
                reader.problem(
                    &child(&list, &position),
                    format!("{text} only writes to customers, so a question would reach nobody"),
                    format!("name a channel with an address of its own, as in channels = [\"email.sales\"], or write one into [channels.{text}]"),
                );
            }
        }
    }
}

/// The first route that names a topic is taken, so a later one with the same name would wait for ever.
fn refuse_unreachable(reader: &mut Reader<'_>, routes: &[(Path, Route)]) {
    let mut taken: HashMap<TopicKey, &Path> = HashMap::new();
    for (here, route) in routes {
        for (topic, key) in
            route.topic.iter().map(|topic| (topic, "topic")).chain(route.aliases.iter().map(|alias| (alias, "aliases")))
        {
            match taken.get(&topic.key()) {
                Some(first) if *first != here => {
                    let first = reader.layers.place(first);
                    let what = format!(
                        "\"{}\" already takes the route at {first}, so this one is never reached by it",
                        topic.as_str()
                    );
                    reader.problem(
                        &child(here, key),
                        what,
                        "name a topic only once; case, accents, emoji and punctuation do not count",
                    );
                }
                Some(_) => {}
                None => {
                    taken.insert(topic.key(), here);
                }
            }
        }
    }
}
