//! Which channels a request goes to.

use super::{ChannelAddress, Topic, TopicKey};

/// A rule of `[[routes]]`: requests about this topic go to these channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The topic, as the bot's button says it; `None`: whatever no other route took.
    pub topic: Option<Topic>,
    /// Other names of the topic.
    pub aliases: Vec<Topic>,
    /// Where the question goes: to every one of them.
    pub channels: Vec<ChannelAddress>,
    /// Who takes over from any of them; `None`: as the channel's own rules say.
    pub fallback: Option<ChannelAddress>,
}

impl Route {
    fn names(&self, key: &TopicKey) -> bool {
        self.topic.iter().chain(&self.aliases).any(|topic| topic.key() == *key)
    }
}

/// A route that was taken, and whether it was for want of a better one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Routed<'a> {
    /// The route.
    pub route: &'a Route,
    /// Whether no route names the topic, so that the catch-all took the request.
    pub topic_unknown: bool,
}

/// All routes, in the order they are tried. The first that names the topic is taken, else the catch-all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutingTable {
    routes: Vec<Route>,
    catch_all: Route,
}

impl RoutingTable {
    /// The routes that name a topic, and the one for everything else.
    pub const fn new(routes: Vec<Route>, catch_all: Route) -> Self {
        Self { routes, catch_all }
    }

    /// The route a request about `topic` takes. There always is one.
    pub fn route(&self, topic: &Topic) -> Routed<'_> {
        let key = topic.key();
        match self.routes.iter().find(|route| route.names(&key)) {
            Some(route) => Routed { route, topic_unknown: false },
            None => Routed { route: &self.catch_all, topic_unknown: true },
        }
    }

    /// Every route in order, the catch-all last.
    pub fn routes(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter().chain(std::iter::once(&self.catch_all))
    }

    /// The topics that have a route of their own, for the buttons of a chat.
    pub fn topics(&self) -> impl Iterator<Item = &Topic> {
        self.routes.iter().filter_map(|route| route.topic.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(topic: Option<&str>, aliases: &[&str], channel: &str) -> Route {
        Route {
            topic: topic.map(Topic::new),
            aliases: aliases.iter().map(|alias| Topic::new(alias)).collect(),
            channels: vec![channel.parse().unwrap()],
            fallback: None,
        }
    }

    fn table() -> RoutingTable {
        let routes = vec![
            route(Some("Sales"), &["ventas"], "email.sales"),
            route(Some("Pricing"), &["precios"], "slack.pricing"),
        ];
        RoutingTable::new(routes, route(None, &[], "email.rest"))
    }

    fn taken(topic: &str) -> (String, bool) {
        let table = table();
        let routed = table.route(&Topic::new(topic));
        (routed.route.channels[0].to_string(), routed.topic_unknown)
    }

    #[test]
    fn a_topic_takes_its_route_by_name_or_alias() {
        assert_eq!(taken("Sales"), ("email.sales".into(), false));
        assert_eq!(taken("🛒 VENTAS"), ("email.sales".into(), false));
        assert_eq!(taken("Precíos!"), ("slack.pricing".into(), false));
    }

    #[test]
    fn an_unknown_topic_takes_the_catch_all_and_is_marked() {
        assert_eq!(taken("Astrology"), ("email.rest".into(), true));
        assert_eq!(taken(""), ("email.rest".into(), true));
    }
}
