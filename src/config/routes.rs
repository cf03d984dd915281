//! `[[routes]]`: which channels a question goes to.

use std::collections::{BTreeMap, BTreeSet};

use figment::value::{Dict, Value};

use super::ChannelConfig;
use super::problems::{Place, did_you_mean, in_a_row};
use super::reader::Reader;
use super::tree::{Path, child, path};
use super::{conditions, rules};
use crate::domain::{ChannelAddress, Route, RoutingTable, Topic};

/// Reads all routes, and where each stands; `known` are the channels that there are.
pub(super) fn routes(reader: &mut Reader<'_>, known: &BTreeSet<ChannelAddress>) -> (RoutingTable, Vec<Place>) {
    let all = path("routes");
    let tables = reader.value("routes").and_then(Value::as_array).unwrap_or_default();
    let mut read = Vec::new();
    for (index, table) in tables.iter().enumerate() {
        let Some(table) = table.as_dict() else { continue };
        let here = child(&all, &index);
        let route = route(reader, table, &here, known);
        read.push((here, route));
    }
    // A route whose conditions could not be read takes more than was meant; what follows from that is no news.
    let is_misread = reader.problems.iter().any(|problem| problem.key.starts_with("[[routes]] when"));
    let (mut catch_alls, tried): (Vec<_>, Vec<_>) = read.into_iter().partition(|(_, route)| route.is_catch_all());
    let mut here: Vec<Path> = tried.iter().map(|(path, _)| path.clone()).collect();
    let tried: Vec<Route> = tried.into_iter().map(|(_, route)| route).collect();
    if catch_alls.is_empty() {
        reader.problem(
            &all,
            "no route takes what no other one took",
            "add a [[routes]] without topic, when and continue, as in channels = [\"email.sales\"]",
        );
        catch_alls.push((all, Route::default()));
    }
    let (last, catch_all) = catch_alls.remove(0);
    let table = RoutingTable::new(tried, catch_all);
    if !is_misread {
        refuse_further(reader, &last, &catch_alls);
        refuse_unreachable(reader, &table, &here);
    }
    here.push(last);
    let places = here.iter().map(|path| reader.layers.place(path)).collect();
    (table, places)
}

/// One route takes whatever is left; another would never be tried.
fn refuse_further(reader: &mut Reader<'_>, first: &Path, further: &[(Path, Route)]) {
    for (here, _) in further {
        let first = reader.layers.place(first);
        reader.problem(
            here,
            format!("a second route that takes whatever is left; the first stands at {first}"),
            "give it a topic or a when, or put its channels into the first one",
        );
    }
}

fn route(reader: &mut Reader<'_>, table: &Dict, here: &Path, known: &BTreeSet<ChannelAddress>) -> Route {
    let topic = table.get("topic").and_then(Value::as_str).map(Topic::new);
    if topic.as_ref().is_some_and(|topic| topic.as_str().is_empty()) {
        reader.problem(
            &child(here, "topic"),
            "a topic must not be empty",
            "write what the bot's button says, or leave the line out: the route then takes any topic",
        );
    }
    let aliases: Vec<Topic> = texts(table, "aliases").map(Topic::new).collect();
    if aliases.iter().any(|alias| alias.as_str().is_empty()) {
        reader.problem(&child(here, "aliases"), "another name must not be empty", "write what the bot's button says");
    }
    if topic.is_none() && !aliases.is_empty() {
        reader.problem(
            &child(here, "aliases"),
            "a route without a topic takes any topic, so other names mean nothing",
            "add a topic, or leave aliases out",
        );
    }
    let when = conditions::when(reader, table, here);
    let continues = table.get("continue").and_then(Value::to_bool).unwrap_or_default();
    let channels = channels(reader, table, here, known);
    let fallback = table.get("fallback").and_then(Value::as_str).unwrap_or_default();
    let fallback = rules::route_fallback(reader, fallback, here, &channels, known);
    Route { topic, aliases, when, continues, channels, fallback }
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

/// Notes every route, and every name of one, that no request ever reaches: earlier routes end the search before it.
fn refuse_unreachable(reader: &mut Reader<'_>, table: &RoutingTable, here: &[Path]) {
    let routes: Vec<&Route> = table.routes().collect();
    for (position, (route, path)) in routes.iter().zip(here).enumerate() {
        if route.topic.is_none()
            && let Some(first) = table.obstacle(position, None)
        {
            let what = format!("the route at {} takes all that this one could", reader.layers.place(&here[first]));
            reader.problem(path, what, "write it before that one, or write continue = true there");
        }
        for (nth, name) in route.names().enumerate().filter(|(_, name)| !name.as_str().is_empty()) {
            let Some(first) = table.obstacle(position, Some(name)) else { continue };
            let key = if nth == 0 { "topic" } else { "aliases" };
            let what = format!(
                "\"{}\" already takes the route at {}, so this one is never reached by it",
                name.as_str(),
                reader.layers.place(&here[first])
            );
            let is_same_topic_again = route.when.is_empty() && routes[first].topic.is_some();
            let mend = if is_same_topic_again {
                "name a topic only once; case, accents, emoji and punctuation do not count"
            } else {
                "write it before that one, or write continue = true there"
            };
            reader.problem(&child(path, key), what, mend);
        }
    }
}
