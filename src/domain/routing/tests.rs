//! What routes promise, whatever a request tells.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;
use crate::domain::{Origin, Pattern};

fn route(topic: Option<&str>, when: &[(Aspect, &[&str])], channels: &[&str]) -> Route {
    let condition = |(aspect, patterns): &(Aspect, &[&str])| Condition {
        aspect: *aspect,
        any_of: patterns.iter().filter_map(|text| Pattern::new(text)).collect(),
    };
    Route {
        topic: topic.map(Topic::new),
        when: when.iter().map(condition).collect(),
        channels: channels.iter().map(|channel| channel.parse().unwrap()).collect(),
        ..Route::default()
    }
}

fn continuing(route: Route) -> Route {
    Route { continues: true, ..route }
}

fn rest() -> Route {
    route(None, &[], &["email.rest"])
}

/// A request.
#[derive(Clone, Debug)]
struct Request {
    topic: Topic,
    origin: Origin,
    language: String,
}

impl Request {
    fn about(topic: &str) -> Self {
        Self { topic: Topic::new(topic), origin: Origin::default(), language: String::new() }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        match name {
            "channel" => self.origin.channel = Some(value.into()),
            "country" => self.origin.country = Some(value.into()),
            "language" => self.language = value.into(),
            tag => drop(self.origin.utm.insert(tag.into(), value.into())),
        }
        self
    }

    fn told(&self) -> Told<'_> {
        Told { topic: &self.topic, origin: &self.origin, phone: None, language: &self.language }
    }
}

fn channels(table: &RoutingTable, request: &Request) -> Vec<String> {
    table.decide(request.told()).destinations().iter().map(|to| to.channel.to_string()).collect()
}

#[test]
fn a_topic_takes_its_route_by_name_or_alias() {
    let sales = Route { aliases: vec![Topic::new("ventas")], ..route(Some("Sales"), &[], &["email.sales"]) };
    let table = RoutingTable::new(vec![sales, route(Some("Precios"), &[], &["slack.pricing"])], rest());
    for (topic, channel, shops) in [
        ("Sales", "email.sales", Some("Sales")),
        ("🛒 VENTAS", "email.sales", Some("Sales")),
        ("Precíos!", "slack.pricing", Some("Precios")),
        ("Astrology", "email.rest", None),
        ("", "email.rest", None),
    ] {
        let request = Request::about(topic);
        assert_eq!(channels(&table, &request), [channel], "{topic}");
        assert_eq!(table.decide(request.told()).topic.map(Topic::as_str), shops, "{topic}");
    }
}

#[test]
fn another_name_counts_for_every_route_with_its_topic() {
    let pricing = Route { aliases: vec![Topic::new("precios")], ..route(Some("Pricing"), &[], &["slack.pricing"]) };
    let paid = route(Some("PRICING"), &[(Aspect::Medium, &["cpc"])], &["slack.ads"]);
    let table = RoutingTable::new(vec![paid, pricing], rest());
    assert_eq!(channels(&table, &Request::about("Precios").with("utm_medium", "cpc")), ["slack.ads"]);
    assert_eq!(channels(&table, &Request::about("Precios")), ["slack.pricing"]);
}

#[test]
fn a_name_that_two_topics_share_is_the_topic_of_the_route_that_was_taken() {
    let info = |topic, when: &[(Aspect, &[&str])]| Route {
        aliases: vec![Topic::new("info")],
        ..route(Some(topic), when, &["x.a"])
    };
    let table = RoutingTable::new(vec![info("Sales", &[(Aspect::Medium, &["cpc"])]), info("Support", &[])], rest());
    let known_as = |request: Request| table.decide(request.told()).topic.map(|topic| topic.as_str().to_owned());
    assert_eq!(known_as(Request::about("Info")).as_deref(), Some("Support"));
    assert_eq!(known_as(Request::about("Info").with("utm_medium", "cpc")).as_deref(), Some("Sales"));
}

#[test]
fn every_condition_must_hold_and_any_of_its_values_will_do() {
    let summer: &[(Aspect, &[&str])] =
        &[(Aspect::Source, &["google", "bing"]), (Aspect::Campaign, &["summer-*"]), (Aspect::Country, &["ES", "PT"])];
    let table = RoutingTable::new(vec![route(Some("Sales"), summer, &["slack.summer"])], rest());
    let request = Request::about("Sales").with("utm_source", "Bing").with("utm_campaign", "Summer-24");
    assert_eq!(channels(&table, &request.clone().with("country", "pt")), ["slack.summer"]);
    let decision = table.decide(request.told());
    assert_eq!(decision.steps[0].verdict, Verdict::Unmet(vec![Aspect::Country]));
    assert_eq!(decision.steps[1].verdict, Verdict::Taken);
    assert_eq!(decision.topic.map(Topic::as_str), Some("Sales"), "a topic is known though its route was not taken");
    let other = Request::about("Sales").with("utm_source", "yahoo").with("country", "FR");
    let all = Verdict::Unmet(vec![Aspect::Source, Aspect::Campaign, Aspect::Country]);
    assert_eq!(table.decide(other.told()).steps[0].verdict, all);
}

