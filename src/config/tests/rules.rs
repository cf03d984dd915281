//! How a channel's messages are treated: what may be written, and what is wrong with it.

use super::*;
use crate::domain::Rules;

const OPS: &str = "[channels.email.ops]\nto = \"ops@shop.test\"\n";

fn rules(config: &str) -> Rules {
    Shop::of(config).loaded().config.channels[&address("slack.pricing")].rules.clone()
}

fn problems(config: &str) -> String {
    let shop = Shop::of(config);
    let problems = shop.load().err().unwrap_or_else(|| panic!("nothing is wrong with:\n{config}"));
    problems.to_string()
}

#[test]
fn a_rate_is_the_kinds_own_unless_the_channel_says_or_wants_none() {
    let rate = |config: &str| rules(config).rate.map(|rate| (rate.count, rate.per, rate.burst));
    assert_eq!(rate(""), Some((1, Duration::from_secs(1), 3)));
    assert_eq!(rate("[channels.slack.pricing]\nrate = \"30/m\"\nburst = 5\n"), Some((30, Duration::from_mins(1), 5)));
    assert_eq!(rate("[channels.slack.pricing]\nrate = \"none\"\n"), None);
    assert!(problems("[channels.slack.pricing]\nrate = \"fast\"\n").contains("expected a rate like \"1/s\""));
}

#[test]
fn a_fallback_makes_its_channel_used() {
    let config = format!("[channels.slack.pricing]\nfallback = \"email.ops\"\nfallback_failures = 3\n{OPS}");
    let loaded = Shop::of(&config).loaded();
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert!(loaded.config.channels.contains_key(&address("email.ops")));
    let fallback = rules(&config).fallback;
    assert_eq!((fallback.channel, fallback.failures), (Some(address("email.ops")), 3));
}

#[test]
fn a_fallback_that_reaches_nobody_is_refused() {
    for (config, expected) in [
        ("[channels.slack.pricing]\nfallback = \"slack.pricing\"\n", "cannot take over from itself"),
        ("[channels.slack.pricing]\nfallback = \"email.none\"\n", "there is no channel email.none"),
        ("[channels.slack.pricing]\nfallback = \"email.welcome\"\n", "email.welcome only writes to customers"),
        ("[channels.email.welcome]\nfallback = \"slack.pricing\"\n", "slack.pricing does not write to any"),
        ("[channels.slack.pricing]\nfallback = 3\n", "fallback"),
        ("[welcome]\nchannel = \"slack.pricing\"\n", "[welcome] channel: slack.pricing does not write to customers"),
        ("[[routes]]\nchannels = [\"email.sales\"]\nfallback = \"email.sales\"\n", "gets the question anyway"),
        ("[[routes]]\nchannels = [\"email.sales\"]\nfallback = \"email.welcome\"\n", "only writes to customers"),
        ("[channels.slack.pricing]\nexpire = \"soon\"\n", "expected a length of time"),
        ("[channels.slack.pricing]\nfallback_failures = 0\n", "expected a whole number from 1 to 100"),
    ] {
        let found = problems(config);
        assert!(found.contains(expected) && found.contains("config.toml:"), "{config}\n{found}");
    }
}

#[test]
fn what_is_kept_as_long_as_the_rest_may_be_kept_for_less() {
    let kept = |config: &str| Shop::of(config).loaded().config.retention;
    let of_days = |days: u64| Some(Duration::from_hours(24 * days));
    let shipped = kept("");
    assert_eq!((shipped.captures, shipped.attempts, shipped.questions), (None, None, None));
    assert_eq!((shipped.touches, shipped.customers), (None, None));
    let mine =
        kept("[retention]\ncaptures = \"7days\"\nattempts = \"30d\"\ntouches = \"\"\ncustomers = \"1095days\"\n");
    assert_eq!((mine.captures, mine.attempts, mine.touches), (of_days(7), of_days(30), None));
    assert_eq!((mine.questions, mine.customers), (None, of_days(1095)));
    assert!(problems("[retention]\nquestions = \"never\"\n").contains("config.toml:2: [retention] questions"));
}

#[test]
fn a_shop_names_its_sources_as_it_likes() {
    use crate::domain::{Clues, Dimension};

    let shop = Shop::of("[origins]\naliases = { Fair = [\"feria*\", \"messe.example\"] }\n");
    let rules = shop.load().unwrap_or_else(|problems| panic!("{problems}")).config.origins;
    let source = |clues| rules.attribute(&clues).value(Dimension::Source).to_owned();
    assert_eq!(source(Clues { source: "Feria Madrid".into(), ..Clues::default() }), "fair");
    assert_eq!(source(Clues { referrer: "www.messe.example".into(), ..Clues::default() }), "fair");
    let wrong =
        Shop::of("[origins.aliases]\nfair = \"feria\"\nall = [\"*\"]\nnothing = [\"\", 3]\n").load().err().unwrap();
    let told = wrong.to_string();
    for part in ["[origins.aliases] fair: expected a list", "] all: must not be empty", "] nothing: must not be empty"]
    {
        assert!(told.contains(part), "{part} in {told}");
    }
}
