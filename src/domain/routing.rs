//! Which channels a request goes to.
//!
//! Routes are tried in order. One that names the topic, or none, and whose conditions hold is taken; it ends the search
//! unless it says `continue`. The catch-all is tried last and always takes what comes to it, so that a request goes to
//! at least one channel. The decision says of each route what became of it: whoever asks why reads what the webhook did.

use std::collections::HashMap;
use std::fmt;

use super::condition::Values;
use super::{Aspect, ChannelAddress, Condition, Told, Topic, TopicKey};

/// A rule of `[[routes]]`: requests like this go to these channels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// The topic, as the bot's button says it; `None`: any.
    pub topic: Option<Topic>,
    /// Other names of the topic; they count for every route with this topic.
    pub aliases: Vec<Topic>,
    /// What else must hold, all of it.
    pub when: Vec<Condition>,
    /// Whether later routes are tried, too, after this one was taken.
    pub continues: bool,
    /// Where the question goes: to every one of them.
    pub channels: Vec<ChannelAddress>,
    /// Who takes over from any of them; `None`: as the channel's own rules say.
    pub fallback: Option<ChannelAddress>,
}

impl Route {
    /// Whether it takes whatever comes to it, and ends the search.
    pub fn is_catch_all(&self) -> bool {
        self.topic.is_none() && self.when.is_empty() && !self.continues
    }

    /// The topic, for people.
    pub fn shown_topic(&self) -> &str {
        match &self.topic {
            Some(topic) => topic.as_str(),
            None if self.is_catch_all() => "(anything else)",
            None => "(any)",
        }
    }

    /// The conditions, for people: `source = google, country = ES or PT`.
    pub fn shown_conditions(&self) -> String {
        self.when.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    /// The topic by all the names that this route gives it.
    pub fn names(&self) -> impl Iterator<Item = &Topic> {
        self.topic.iter().chain(&self.aliases)
    }
}

/// A route in one line: `Pricing, when country = ES or PT`.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shown_topic())?;
        if self.when.is_empty() { Ok(()) } else { write!(f, ", when {}", self.shown_conditions()) }
    }
}

/// A route with all names of its topic, made ready for comparing.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    route: Route,
    names: Vec<TopicKey>,
}

impl Entry {
    fn all(routes: Vec<Route>) -> Vec<Self> {
        let mut names: HashMap<TopicKey, Vec<TopicKey>> = HashMap::new();
        for route in &routes {
            let Some(topic) = &route.topic else { continue };
            names.entry(topic.key()).or_default().extend(route.names().map(Topic::key));
        }
        let names_of = |topic: &Topic| names.get(&topic.key()).cloned().unwrap_or_default();
        let entry = |route: Route| Self { names: route.topic.as_ref().map(names_of).unwrap_or_default(), route };
        routes.into_iter().map(entry).collect()
    }
}

/// All routes, in the order they are tried, and the one for what is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutingTable {
    entries: Vec<Entry>,
    catch_all: Route,
}

impl RoutingTable {
    /// The routes that are tried in this order, and the one for everything else.
    pub fn new(routes: Vec<Route>, catch_all: Route) -> Self {
        Self { entries: Entry::all(routes), catch_all }
    }

    /// Where a request that told this goes, and why.
    pub fn decide<'a>(&'a self, told: Told<'a>) -> Decision<'a> {
        let key = told.topic.key();
        let values = Values::of(told);
        let (mut taken_as, mut named_as) = (None, None);
        let mut steps = Vec::with_capacity(self.entries.len() + 1);
        let mut ended = false;
        for Entry { route, names } in &self.entries {
            let is_named = names.contains(&key);
            let name = route.topic.as_ref().filter(|_| is_named);
            let verdict = match route.topic {
                _ if ended => Verdict::NotTried,
                Some(_) if !is_named => Verdict::OtherTopic,
                _ => match values.unmet(&route.when) {
                    unmet if unmet.is_empty() => Verdict::Taken,
                    unmet => Verdict::Unmet(unmet),
                },
            };
            let is_taken = verdict == Verdict::Taken;
            ended |= is_taken && !route.continues;
            taken_as = taken_as.or(name.filter(|_| is_taken));
            named_as = named_as.or(name);
            steps.push(Step { route, verdict });
        }
        let verdict = if ended { Verdict::NotTried } else { Verdict::Taken };
        steps.push(Step { route: &self.catch_all, verdict });
        Decision { topic: taken_as.or(named_as), steps }
    }

