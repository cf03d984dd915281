//! A flat list of fields -> [`Fields`]: for each of ours the best value that is not missing, the rest to the origin.

use std::collections::BTreeMap;

use url::form_urlencoded;

use super::aliases::{Field, Meaning, meaning, snake_case};
use super::envelope::{Given, Place};
use super::text::{lines, text};
use super::value::Value;
use super::{Fields, Received};
use crate::domain::{Country, EmailAddress, Origin, Phone, Topic, one_line, truncate};

/// Longest values kept, in characters.
const LONGEST_NAME: usize = 128;
const LONGEST_TOPIC: usize = 100;
const LONGEST_QUESTION: usize = 10_000;
const LONGEST_ID: usize = 200;
const LONGEST_ORIGIN: usize = 500;
/// A language tag has at most 35 (RFC 5646 §4.4.1).
const LONGEST_LANGUAGE: usize = 35;
/// Longest name of a field that is kept by its name.
const LONGEST_KEY: usize = 64;
/// How many campaign tags, and how many fields that mean nothing to us, are kept.
const MOST_FURTHER_FIELDS: usize = 200;

/// Chooses and cuts. Of two values that say the same thing the one from the better [`Place`] counts, then the one under
/// the better name, then the later one.
pub(super) fn gather(
    given: Vec<Given>,
    trace: Option<String>,
    received: &Received<'_>,
    default_country: Country,
    notes: Vec<String>,
) -> Fields {
    let mut gathering = Gathering::new(given, notes);
    let name = gathering.name();
    let email = gathering.line(Field::Email, LONGEST_ORIGIN).map(|text| EmailAddress::parse(&text));
    let topic = gathering.line(Field::Topic, LONGEST_TOPIC).map(|text| Topic::new(&text)).unwrap_or_default();
    let question = gathering.question();
    let language = gathering.line(Field::Language, LONGEST_LANGUAGE).unwrap_or_default().replace('_', "-");
    let request_id = gathering.line(Field::RequestId, LONGEST_ID);
    let test = gathering.find(Field::Test, |_| Some(()));
    gathering.about_origin();
    let origin = &gathering.origin;
    let country = origin.country.as_deref().and_then(Country::parse).unwrap_or(default_country);
    let whatsapp = origin.channel.as_deref().is_some_and(|channel| channel.starts_with("whatsapp"));
    let phone = gathering.find(Field::Phone, |text| Phone::parse(text, country, whatsapp));
    let (origin, notes) = gathering.finish();
    Fields {
        name,
        email,
        phone,
        topic,
        question,
        origin,
        language,
        request_id: request_id.or_else(|| received.header("idempotency-key").and_then(|id| cut(id, LONGEST_ID))),
        trace: trace.and_then(|trace| cut(&trace, LONGEST_ID)),
        test: test.is_some() || received.header("x-umishop-test").and_then(yes_or_no) == Some(true),
        notes,
    }
}

fn yes_or_no(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" => Some(true),
        "0" | "false" => Some(false),
        _ => None,
    }
}

/// On one line and no longer than `limit`; `None` when nothing is left.
fn cut(text: &str, limit: usize) -> Option<String> {
    let line = one_line(text);
    Some(truncate(&line, limit).text.trim_end().to_owned()).filter(|line| !line.is_empty())
}

/// A value for one of our fields.
struct Candidate {
    field: Field,
    /// Where it was given and how good its name is; lower is better.
    rank: (Place, usize),
    key: String,
    text: String,
}

struct Gathering {
    /// Values for our fields, best first.
    candidates: Vec<Candidate>,
    /// Grows as fields are taken; what none of ours took goes to its `extra`.
    origin: Origin,
    left_out: usize,
    cut_short: usize,
    notes: Vec<String>,
}

impl Gathering {
    fn new(given: Vec<Given>, notes: Vec<String>) -> Self {
        let mut this = Self { candidates: Vec::new(), origin: Origin::default(), left_out: 0, cut_short: 0, notes };
        for Given { key, meaning, value, place } in given {
            let Some(text) = text(&value) else { continue };
            match meaning {
                // Only whoever writes the body by hand says it so. A shop's own field of that name, such as the arm of
                // an experiment, must not turn a customer away.
                Meaning::Known { field: Field::Test, .. } if !(place == Place::Body && value == Value::Bool(true)) => {
                    this.keep(|origin| &mut origin.extra, &key, &text);
                }
                // An object says something, but no field of ours is one.
                Meaning::Known { field, rank } if !value.is_composite() => {
                    this.candidates.push(Candidate { field, rank: (place, rank), key, text });
                }
                Meaning::Utm(name) => this.keep(|origin| &mut origin.utm, &name, &text),
                Meaning::Click(name) => this.keep(|origin| &mut origin.clicks, name, &text),
                Meaning::Known { .. } | Meaning::Other => this.keep(|origin| &mut origin.extra, &key, &text),
            }
        }
        // Later ones first among equals: the sort is stable.
        this.candidates.reverse();
        this.candidates.sort_by_key(|candidate| candidate.rank);
        this
    }

