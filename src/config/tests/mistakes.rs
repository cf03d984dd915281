//! What is said of a mistake.

use super::*;

#[test]
fn all_problems_are_told_at_once_each_with_its_line_and_mend() {
    let shop = Shop::of(
        "sandbox = \"yes\"\n[server]\nlisten = \"abc\"\nlisen = 1\n[intake]\ndefault_country = 34\n[servr]\nx = 1\n[welcome]\ndelay = 60\n[landbot]\ndisplay = \"tab\"\n\
         [channels.email.welcome]\nfrom = \"nobody\"\npasword = \"hunter2\"\n[channels.slak.x]\n[retention]\nprune = \"* * *\"\n",
    )
    .set(&[("UMISHOP_LOG__FORMAT", "xml"), ("UMISHOP_SERVER__LISTN", "x"), ("UMISHOP_SANDBOX", "maybe")]);
    let problems = shop.problems();
    for (start, mend) in [
        ("config.toml:1: sandbox: expected true or false, found \"yes\"", "write sandbox = true"),
        (
            "config.toml:3: [server] listen: expected an address like 127.0.0.1:8000, found \"abc\"",
            "write listen = \"127.0.0.1:8000\"",
        ),
        ("config.toml:4: [server] lisen: no such key", "did you mean `listen`?"),
        (
            "config.toml:6: [intake] default_country: expected text in quotes, found the number 34",
            "put it in quotes: default_country = \"34\"",
        ),
        ("config.toml:7: servr: no such key", "did you mean `server`?"),
        (
            "config.toml:10: [welcome] delay: expected text in quotes, found the number 60",
            "put it in quotes: delay = \"60\"",
        ),
        ("config.toml:12: [landbot] display: expected \"livechat\"", "write display = \"livechat\""),
        ("config.toml:14: [channels.email.welcome] from: ", "write for instance from = "),
        ("config.toml:15: [channels.email.welcome] pasword: no such key", "did you mean `password`?"),
        ("config.toml:16: [channels.slak]: there is no such kind of channel", "did you mean `slack`? The kinds are "),
        ("config.toml:18: [retention] prune: expected six fields", "write prune = \"0 17 3 * * *\""),
        ("UMISHOP_LOG__FORMAT: [log] format: expected \"text\" or \"json\"", "write UMISHOP_LOG__FORMAT=text"),
        ("UMISHOP_SANDBOX: sandbox: expected true or false", "write UMISHOP_SANDBOX=true"),
        ("UMISHOP_SERVER__LISTN: no key has this name", "did you mean `UMISHOP_SERVER__LISTEN`?"),
    ] {
        assert!(
            problems.iter().any(|problem| problem.starts_with(start) && problem.contains(&format!("; {mend}"))),
            "{start}: {problems:#?}"
        );
    }
    assert_eq!(problems.len(), 14, "{problems:#?}");
}

#[test]
fn what_may_be_secret_is_never_printed() {
    let shop = Shop::of(
        "[intake]\nsecret = 815\n[store]\nurl = \"postgres://u:hunter2@db\"\n[channels.slack.pricing]\ntoken = 424242\n[channels.email.welcome]\nserver = \"env:SERVER\"\nfrom = \"env:SENDER\"\n",
    )
    .set(&[("SERVER", "ftp://hunter2"), ("SENDER", "hunter2"), ("UMISHOP_SERVER__LISTEN", "hunter2"), ("UMISHOP_CHANNELS__EMAIL__SALES__TO", "hunter2")]);
    let problems = shop.problems();
    assert_eq!(problems.len(), 7, "{problems:#?}");
    for secret in ["815", "hunter2", "424242"] {
        assert!(!problems.concat().contains(secret), "{problems:#?}");
    }
}

