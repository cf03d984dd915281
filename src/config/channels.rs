//! `[channels.<kind>.<name>]`: takes out the keys that every channel has, fills in what the channel shares or lacks,
//! and has its kind open it.

use std::collections::{BTreeMap, BTreeSet};

use figment::providers::{Format, Toml};
use figment::value::{Dict, Value};

use super::open::{Settings, open};
use super::problems::{Place, did_you_mean, in_a_row, shown_key, shown_table};
use super::reader::Reader;
use super::references::{MissingReference, Reference};
use super::rules::{self, COMMON};
use super::tree::{self, Form, Path, child};
use super::{ChannelConfig, beside};
use crate::channel::{KINDS, Kind, kind};
use crate::domain::{ChannelAddress, Mailbox};

/// The channel that others of its kind take shared keys from.
const MODEL: &str = "welcome";

/// The key that says where a message goes and proves the right to send it, in one: no login is needed beside it.
const WEBHOOK: &str = "webhook_url";

/// The form of a channel's key, as far as its kind's example tells.
pub(super) fn form_of(kind_name: &str, key: &[String]) -> Option<Form> {
    if let [key] = key
        && let Some((_, form)) = COMMON.iter().find(|(name, _)| name == key)
    {
        return Some(*form);
    }
    tree::find(&every_key(kind(kind_name)?), key).map(Form::of)
}

/// The keys of the kind's example, those too that are commented out.
fn every_key(kind: &Kind) -> Dict {
    let mut keys = example(kind);
    for line in kind.example.lines().filter_map(|line| line.strip_prefix("# ")) {
        for (key, value) in Toml::from_str::<Dict>(line).unwrap_or_default() {
            keys.entry(key).or_insert(value);
        }
    }
    keys
}

/// The kind's example as values. The contract suite opens every example, so it is valid.
pub(super) fn example(kind: &Kind) -> Dict {
    Toml::from_str(kind.example).unwrap_or_default()
}

/// A table's keys, each with where it was set.
type Keys = BTreeMap<String, (Path, Value)>;

/// A channel's table before it is opened. A shared key was set in another table.
pub(super) struct Table {
    pub(super) address: ChannelAddress,
    pub(super) kind: &'static Kind,
    pub(super) keys: Keys,
}

impl Table {
    /// Where the table itself stands.
    pub(super) fn path(&self) -> Path {
        vec!["channels".to_owned(), self.address.kind().to_owned(), self.address.name().to_owned()]
    }
}

/// Every table that has a kind and a proper name.
pub(super) fn tables(reader: &mut Reader<'_>) -> Vec<Table> {
    let mut tables = Vec::new();
    let top = tree::path("channels");
    for (kind_name, named) in reader.value("channels").and_then(Value::as_dict).into_iter().flatten() {
        let here = child(&top, kind_name);
        let kinds = || KINDS.iter().map(|kind| kind.name);
        let (Some(kind), Some(named)) = (kind(kind_name), named.as_dict()) else {
            let guess = did_you_mean(kind_name, kinds()).map(|guess| format!("{guess} ")).unwrap_or_default();
            complain_of_table(
                reader,
                &here,
                "there is no such kind of channel",
                format!("{guess}The kinds are {}", in_a_row(kinds())),
            );
            continue;
        };
        for (name, keys) in named {
            let here = child(&here, name);
            match (format!("{kind_name}.{name}").parse::<ChannelAddress>(), keys.as_dict()) {
                (Ok(address), Some(keys)) => {
                    let keys =
                        keys.iter().map(|(key, value)| (key.clone(), (child(&here, key), value.clone()))).collect();
                    tables.push(Table { address, kind, keys });
                }
                (Err(_), Some(_)) => complain_of_table(
                    reader,
                    &here,
                    "expected a name of letters, digits, - and _",
                    format!("write [channels.{kind_name}.sales]"),
                ),
                (Ok(address), None) if keys.as_str().is_some() && form_of(kind_name, &here[2..]).is_none() => {
                    tables.push(pasted(reader, &here, kind, address, keys.as_str().unwrap_or_default()));
                }
                (_, None) => reader.problem(
                    &here,
                    "expected a channel's table here",
                    format!("put the key under a name of your choice, as in [channels.{kind_name}.sales]"),
                ),
            }
        }
    }
    share(&mut tables);
    tables
}

