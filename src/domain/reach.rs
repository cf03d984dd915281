//! Which routes no request could ever take, because earlier ones leave nothing for them.
//!
//! The table itself is asked: for each way in which a route's conditions may hold there is a request that meets them as
//! narrowly as can be, so that an earlier route takes it only if it takes everything of that kind. The route can be
//! reached if, and only if, it takes one of these requests. One that more requests would have to be tried for than is
//! worth the time ([`MOST_TRIED`]) is taken to be reached.

use super::{Aspect, Condition, Origin, Route, RoutingTable, Told, Topic, Verdict};

/// What nobody has written or said: of the characters without a meaning.
const UNHEARD: &str = "\u{E000}";

/// So many requests are tried at most for each name of a topic.
const MOST_TRIED: usize = 10_000;

impl RoutingTable {
    /// The position of the route that leaves nothing for the one at `position`; `None`: some request takes it. With a
    /// topic it is about requests by this name alone.
    pub fn obstacle(&self, position: usize, topic: Option<&Topic>) -> Option<usize> {
        let route = self.routes().nth(position).filter(|route| Probe::count(route) <= MOST_TRIED)?;
        let mut obstacle = None;
        for probe in Probe::all(route, topic) {
            let decision = self.decide(probe.told());
            if decision.steps.get(position).is_some_and(|step| step.verdict == Verdict::Taken) {
                return None;
            }
            let ends = |route: &Route| !route.continues;
            let end = decision.steps.iter().position(|step| step.verdict == Verdict::Taken && ends(step.route));
            obstacle = obstacle.or(end);
        }
        obstacle
    }
}

/// A request that meets a route's conditions as narrowly as can be.
struct Probe {
    topic: Topic,
    origin: Origin,
    language: String,
}

impl Probe {
    /// In how many ways the route's conditions may hold.
    fn count(route: &Route) -> usize {
        route.when.iter().fold(1, |count, condition| count.saturating_mul(condition.any_of.len()))
    }

    fn all<'a>(route: &'a Route, topic: Option<&'a Topic>) -> impl Iterator<Item = Self> + 'a {
        (0..Self::count(route)).map(move |mut nth| {
            let mut probe = Self::unheard(topic);
            for condition in &route.when {
                probe.meet(condition, nth % condition.any_of.len());
                nth /= condition.any_of.len();
            }
            probe
        })
    }

    /// One that no condition looks for.
    fn unheard(topic: Option<&Topic>) -> Self {
        let mut probe = Self {
            topic: topic.cloned().unwrap_or_else(|| Topic::new(UNHEARD)),
            origin: Origin::default(),
            language: String::new(),
        };
        // Of no country: there are only so many, and a route may name them all.
        for aspect in Aspect::ALL.into_iter().filter(|aspect| *aspect != Aspect::Country) {
            probe.set(aspect, UNHEARD.to_owned());
        }
        probe
    }

    fn meet(&mut self, condition: &Condition, pattern: usize) {
        self.set(condition.aspect, condition.any_of[pattern].narrowest(UNHEARD));
    }

    fn set(&mut self, aspect: Aspect, value: String) {
        let mut tag = |name: &str, value| drop(self.origin.utm.insert(name.to_owned(), value));
        match aspect {
            Aspect::Source => tag("utm_source", value),
            Aspect::Medium => tag("utm_medium", value),
            Aspect::Campaign => tag("utm_campaign", value),
            Aspect::Channel => self.origin.channel = Some(value),
            Aspect::Country => self.origin.country = Some(value),
            Aspect::Language => self.language = value,
        }
    }

    fn told(&self) -> Told<'_> {
        Told { topic: &self.topic, origin: &self.origin, phone: None, language: &self.language }
    }
}