#[test]
fn a_secret_of_the_wrong_form_is_told_without_its_value() {
    for (key, value) in
        [("password", "12345"), ("password", "-1.5"), ("password", "true"), ("username", "12345"), ("username", "true")]
    {
        let problems = Shop::of(&format!("[channels.email.welcome]\n{key} = {value}\n")).problems();
        assert!(problems[0].starts_with(&format!("config.toml:2: [channels.email.welcome] {key}: expected a string")));
        assert!(problems.len() == 1 && !problems[0].contains(value), "{problems:?}");
    }
}

#[test]
fn a_question_needs_a_channel_that_has_an_address() {
    let routes = "[[routes]]\nchannels = [\"slack.pricing\", \"email.welcome\"]\n";
    Shop::of(routes).says(
        "config.toml:2: [[routes]] channels: email.welcome only writes to customers, so a question would reach nobody; name a channel with an address of its own, as in channels = [\"email.sales\"], or write one into [channels.email.welcome]",
    );
    Shop::of(&format!("{routes}[channels.email.welcome]\nto = \"care@shop.test\"\n")).loaded();
}

#[test]
fn alerts_need_channels_that_exist_and_have_an_address() {
    let problems = Shop::of(
        "[alerts]\nchannels = [\"email.welcome\", \"email.sale\", \"ops\", \"slack.pricing\", \"slack.pricing\"]\nevery = \"5s\"\nlate = \"soon\"\n",
    )
    .problems();
    for says in [
        "config.toml:2: [alerts] channels: email.welcome only writes to customers, so an alert would reach nobody; name a channel with an address of its own, or write one into [channels.email.welcome]",
        "config.toml:2: [alerts] channels: there is no channel email.sale; did you mean `email.sales`?",
        "config.toml:2: [alerts] channels: expected a channel like email.sales, found \"ops\"",
        "config.toml:2: [alerts] channels: slack.pricing is named twice",
        "config.toml:3: [alerts] every: expected a length of time from \"1m\" to \"7days\", found \"5s\"; write every = \"30m\"",
        "config.toml:4: [alerts] late: expected a length of time from \"1m\" to \"7days\", found \"soon\"; write late = \"10m\"",
    ] {
        assert!(problems.iter().any(|problem| problem.starts_with(says)), "{says}: {problems:#?}");
    }
    assert_eq!(problems.len(), 6, "{problems:#?}");
    Shop::of("[alerts]\nchannels = [5]\n")
        .says("config.toml:2: [alerts] channels: expected text in quotes, found the number 5");
}

#[test]
fn routes_are_checked_against_each_other_and_the_channels() {
    let route = |lines: &str| format!("[[routes]]\n{lines}\n");
    let rest = "[[routes]]\nchannels = [\"email.sales\"]\n";
    for (routes, says) in [
        (
            route("topic = \"A\"\nchannels = [\"email.sale\"]") + rest,
            "config.toml:3: [[routes]] channels: there is no channel email.sale; did you mean `email.sales`? Else add a table [channels.email.sale], or name one of: email.sales, email.welcome, slack.pricing",
        ),
        (
            route("topic = \"A\"\nchannels = [\"sales\"]") + rest,
            "config.toml:3: [[routes]] channels: expected a channel like email.sales, found \"sales\"",
        ),
        (
            route("topic = \"A\"\nchannels = []") + rest,
            "config.toml:3: [[routes]] channels: a route goes to at least one channel",
        ),
        (route("topic = \"A\"") + rest, "config.toml:1: [[routes]] channels: a route goes to at least one channel"),
        (route("topic = \"A\"\nchannels = [\"email.sales\", \"email.sales\"]") + rest, "email.sales is named twice"),
        (
            route("topic = \"Más\"\nchannels = [\"email.sales\"]")
                + &route("topic = \"B\"\naliases = [\"💶 mas!\"]\nchannels = [\"email.sales\"]")
                + rest,
            "config.toml:6: [[routes]] aliases: \"💶 mas!\" already takes the route at",
        ),
        (
            route("topic = \"A\"\nchannels = [\"email.sales\"]"),
            "no route takes what no other one took; add a [[routes]] without topic, when and continue",
        ),
        (
            rest.to_owned() + rest,
            "config.toml:3: routes: a second route that takes whatever is left; the first stands at",
        ),
        (
            route("topic = \" \"\nchannels = [\"email.sales\"]") + rest,
            "config.toml:2: [[routes]] topic: a topic must not be empty",
        ),
        (
            route("aliases = [\"a\"]\nchannels = [\"email.sales\"]"),
            "config.toml:2: [[routes]] aliases: a route without a topic takes any topic",
        ),
        (
            route("topik = \"A\"\nchannels = [\"email.sales\"]"),
            "config.toml:2: [[routes]] topik: no such key; did you mean `topic`?",
        ),
        (
            route("topic = \"A\"\nchannels = \"email.sales\"") + rest,
            "config.toml:3: [[routes]] channels: expected a list in brackets, found \"email.sales\"; put it in brackets: channels = [\"email.sales\"]",
        ),
        (
            "[routes]\ntopic = \"A\"\n".to_owned(),
            "config.toml:1: routes: expected a list in brackets, found a table; write [[routes]] with two brackets",
        ),
        (
            "[welcome]\nchannel = \"email.hello\"\n".to_owned(),
            "config.toml:2: [welcome] channel: there is no channel email.hello",
        ),
    ] {
        let problems = Shop::of(&routes).problems();
        assert!(problems[0].contains(says), "{says}: {problems:#?}");
    }
}