    /// Keeps a value by its name; a later one replaces an earlier one.
    fn keep(&mut self, map: fn(&mut Origin) -> &mut BTreeMap<String, String>, key: &str, text: &str) {
        let (Some(key), Some(value)) = (cut(key, LONGEST_KEY), cut(text, LONGEST_ORIGIN)) else { return };
        let map = map(&mut self.origin);
        if map.len() < MOST_FURTHER_FIELDS || map.contains_key(&key) {
            map.insert(key, value);
            self.cut_short += usize::from(truncate(text, LONGEST_ORIGIN).left_out > 0);
        } else {
            self.left_out += 1;
        }
    }

    /// The best value for `field` that `read` makes something of. What came under other names and says something else is
    /// kept as a further field.
    fn find<T>(&mut self, field: Field, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        let mut taken: Option<(Candidate, T)> = None;
        for candidate in self.candidates.extract_if(.., |candidate| candidate.field == field).collect::<Vec<_>>() {
            match (&taken, read(&candidate.text)) {
                (None, Some(value)) => taken = Some((candidate, value)),
                (Some((better, _)), _) if better.key == candidate.key || better.text == candidate.text => {}
                _ if self.origin.extra.contains_key(&candidate.key) => {}
                _ => self.keep(|origin| &mut origin.extra, &candidate.key, &candidate.text),
            }
        }
        taken.map(|(_, value)| value)
    }

    fn take(&mut self, field: Field) -> Option<String> {
        self.find(field, |text| Some(text.to_owned()))
    }

    /// The value on one line, cut to `limit`.
    fn line(&mut self, field: Field, limit: usize) -> Option<String> {
        let text = self.take(field)?;
        self.fit(field, &text, limit)
    }

    fn fit(&mut self, field: Field, text: &str, limit: usize) -> Option<String> {
        if truncate(text, limit).left_out > 0 {
            self.notes.push(format!("{field:?} cut to {limit} characters"));
        }
        cut(text, limit)
    }

    fn name(&mut self) -> String {
        let last = self.line(Field::LastName, LONGEST_NAME).unwrap_or_default();
        let name = self.line(Field::Name, LONGEST_NAME).unwrap_or_default();
        if name.to_lowercase().contains(&last.to_lowercase()) {
            return name;
        }
        cut(&format!("{name} {last}"), LONGEST_NAME).unwrap_or_default()
    }

    fn question(&mut self) -> String {
        let text = lines(&self.take(Field::Question).unwrap_or_default());
        let question = truncate(&text, LONGEST_QUESTION);
        if question.left_out == 0 {
            return text;
        }
        let came = LONGEST_QUESTION + question.left_out;
        self.notes.push(format!("question cut to {LONGEST_QUESTION} of {came} characters"));
        format!("{}\n[… cut: {came} characters came]", question.text.trim_end())
    }

    fn about_origin(&mut self) {
        // An address may carry tags behind what is kept of it.
        let landing_page = self.take(Field::LandingPage);
        let referrer = self.take(Field::Referrer);
        for address in [&landing_page, &referrer].into_iter().flatten() {
            self.read_tags(address);
        }
        self.origin = Origin {
            landing_page: landing_page.and_then(|text| self.fit(Field::LandingPage, &text, LONGEST_ORIGIN)),
            referrer: referrer.and_then(|text| self.fit(Field::Referrer, &text, LONGEST_ORIGIN)),
            referral: self.line(Field::Referral, LONGEST_ORIGIN),
            channel: self.line(Field::Channel, LONGEST_ID).map(|name| channel(&name)),
            country: self.line(Field::Country, LONGEST_ID),
            landbot_customer_id: self.line(Field::CustomerId, LONGEST_ID),
            chat_uuid: self.line(Field::ChatUuid, LONGEST_ID),
            text: self.line(Field::OriginText, LONGEST_ORIGIN),
            ..std::mem::take(&mut self.origin)
        };
    }

    /// Takes campaign tags and click ids out of an address, each kind if it came nowhere else.
    fn read_tags(&mut self, address: &str) {
        let Some((_, query)) = address.split_once('?') else { return };
        let query = query.split('#').next().unwrap_or_default();
        let (has_utm, has_clicks) = (!self.origin.utm.is_empty(), !self.origin.clicks.is_empty());
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            let Some(text) = text(&Value::Text(value.into_owned())) else { continue };
            match meaning(&snake_case(&key), true) {
                Meaning::Utm(name) if !has_utm => self.keep(|origin| &mut origin.utm, &name, &text),
                Meaning::Click(name) if !has_clicks => self.keep(|origin| &mut origin.clicks, name, &text),
                _ => {}
            }
        }
    }

    fn finish(mut self) -> (Origin, Vec<String>) {
        if self.left_out > 0 {
            self.notes.push(format!("left out {} further fields: {MOST_FURTHER_FIELDS} are kept", self.left_out));
        }
        if self.cut_short > 0 {
            self.notes.push(format!("{} further fields cut to {LONGEST_ORIGIN} characters", self.cut_short));
        }
        (self.origin, self.notes)
    }
}

/// A channel as Landbot and people call it -> as we do.
fn channel(name: &str) -> String {
    match name.to_lowercase() {
        name if name == "landbot" => "web".to_owned(),
        name => name,
    }
}
