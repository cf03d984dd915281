//! Whatever shape a body has -> one flat list of fields.
//!
//! The fields may lie at the top, in a list of one object, in objects whose entries are fields themselves
//! ([`CONTAINERS`]), or in the MessageHook that Landbot sends for every line of a chat.

use super::aliases::{Meaning, meaning, same, snake_case};
use super::value::{Entries, Value};
use super::{Received, Unreadable};

/// Where a field was given. Earlier ones are asked first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// In the body.
    Body,
    /// In the URL ("Send Params").
    Query,
    /// What a customer wrote in a chat: the question, if no field says what the question is.
    ChatLine,
}

/// One field, as it was given.
#[derive(Debug)]
pub(super) struct Given {
    /// Its name in snake case.
    pub(super) key: String,
    /// What that says.
    pub(super) meaning: Meaning,
    pub(super) value: Value,
    pub(super) place: Place,
}

/// What was in a body.
#[derive(Debug)]
pub(super) enum Content {
    /// Fields.
    Fields {
        /// The name of a MessageHook's delivery.
        trace: Option<String>,
    },
    /// A message that is not the customer's.
    Ignored { why: &'static str },
}

/// An object whose entries are fields.
struct Container {
    names: &'static [&'static str],
    about_origin: bool,
    /// Entries that mean something else here than elsewhere.
    renamed: &'static [(&'static str, &'static str)],
}

#[rustfmt::skip]
const CONTAINERS: &[Container] = &[
    Container { names: &["customer"], about_origin: false, renamed: &[("id", "landbot_customer_id")] },
    Container { names: &["custom_fields", "custom_data", "fields"], about_origin: false, renamed: &[] },
    Container { names: &["origin"], about_origin: true, renamed: &[] },
    // WhatsApp attaches it to the first message after a click on an advertisement.
    Container { names: &["referral"], about_origin: true, renamed: &[("source_url", "referrer")] },
    Container { names: &["channel"], about_origin: true, renamed: &[("type", "channel"), ("name", "channel_name"), ("id", "channel_id")] },
];

/// Adds the fields of a body to those given; of the same name and place the later one counts.
pub(super) fn open(
    body: Value,
    received: &Received<'_>,
    given: &mut Vec<Given>,
    notes: &mut Vec<String>,
) -> Result<Content, Unreadable> {
    if let Value::List(values) = &body
        && values.len() > 1
    {
        notes.push(format!("took the first of {} entries", values.len()));
    }
    let Some(Value::Object(entries)) = first(body) else {
        return Err(Unreadable::new("JSON, but no object with the customer's fields".to_owned()));
    };
    let (hooks, entries): (Entries, Entries) = entries.into_iter().partition(is_hook);
    let mut trace = None;
    // There is always one message in a hook.
    if let Some(message) = hooks.into_iter().next_back().and_then(|(_, messages)| first(messages)) {
        if !is_from_customer(&message) {
            return Ok(Content::Ignored { why: "not the customer's message" });
        }
        let uuid = message.get("_raw").and_then(|raw| raw.get("uuid")).and_then(Value::as_text);
        trace = received.header("sentry-trace").or(uuid).map(str::to_owned);
        open_message(message, given);
    }
    flatten(entries, Place::Body, false, given);
    Ok(Content::Fields { trace })
}

/// The entries of an object as fields, which can only be about the origin where `about_origin` says so (a `name` in
/// `origin: {…}` is not the customer's): those of its containers first, so that what stands outside counts before it.
pub(super) fn flatten(entries: Entries, place: Place, about_origin: bool, given: &mut Vec<Given>) {
    let mut plain = Vec::new();
    for (key, value) in entries {
        let key = snake_case(&key);
        match (value, CONTAINERS.iter().find(|container| container.names.iter().any(|name| same(name, &key)))) {
            (Value::Object(mut inner), Some(container)) => {
                for (key, _) in &mut inner {
                    if let Some((_, name)) = container.renamed.iter().find(|(name, _)| *name == snake_case(key)) {
                        *key = (*name).to_owned();
                    }
                }
                flatten(inner, place, about_origin || container.about_origin, given);
            }
            (value, _) => plain.push(Given { meaning: meaning(&key, about_origin), key, value, place }),
        }
    }
    given.append(&mut plain);
}

/// The first value of a list; any other value itself.
fn first(value: Value) -> Option<Value> {
    if let Value::List(values) = value { values.into_iter().next() } else { Some(value) }
}

/// Whether the entry is the `messages` of a MessageHook: a list, of objects with a sender or a customer.
fn is_hook((key, value): &(String, Value)) -> bool {
    let Value::List(messages) = value else { return false };
    let has = |part: &str| messages.first().is_some_and(|message| message.get(part).is_some());
    key == "messages" && ["sender", "customer", "_raw"].into_iter().any(has)
}

fn is_from_customer(message: &Value) -> bool {
    let part = |part: &str, name: &str| message.get(part).and_then(|value| value.get(name)).and_then(Value::as_text);
    // In `_raw` the customer is called `user`.
    part("sender", "type")
        .or_else(|| part("_raw", "author_type"))
        .is_none_or(|author| author == "customer" || author == "user")
}

/// The fields of one message of a MessageHook; how it was delivered and drawn is left out.
fn open_message(message: Value, given: &mut Vec<Given>) {
    let referral = message.get("_raw").and_then(|raw| raw.get("referral")).cloned();
    let line = message.get("data").and_then(|data| data.get("body")).cloned();
    let Value::Object(mut entries) = message else { return };
    entries.retain(|(key, _)| ["customer", "channel", "timestamp", "referral"].contains(&key.as_str()));
    entries.extend(referral.map(|referral| ("referral".to_owned(), referral)));
    flatten(entries, Place::Body, false, given);
    given.extend(line.map(|value| Given {
        key: "question".to_owned(),
        meaning: meaning("question", false),
        value,
        place: Place::ChatLine,
    }));
}