/// The table that an address stands for. All its keys were set where the address stands.
fn pasted(reader: &mut Reader<'_>, here: &Path, kind: &'static Kind, address: ChannelAddress, text: &str) -> Table {
    let keys = match super::pasted::table(kind, text) {
        Ok(keys) => keys,
        // What it refers to is missing, which is told when the channel is opened.
        Err(_) if text.is_empty() => Dict::new(),
        Err((what, mend)) => {
            reader.problem(here, what, mend);
            // That is said; nothing that follows from it needs to be.
            example(kind)
        }
    };
    Table { address, kind, keys: keys.into_iter().map(|(key, value)| (key, (here.clone(), value))).collect() }
}

fn complain_of_table(reader: &mut Reader<'_>, here: &Path, what: &str, mend: String) {
    let mut problem = reader.layers.problem(here, what, mend);
    problem.key = shown_table(here);
    reader.problems.push(problem);
}

/// Gives each channel the shared keys of its kind's model, unless it wrote them, or what they belong to; and no login,
/// nor what has one in it, if it wrote a part of a login of its own.
fn share(tables: &mut [Table]) {
    let models: Vec<(&str, Keys)> = tables
        .iter()
        .filter(|table| table.address.name() == MODEL)
        .map(|table| (table.kind.name, table.keys.clone()))
        .collect();
    for table in tables.iter_mut().filter(|table| !table.keys.contains_key(WEBHOOK)) {
        let Some((_, model)) = models.iter().find(|(kind, _)| *kind == table.kind.name) else { continue };
        for group in table.kind.shared {
            if table.keys.contains_key(group[0]) {
                continue;
            }
            let is_login = |key: &&str| table.keys.get(*key).is_some_and(|(path, _)| tree::is_secret(path));
            let has_login = group.iter().any(is_login);
            for (key, value) in group.iter().filter_map(|key| model.get_key_value(*key)) {
                if !(has_login && tree::has_secret(&value.0, &value.1)) {
                    table.keys.entry(key.clone()).or_insert_with(|| value.clone());
                }
            }
        }
    }
}

/// Opens every channel; `used` are those that a route or the welcome names.
pub(super) fn channels(
    reader: &mut Reader<'_>,
    tables: Vec<Table>,
    used: &BTreeSet<ChannelAddress>,
    loading: &mut Loading,
) -> BTreeMap<ChannelAddress, ChannelConfig> {
    let mut channels = BTreeMap::new();
    for table in tables {
        let is_used = used.contains(&table.address);
        if !is_used {
            if !reader.layers.is_shops_own(&table.path()) {
                continue;
            }
            let mend = format!("name it in a route: channels = [\"{}\"], or take it out", table.address);
            let warning = reader.layers.problem(&table.path(), "nothing uses this channel", mend);
            reader.warnings.push(super::problems::Problem { key: shown_table(&table.path()), ..warning });
        }
        let address = table.address.clone();
        if let Some(channel) = channel(reader, table, is_used, loading) {
            channels.insert(address, channel);
        }
    }
    channels
}

/// What is collected on the way.
#[derive(Default)]
pub(super) struct Loading {
    pub(super) missing: Vec<MissingReference>,
}

impl Loading {
    /// Notes that `channel` goes without `reference`.
    fn note(&mut self, place: Place, path: &[String], reference: &Reference, channel: &ChannelAddress) {
        let key = shown_key(path);
        match self
            .missing
            .iter_mut()
            .find(|known| known.place == place && known.key == key && known.reference == *reference)
        {
            Some(known) => known.channels.push(channel.clone()),
            None => self.missing.push(MissingReference {
                place,
                key,
                reference: reference.clone(),
                channels: vec![channel.clone()],
            }),
        }
    }
}

fn channel(reader: &mut Reader<'_>, mut table: Table, is_used: bool, loading: &mut Loading) -> Option<ChannelConfig> {
    leave_out_foreign(reader, &mut table);
    leave_out_shipped(reader, &mut table);
    let is_complete = lend(reader, &mut table, is_used, loading);
    let rules = rules::rules(reader, &mut table);
    let language = rules::language(reader, &mut table);
    refuse_example_sender(reader, &table, is_used);
    locate(reader, &mut table);
    let opened = open(reader, Settings::new(table));
    // An incomplete one was opened with borrowed values, to see what else is wrong with it.
    if !is_complete && !reader.sandbox {
        return None;
    }
    Some(ChannelConfig { channel: opened?, rules: rules?, language: language? })
}