    /// Every route in order, the catch-all last.
    pub fn routes(&self) -> impl Iterator<Item = &Route> {
        self.entries.iter().map(|entry| &entry.route).chain(std::iter::once(&self.catch_all))
    }

    /// The topic as the shop calls it, by any of its names; `None`: no route names it.
    pub fn topic(&self, key: &str) -> Option<&Topic> {
        let named = |entry: &&Entry| entry.names.iter().any(|name| name.as_str() == key);
        self.entries.iter().find(named).and_then(|entry| entry.route.topic.as_ref())
    }

    /// Every name of what the shop calls by one name: requests by any of them are about the same. A topic that no route
    /// names has its own only.
    pub fn names_of(&self, topic: &Topic) -> Vec<TopicKey> {
        let key = topic.key();
        let Some(shown) = self.topic(key.as_str()) else { return vec![key] };
        let all = self.entries.iter().flat_map(|entry| &entry.names);
        let mut names: Vec<TopicKey> = Vec::new();
        for name in all.filter(|name| self.topic(name.as_str()) == Some(shown)) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }

    /// The topics that have routes of their own, each once, for the buttons of a chat.
    pub fn topics(&self) -> impl Iterator<Item = &Topic> {
        let named =
            self.entries.iter().enumerate().filter_map(|(index, entry)| Some((index, entry.route.topic.as_ref()?)));
        named.filter_map(|(index, topic)| {
            let key = topic.key();
            let is_first = self.entries[..index].iter().all(|earlier| !earlier.names.contains(&key));
            is_first.then_some(topic)
        })
    }
}

/// What became of a route when a request came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The request goes to its channels.
    Taken,
    /// It is about another topic.
    OtherTopic,
    /// These of its conditions do not hold.
    Unmet(Vec<Aspect>),
    /// An earlier route had ended the search.
    NotTried,
}

/// A route, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step<'a> {
    /// The route.
    pub route: &'a Route,
    /// What became of it.
    pub verdict: Verdict,
}

/// Where a request goes, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision<'a> {
    /// The topic as the shop calls it: the first route that was taken for its name, else the first that names it. `None`:
    /// no route does.
    pub topic: Option<&'a Topic>,
    /// Every route with what became of it, in the order of [`RoutingTable::routes`].
    pub steps: Vec<Step<'a>>,
}

impl<'a> Decision<'a> {
    /// The routes that were taken; at least one.
    pub fn taken(&self) -> impl Iterator<Item = &'a Route> {
        self.steps.iter().filter(|step| step.verdict == Verdict::Taken).map(|step| step.route)
    }

    /// The channels of all routes that were taken, each once. The first route that names a channel says who takes over.
    pub fn destinations(&self) -> Vec<Destination<'a>> {
        let mut destinations: Vec<Destination<'a>> = Vec::new();
        for route in self.taken() {
            for channel in &route.channels {
                if destinations.iter().all(|known| known.channel != channel) {
                    destinations.push(Destination { channel, fallback: route.fallback.as_ref() });
                }
            }
        }
        destinations
    }
}

/// A channel that a request goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination<'a> {
    /// The channel.
    pub channel: &'a ChannelAddress,
    /// Who takes over from it; `None`: as its own rules say.
    pub fallback: Option<&'a ChannelAddress>,
}

#[cfg(test)]
mod tests;