#[test]
fn conditions_are_held_to_what_they_can_mean() {
    let rest = "channels = [\"email.sales\"]\n[[routes]]\nchannels = [\"email.sales\"]\n";
    for (when, says) in [
        ("{ sorce = \"google\" }", "config.toml:2: [[routes]] when.sorce: no such key; did you mean `source`?"),
        (
            "{ source = \" \" }",
            "config.toml:2: [[routes]] when.source: a condition must not be empty; write source = \"google\" or source = [\"google\"], or leave it out",
        ),
        ("{ campaign = [] }", "config.toml:2: [[routes]] when.campaign: a condition must not be empty"),
        ("{ medium = [\"cpc\", \"\"] }", "config.toml:2: [[routes]] when.medium: a condition must not be empty"),
        (
            "{ country = \"Spain\" }",
            "config.toml:2: [[routes]] when.country: expected a country's two letters like ES, found \"Spain\"; write country = \"ES\"",
        ),
        ("{ country = [\"ES\", \"E*\"] }", "when.country: expected a country's two letters like ES, found \"E*\""),
        ("{ channel = \"landbot\" }", "when.channel: Landbot's own channel is called web; write channel = \"web\""),
        ("{ channel = 5 }", "when.channel: expected text in quotes, found the number 5; put it in quotes"),
        ("{ channel = [5] }", "when.channel: expected text in quotes, found the number 5; put it in quotes"),
        ("\"google\"", "config.toml:2: [[routes]] when: expected a table, found \"google\""),
        ("{ source = \"env:NOWHERE\" }", "config.toml:2: [[routes]] when.source: a condition must not be empty"),
    ] {
        Shop::of(&format!("[[routes]]\nwhen = {when}\n{rest}")).says(says);
    }
    Shop::of("[[routes]]\ncontinue = \"yes\"\nchannels = [\"email.sales\"]\n")
        .says("config.toml:2: [[routes]] continue: expected true or false");
}