/// Takes out blank keys, and lends those whose reference is missing the example's value. `false`: something is lent.
fn lend(reader: &mut Reader<'_>, table: &mut Table, is_used: bool, loading: &mut Loading) -> bool {
    // The address that stands for the whole table has no key.
    let whole = [(String::new(), (table.path(), Value::from("")))];
    let whole = whole.iter().filter(|_| table.keys.is_empty()).map(|(key, set)| (key, set));
    let missing: Vec<(String, Path, Reference)> = table
        .keys
        .iter()
        .chain(whole)
        .flat_map(|(key, (path, _))| {
            reader
                .resolved
                .missing
                .iter()
                .filter(|(missing, _)| missing.starts_with(path))
                .map(|(missing, reference)| (key.clone(), missing.clone(), reference.clone()))
        })
        .collect();
    let example = example(table.kind);
    let mut is_complete = true;
    for (key, path, reference) in missing {
        is_complete = false;
        let place = reader.layers.place(&path);
        if reader.sandbox || !is_used {
            loading.note(place, &path, &reference, &table.address);
        } else {
            let missing =
                MissingReference { place, key: shown_key(&path), reference, channels: vec![table.address.clone()] };
            reader.problems.push(missing.to_problem());
        }
        let set_at = table.keys.remove(&key).map_or(path, |(path, _)| path);
        // Where the example has no such key, the channel has one of several ways to its place: lend another whole.
        let lent = if example.contains_key(&key) { vec![key] } else { example.keys().cloned().collect() };
        for key in lent {
            if let Some(value) = example.get(&key) {
                table.keys.entry(key).or_insert_with(|| (set_at.clone(), value.clone()));
            }
        }
    }
    for (_, value) in table.keys.values_mut() {
        for table in tree::tables(value) {
            table.retain(|_, value| !tree::is_blank(value));
        }
    }
    table.keys.retain(|_, (_, value)| !tree::is_blank(value));
    is_complete
}

/// Takes out the login of a server that a stronger layer replaced: it was written for another one.
fn leave_out_foreign(reader: &mut Reader<'_>, table: &mut Table) {
    for group in table.kind.shared {
        let Some((leader, _)) = table.keys.get(group[0]) else { continue };
        let (layer, place) = (reader.layers.layer(leader), reader.layers.place(leader));
        for key in &group[1..] {
            let is_foreign = |(path, _): &(Path, Value)| reader.layers.layer(path) < layer;
            let Some((path, value)) = table.keys.get(*key).filter(|found| is_foreign(found)) else { continue };
            if reader.layers.is_shops_own(path) && !tree::is_blank(value) {
                let what = format!("not used: {place} names another {}", group[0]);
                reader.warning(path, what, "write it there, too");
            }
            table.keys.remove(*key);
        }
    }
}

/// Takes out what the compiled-in file refers to beside a webhook of the shop's own, which needs nothing of it.
fn leave_out_shipped(reader: &Reader<'_>, table: &mut Table) {
    let is_own = |path: &Path| reader.layers.is_shops_own(path);
    if !table.keys.get(WEBHOOK).is_some_and(|(path, _)| is_own(path)) {
        return;
    }
    let references = || reader.resolved.followed.iter().chain(reader.resolved.missing.iter().map(|(path, _)| path));
    table.keys.retain(|_, (path, _)| is_own(path) || !references().any(|reference| reference.starts_with(path)));
}

/// A key called `…_file`, of the table or of one in a list there, is a path, and starts where the configuration is.
fn locate(reader: &Reader<'_>, table: &mut Table) {
    let locate = |key: &str, value: &mut Value| {
        if let (true, Value::String(_, text)) = (key.ends_with("_file"), value) {
            *text = beside(reader.base, text).display().to_string();
        }
    };
    for (key, (_, value)) in &mut table.keys {
        tree::tables(value).for_each(|table| table.iter_mut().for_each(|(key, value)| locate(key, value)));
        locate(key, value);
    }
}

/// Live, customers must not get mail from an address that does not exist.
fn refuse_example_sender(reader: &mut Reader<'_>, table: &Table, is_used: bool) {
    let Some((path, Value::String(_, from))) = table.keys.get("from") else { return };
    let is_example = Mailbox::parse(from).is_ok_and(|from| format!(".{}", from.address.domain()).ends_with(".example"));
    if is_used && !reader.sandbox && is_example {
        let path = path.clone();
        reader.problem(
            &path,
            "an address under .example does not exist, so live mail from it would be refused",
            "write your own, as in from = \"Your Shop <hello@your-domain.com>\"",
        );
    }
}