#[test]
fn the_first_route_that_does_not_continue_ends_the_search() {
    let google: &[(Aspect, &[&str])] = &[(Aspect::Source, &["google"])];
    let table = RoutingTable::new(
        vec![
            continuing(route(None, google, &["slack.ads"])),
            route(Some("Sales"), &[], &["email.sales", "slack.ads"]),
            route(Some("Sales"), &[], &["email.never"]),
        ],
        rest(),
    );
    let paid = |topic| Request::about(topic).with("utm_source", "google");
    assert_eq!(channels(&table, &paid("Sales")), ["slack.ads", "email.sales"]);
    assert_eq!(channels(&table, &paid("Else")), ["slack.ads", "email.rest"]);
    assert_eq!(channels(&table, &Request::about("Sales")), ["email.sales", "slack.ads"]);
    let request = paid("Sales");
    let verdicts: Vec<Verdict> = table.decide(request.told()).steps.into_iter().map(|step| step.verdict).collect();
    assert_eq!(verdicts, [Verdict::Taken, Verdict::Taken, Verdict::NotTried, Verdict::NotTried]);
}

#[test]
fn the_first_taken_route_that_names_a_channel_says_who_takes_over() {
    let falls_back = |to: &str, route| Route { fallback: Some(to.parse().unwrap()), ..route };
    let table = RoutingTable::new(
        vec![
            continuing(route(Some("A"), &[], &["slack.a"])),
            falls_back("email.b", continuing(route(Some("A"), &[], &["slack.a", "slack.b"]))),
            falls_back("email.c", route(Some("A"), &[], &["slack.b", "slack.c"])),
        ],
        rest(),
    );
    let request = Request::about("A");
    let decision = table.decide(request.told());
    let fallbacks: Vec<(&str, Option<&str>)> = decision
        .destinations()
        .iter()
        .map(|to| (to.channel.as_str(), to.fallback.map(ChannelAddress::as_str)))
        .collect();
    assert_eq!(fallbacks, [("slack.a", None), ("slack.b", Some("email.b")), ("slack.c", Some("email.c"))]);
}

#[test]
fn a_topic_with_several_routes_is_one_button() {
    let sales = Route { aliases: vec![Topic::new("Ventas")], ..route(Some("Sales"), &[], &["email.sales"]) };
    let again = [route(Some("SALES"), &[], &["email.a"]), route(Some("ventas"), &[], &["email.b"])];
    let routes = [continuing(sales)].into_iter().chain(again).chain([route(Some("B"), &[], &["email.b"])]);
    let table = RoutingTable::new(routes.collect(), rest());
    assert_eq!(table.topics().map(Topic::as_str).collect::<Vec<_>>(), ["Sales", "B"]);
}

#[test]
fn a_route_that_an_earlier_one_leaves_nothing_is_found() {
    let source = |values: &'static [&'static str]| [(Aspect::Source, values)];
    for (earlier, later, obstacle) in [
        (route(Some("A"), &[], &["x.a"]), route(Some("A"), &[], &["x.b"]), Some(1)),
        (continuing(route(Some("A"), &[], &["x.a"])), route(Some("A"), &[], &["x.b"]), None),
        (route(Some("A"), &source(&["goo*"]), &["x.a"]), route(Some("A"), &[], &["x.b"]), None),
        (route(None, &source(&["direct"]), &["x.a"]), route(Some("A"), &[], &["x.b"]), None),
        (route(None, &source(&["goo*"]), &["x.a"]), route(Some("A"), &source(&["google"]), &["x.b"]), Some(1)),
        (route(None, &source(&["goo*"]), &["x.a"]), route(None, &source(&["goo*le", "goo"]), &["x.b"]), Some(1)),
        (route(None, &source(&["goo*"]), &["x.a"]), route(None, &source(&["goo", "bing"]), &["x.b"]), None),
        (route(None, &source(&["google"]), &["x.a"]), route(None, &source(&["goo*"]), &["x.b"]), None),
        (
            route(None, &[(Aspect::Language, &["es"])], &["x.a"]),
            route(None, &[(Aspect::Language, &["es-MX"])], &["x.b"]),
            Some(1),
        ),
        (
            route(None, &[(Aspect::Language, &["es-*"])], &["x.a"]),
            route(None, &[(Aspect::Language, &["es"])], &["x.b"]),
            None,
        ),
    ] {
        let name = later.topic.clone();
        let table = RoutingTable::new(vec![route(Some("B"), &[], &["x.c"]), earlier, later], rest());
        assert_eq!(table.obstacle(2, name.as_ref()), obstacle, "{table:?}");
    }
}