#[test]
fn a_route_that_no_request_reaches_is_told_with_the_one_that_takes_its_requests() {
    let first = "[[routes]]\nchannels = [\"email.sales\"]\n";
    let route = |lines: &str| format!("[[routes]]\n{lines}\nchannels = [\"email.sales\"]\n");
    let (sales, ads) = (route("topic = \"Sales\""), route("when = { source = \"google\" }"));
    for (earlier, later, says) in [
        (
            &sales,
            "topic = \"SALES\"\nwhen = { source = \"google\" }",
            "config.toml:7: [[routes]] topic: \"SALES\" already takes the route at config.toml:3, so this one is never reached by it; write it before that one, or write continue = true there",
        ),
        (&sales, "topic = \"SALES\"", "name a topic only once; case, accents, emoji and punctuation do not count"),
        (
            &ads,
            "topic = \"Ads\"\nwhen = { source = \"Google\", country = \"ES\" }",
            "config.toml:7: [[routes]] topic: \"Ads\" already takes the route at config.toml:3",
        ),
        (
            &ads,
            "when = { source = [\"google\"], medium = \"cpc\" }",
            "config.toml:6: routes: the route at config.toml:3 takes all that this one could; write it before that one, or write continue = true there",
        ),
    ] {
        let shop = Shop::of(&(first.to_owned() + earlier + &route(later)));
        let problems = shop.problems();
        assert!(problems.len() == 1 && shop.local(&problems[0]).contains(says), "{says}: {problems:#?}");
    }
    for (earlier, later) in [
        (route("topic = \"Sales\"\ncontinue = true"), "topic = \"Sales\""),
        (route("topic = \"Sales\"\nwhen = { source = \"google\" }"), "topic = \"Sales\""),
        (ads, "when = { source = \"goo*\" }"),
    ] {
        Shop::of(&(first.to_owned() + &earlier + &route(later))).loaded();
    }
}

#[test]
fn conditions_are_read_as_texts_and_lists_and_a_star_alone_asks_nothing() {
    let loaded = Shop::of(
        "[[routes]]\ncontinue = true\nwhen = { source = \"*\", campaign = \"Summer-*\", country = [\"es\", \"UK\"] }\nchannels = [\"email.sales\"]\n\
         [[routes]]\nchannels = [\"email.sales\"]\nwhen.channel = \"*\"\n",
    )
    .loaded();
    let routes: Vec<_> = loaded.config.routes.routes().collect();
    let conditions: Vec<String> = routes[0].when.iter().map(ToString::to_string).collect();
    assert_eq!(conditions, ["campaign = Summer-*", "country = ES or GB"]);
    assert!(routes[0].continues && routes[1].is_catch_all() && routes.len() == 2);
    let lines: Vec<_> = loaded
        .config
        .route_places
        .iter()
        .map(|place| place.to_string().rsplit(':').next().unwrap().to_owned())
        .collect();
    assert_eq!(lines, ["1", "5"]);
}

#[test]
fn the_catch_all_may_stand_anywhere_and_is_tried_last() {
    let loaded = Shop::of(
        "[[routes]]\nchannels = [\"email.sales\"]\n[[routes]]\ntopic = \"A\"\nchannels = [\"slack.pricing\"]\n",
    )
    .loaded();
    let topics: Vec<Option<&str>> =
        loaded.config.routes.routes().map(|route| route.topic.as_ref().map(crate::domain::Topic::as_str)).collect();
    assert_eq!(topics, [Some("A"), None]);
}

#[test]
fn single_values_are_held_to_their_form() {
    for (config, says) in [
        ("[welcome]\ndelay = \"31days\"\n", "config.toml:2: [welcome] delay: longer than 30 days"),
        ("[welcome]\ndelay = \"5\"\n", "config.toml:2: [welcome] delay: expected a length of time"),
        ("[admin]\nidle_timeout = \"1s\"\n", "config.toml:2: [admin] idle_timeout: shorter than 5 minutes"),
        ("[admin]\nsession_lifetime = \"2years\"\n", "[admin] session_lifetime: shorter than 5 minutes or longer"),
        (
            "[server]\npublic_url = \"shop.test\"\n",
            "expected an address like https://shop.example, found \"shop.test\"",
        ),
        ("[server]\npublic_url = \"https://shop.test/?x=1\"\n", "expected an address like https://shop.example"),
        (
            "[store]\nurl = \"sqlite::memory:\"\n",
            "[store] url: expected sqlite: and the path of a file; write url = \"sqlite:umishop.db\"",
        ),
        ("[templates]\ndirectory = \"nowhere\"\n", "there is no such directory"),
        (
            "[landbot]\nconfig_url = \"https://evil.example/H-1/index.json\"\n",
            "[landbot] config_url: expected the address of a bot",
        ),
        ("[landbot]\nheight = \"1px;x\"\n", "[landbot] height: expected a height like 640px"),
        (
            "[server]\ntrusted_proxies = [\"10.0.0.0/8\", \"proxy\"]\n",
            "config.toml:2: [server] trusted_proxies: expected an address or a network like 10.0.0.0/8, found \"proxy\"; write trusted_proxies = [\"127.0.0.1\", \"::1\"]",
        ),
        (
            "[server]\nrequest_timeout = \"9s\"\n",
            "config.toml:2: [server] request_timeout: shorter than header_timeout, which is a part of it; write request_timeout = \"30s\"",
        ),
        ("[server]\nidle_timeout = \"0s\"\n", "[server] idle_timeout: expected a time of at most one day"),
        (
            "[server]\nconnections = 0\n",
            "config.toml:2: [server] connections: expected a number from 1 to 1000000, found 0; write connections = 1024",
        ),
        ("[server]\nconnections_per_address = -1\n", "connections_per_address: expected a number from 1 to 1000000"),
        ("[intake]\nburst = 0\n", "[intake] burst: expected a number from 1 to 1000000, found 0; write burst = 500"),
        ("[log]\nlevel = \"loud\"\n", "[log] level: expected"),
        ("[intake]\nauth = \"open\"\n", "[intake] auth: expected \"secret\" or \"none\", found \"open\""),
        (
            "[channels.slack.pricing]\nretry = [\"1ms\"]\n",
            "config.toml:2: [channels.slack.pricing] retry: expected a list of 1 to 100 waits",
        ),
        ("[channels.slack.pricing]\nconcurrency = 0\n", "concurrency: expected a whole number from 1 to 256"),
        ("[channels.slack.pricing]\non_unknown = \"drop\"\n", "on_unknown: expected \"retry\" or \"hold\""),
        ("[channels.email]\nserver = \"x\"\n", "[channels.email] server: expected a channel's table here"),
        ("[channels.email.\"a b\"]\n", "expected a name of letters, digits, - and _"),
        ("server = 5\n", "config.toml:1: server: expected a table, found the number 5; write [server]"),
        ("[server\n", "config.toml:1: not valid TOML at column 8"),
    ] {
        Shop::of(config).says(says);
    }
}

#[test]
fn a_mistake_in_a_variable_is_mended_in_the_variables_own_form() {
    let set = [("UMISHOP_SERVER__CONNECTIONS", "0"), ("UMISHOP_SERVER__TRUSTED_PROXIES", "10.0.0.0/8, proxy")];
    let problems = Shop::new().set(&set).problems();
    for mend in ["write UMISHOP_SERVER__CONNECTIONS=1024", "write UMISHOP_SERVER__TRUSTED_PROXIES=127.0.0.1,::1"] {
        assert!(problems.iter().any(|problem| problem.ends_with(mend)), "{problems:#?}");
    }
    assert_eq!(problems.len(), 2, "{problems:#?}");
}

#[test]
fn no_proxy_is_trusted_when_the_list_is_empty_and_no_rate_holds_when_it_says_none() {
    let config = Shop::of("[server]\ntrusted_proxies = []\n[intake]\nrate = \"none\"\n").loaded().config;
    assert!(config.server.trusted_proxies.is_empty() && config.intake.rate.is_none());
}

#[test]
fn the_sandbox_on_an_open_network_is_worth_a_word() {
    let loaded = Shop::new().set(&[("UMISHOP_SERVER__LISTEN", "0.0.0.0:8000")]).loaded();
    assert!(
        loaded.warnings[0]
            .to_string()
            .starts_with("UMISHOP_SERVER__LISTEN: [server] listen: the sandbox listens to the network")
    );
}