/// Topics, patterns and values of a small world, so that routes and requests meet.
const TOPICS: [&str; 3] = ["A", "B", "c"];
const PATTERNS: [&str; 8] = ["a", "b", "a*", "*b", "a*b", "*a*", "es", "es-mx"];
/// Each pattern alone fits one of these, so that whatever can be taken is taken by one of them.
const VALUES: [&str; 10] = ["", "z", "a", "b", "az", "zb", "azb", "zaz", "es", "es-mx"];
const COUNTRIES: [&str; 3] = ["", "ES", "PT"];
const ADDRESSES: [&str; 5] = ["x.a", "x.b", "x.c", "x.d", "x.e"];

fn condition(aspect: Aspect) -> impl Strategy<Value = Condition> {
    let patterns = if aspect == Aspect::Country { &COUNTRIES[1..] } else { &PATTERNS };
    subsequence(patterns.to_vec(), 1..=2)
        .prop_map(move |any_of| Condition { aspect, any_of: any_of.into_iter().filter_map(Pattern::new).collect() })
}

fn any_route() -> impl Strategy<Value = Route> {
    let aspects = [Aspect::Source, Aspect::Language, Aspect::Country];
    let when = subsequence(aspects.to_vec(), 0..=2)
        .prop_flat_map(|aspects| aspects.into_iter().map(condition).collect::<Vec<_>>());
    let names = (proptest::option::of(select(&TOPICS)), proptest::option::of(select(&TOPICS)));
    (names, when, any::<bool>(), subsequence(ADDRESSES.to_vec(), 1..=3)).prop_map(
        |((topic, alias), when, continues, to)| {
            let aliases = alias.filter(|_| topic.is_some()).map(Topic::new).into_iter().collect();
            Route { aliases, when, continues, ..route(topic, &[], &to) }
        },
    )
}

fn any_table() -> impl Strategy<Value = RoutingTable> {
    let routes =
        proptest::collection::vec(any_route().prop_filter("one catch-all", |route| !route.is_catch_all()), 0..6);
    routes.prop_map(|routes| RoutingTable::new(routes, rest()))
}

fn any_request() -> impl Strategy<Value = Request> {
    (select(&["A", "b", "C", "none"]), select(&VALUES), select(&VALUES), select(&COUNTRIES)).prop_map(
        |(topic, source, language, country)| {
            Request::about(topic).with("utm_source", source).with("language", language).with("country", country)
        },
    )
}

fn every_request() -> impl Iterator<Item = Request> {
    let about = |topic| {
        VALUES.into_iter().flat_map(move |source| {
            VALUES.into_iter().flat_map(move |language| {
                COUNTRIES.into_iter().map(move |country| {
                    Request::about(topic).with("utm_source", source).with("language", language).with("country", country)
                })
            })
        })
    };
    TOPICS.into_iter().chain(["none"]).flat_map(about)
}

proptest! {
    #[test]
    fn every_request_ends_at_one_route_and_goes_to_its_channels_and_those_of_the_routes_that_continue(
        table in any_table(), request in any_request(),
    ) {
        let decision = table.decide(request.told());
        prop_assert_eq!(&decision, &table.decide(request.told()));
        let taken: Vec<&Route> = decision.taken().collect();
        let (last, before) = taken.split_last().unwrap();
        prop_assert!(!last.continues && before.iter().all(|route| route.continues));
        let to: Vec<&ChannelAddress> = decision.destinations().iter().map(|to| to.channel).collect();
        prop_assert!(taken.iter().flat_map(|route| &route.channels).all(|channel| to.contains(&channel)));
        prop_assert!((1..to.len()).all(|index| !to[..index].contains(&to[index])));
        prop_assert_eq!(decision.steps.len(), table.routes().count());
        // What was not taken has a reason that is true.
        for step in &decision.steps {
            let key = |topic: &Topic| topic.key();
            let is_same_topic = |route: &&Route| route.topic.as_ref().map(key) == step.route.topic.as_ref().map(key);
            let mut names = table.routes().filter(is_same_topic).flat_map(Route::names);
            let is_named = names.any(|name| name.key() == request.topic.key());
            match &step.verdict {
                Verdict::OtherTopic => prop_assert!(!is_named),
                Verdict::Unmet(unmet) => prop_assert!(!unmet.is_empty()),
                Verdict::Taken => prop_assert!(step.route.topic.is_none() || is_named),
                Verdict::NotTried => {}
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_route_is_refused_if_and_only_if_no_request_takes_it(table in any_table()) {
        for (position, route) in table.routes().enumerate() {
            let names: Vec<Option<&Topic>> = match route.topic {
                Some(_) => route.names().map(Some).collect(),
                None => vec![None],
            };
            for name in names {
                let takes = |request: Request| table.decide(request.told()).steps[position].verdict == Verdict::Taken;
                let is_by_name = |request: &Request| name.is_none_or(|name| name.key() == request.topic.key());
                let is_refused = table.obstacle(position, name).is_some();
                let by = every_request().filter(is_by_name).find(|request| takes(request.clone()));
                prop_assert_eq!(is_refused, by.is_none(), "{} is taken by {:?} in {:?}", position, by, table);
            }
        }
    }
}
