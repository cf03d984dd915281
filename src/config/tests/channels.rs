//! What a channel needs, in the sandbox and live.

use super::*;

#[test]
fn going_live_without_its_credentials_is_refused() {
    let problems = Shop::of(LIVE).problems();
    for what in [
        "[channels.email.sales] to: the environment variable EMAIL_SALES is not there, or empty; set it",
        "[channels.email.welcome] username: the environment variable SENDGRID_EMAIL_HOST_USER",
        "[channels.email.welcome] password: the environment variable SENDGRID_EMAIL_HOST_PASSWORD",
        "[channels.slack.pricing] token: the environment variable SLACK_TOKEN",
        "[channels.slack.pricing] channel: the environment variable SLACK_CHANNEL",
        "[intake] secret: missing: live, a call to the webhooks must carry a secret; set the environment variable UMISHOP_SECRET to a long random text, or write auth = \"none\"",
    ] {
        assert!(problems.iter().any(|problem| problem.contains(what)), "{what}: {problems:#?}");
    }
    assert_eq!(problems.len(), 6, "{problems:#?}");
}

#[test]
fn a_complete_live_shop_has_nothing_to_complain_of() {
    let loaded = Shop::of(LIVE).set(&VARIABLES).loaded();
    assert_eq!((loaded.warnings, loaded.missing), (vec![], vec![]));
    assert_eq!(loaded.config.server.public_url.as_deref(), Some("https://shop.test"));
    let open = Shop::of(&format!("{LIVE}[intake]\nauth = \"none\"\n")).set(&VARIABLES[..5]).loaded();
    assert!(matches!(open.config.intake.auth, Auth::None));
}

#[test]
fn live_mail_needs_a_real_sender_and_a_public_address() {
    let shop = Shop::of("sandbox = false\n").set(&VARIABLES);
    shop.says("[channels.email.welcome] from: an address under .example does not exist");
    let loaded = Shop::of(&LIVE.replace("https://shop.test", "")).set(&VARIABLES).loaded();
    assert!(loaded.warnings[0].to_string().contains("[server] public_url: empty"), "{:?}", loaded.warnings);
}

#[test]
fn a_live_shop_that_tells_nobody_of_trouble_is_worth_a_word() {
    let loaded = Shop::of(&LIVE.replace("[\"email.sales\"]", "[]")).set(&VARIABLES).loaded();
    assert!(loaded.warnings[0].to_string().contains("[alerts] channels: empty, so that trouble is only logged"));
    assert!(loaded.config.alerts.channels.is_empty());
}

#[test]
fn a_channel_that_only_carries_alerts_is_used() {
    let ops = "[channels.email.ops]\nto = \"ops@shop.test\"\n";
    let alerts = ("UMISHOP_ALERTS__CHANNELS", "email.ops,slack.pricing");
    let loaded = Shop::of(&format!("{LIVE}{ops}")).set(&VARIABLES).set(&[alerts]).loaded();
    assert_eq!(loaded.config.alerts.channels, [address("email.ops"), address("slack.pricing")]);
    assert!(loaded.warnings.is_empty() && loaded.config.channels.contains_key(&address("email.ops")));
}

#[test]
fn the_sandbox_does_without_a_channel_for_alerts_that_is_not_set_yet() {
    let config = "[alerts]\nchannels = [\"env:ALERTS\"]\n";
    let loaded = Shop::of(config).loaded();
    assert!(loaded.config.alerts.channels.is_empty());
    assert!(loaded.missing.iter().any(|missing| missing.key == "[alerts] channels"), "{:?}", loaded.missing);
    let set = Shop::of(config).set(&[("ALERTS", "email.sales")]).loaded();
    assert_eq!(set.config.alerts.channels, [address("email.sales")]);
}

#[test]
fn a_mail_server_or_webhook_of_ones_own_does_without_the_shipped_login() {
    let config = format!(
        "{LIVE}server = \"smtp://127.0.0.1:2525\"\n[channels.slack.pricing]\nwebhook_url = \"https://hooks.slack.test/T/B/x\"\n"
    );
    let needed = [("EMAIL_SALES", "sales@shop.test"), ("UMISHOP_SECRET", "s")];
    for slack in [&[][..], &[("SLACK_TOKEN", "xoxb-1"), ("SLACK_CHANNEL", "C1")]] {
        let loaded = Shop::of(&config).set(&needed).set(slack).loaded();
        assert_eq!((loaded.missing.len(), loaded.config.channels.len()), (0, 3));
    }
    Shop::of(&config).set(&needed[1..]).says("[channels.email.sales] to: the environment variable EMAIL_SALES");
}

/// A mail channel opens with both parts of a login or with neither, so an emptied part tells whether the other came.
const HALF_LOGINS: [&str; 2] = ["username = \"\"\n", "password = \"\"\n"];

#[test]
fn a_login_does_not_follow_to_a_server_of_a_stronger_layer() {
    for half in HALF_LOGINS {
        Shop::of(&format!("{LIVE}server = \"smtps://own.test\"\n{half}")).set(&VARIABLES).loaded();
        let server = ("UMISHOP_CHANNELS__EMAIL__WELCOME__SERVER", "smtps://own.test");
        Shop::of(&format!("{LIVE}{half}")).set(&VARIABLES).set(&[server]).loaded();
    }
    let shop = Shop::of(&format!("{LIVE}server = \"smtps://a.test\"\nusername = \"me\"\npassword = \"hunter2\"\n"))
        .set(&VARIABLES);
    assert_eq!(shop.loaded().warnings, []);
    let moved = shop.set(&[("UMISHOP_CHANNELS__EMAIL__WELCOME__SERVER", "smtps://b.test")]);
    let warnings: Vec<String> = moved.loaded().warnings.iter().map(|warning| moved.local(warning)).collect();
    assert_eq!(
        warnings,
        ["username", "password"].map(|key| format!(
            "config.toml:{}: [channels.email.welcome] {key}: not used: UMISHOP_CHANNELS__EMAIL__WELCOME__SERVER names another server; write it there, too",
            if key == "username" { 7 } else { 8 }
        ))
    );
}

#[test]
fn a_channel_with_a_server_of_its_own_takes_no_login_from_the_welcome() {
    let loaded = Shop::of("[channels.email.sales]\nserver = \"smtps://own.test\"\n").loaded();
    let of_a_login = |missing: &&MissingReference| missing.key.contains("username") || missing.key.contains("password");
    let logins: Vec<_> = loaded.missing.iter().filter(of_a_login).map(|missing| missing.channels.as_slice()).collect();
    assert_eq!(logins, [[address("email.welcome")], [address("email.welcome")]]);
    for (own, lacks) in [("username = \"me\"\n", "no `password`"), ("password = \"x\"\n", "no `username`")] {
        Shop::of(&format!("{LIVE}[channels.email.sales]\n{own}")).set(&VARIABLES).says(lacks);
    }
    Shop::of(&format!("{LIVE}username = \"me\"\npassword = \"x\"\n[channels.slack.welcome]\ntoken = \"x\"\nchannel = \"C1\"\n[channels.slack.help]\napi_url = \"https://proxy.test\"\nchannel = \"C2\"\n"))
        .set(&VARIABLES)
        .says("[channels.slack.help] token: a `channel` needs the `token`");
}

#[test]
fn a_path_in_a_channels_table_starts_at_the_file() {
    let shop = Shop::of(&format!("{LIVE}ca_file = \"ca.pem\"\n")).set(&VARIABLES);
    let missing = format!("`{}` is not a readable PEM file", shop.directory.path().join("ca.pem").display());
    assert!(shop.load().err().unwrap().to_string().contains(&missing));
    shop.file("ca.pem", include_str!("../../../tests/it/tls/ca.pem")).loaded();
}

#[test]
fn an_empty_list_of_waits_is_the_kinds_own() {
    let retry = |config: &str| Shop::of(config).loaded().config.channels[&address("slack.pricing")].rules.retry.clone();
    assert_eq!(retry("[channels.slack.pricing]\nretry = []\n"), retry(""));
}

#[test]
fn an_empty_text_takes_a_key_back() {
    let config = format!("{LIVE}username = \"\"\npassword = \"\"\n");
    let loaded = Shop::of(&config)
        .set(&[("EMAIL_SALES", "a@shop.test"), ("UMISHOP_SECRET", "s"), ("SLACK_TOKEN", "x"), ("SLACK_CHANNEL", "C")])
        .loaded();
    assert_eq!(loaded.missing, []);
    let loaded = Shop::of("[welcome]\nchannel = \"\"\n").loaded();
    assert_eq!(loaded.config.welcome.channel, None);
}

#[test]
fn a_channel_that_nothing_uses_is_worth_a_word_and_no_more() {
    let config = format!("{LIVE}[channels.slack.spare]\ntoken = \"env:SPARE_TOKEN\"\nchannel = \"C2\"\n");
    let shop = Shop::of(&config).set(&VARIABLES);
    let loaded = shop.loaded();
    assert_eq!(loaded.warnings.len(), 1);
    assert_eq!(
        shop.local(&loaded.warnings[0]),
        "config.toml:6: [channels.slack.spare]: nothing uses this channel; name it in a route: channels = [\"slack.spare\"], or take it out"
    );
    assert_eq!(
        shop.local(&loaded.missing[0]).split(';').next(),
        Some(
            "config.toml:7: [channels.slack.spare] token: the environment variable SPARE_TOKEN is not there, or empty"
        )
    );
    assert!(!loaded.config.channels.contains_key(&address("slack.spare")), "it cannot send");
    let complete = Shop::of(&config).set(&VARIABLES).set(&[("SPARE_TOKEN", "x")]).loaded();
    assert!(complete.config.channels.contains_key(&address("slack.spare")), "it can be tried out");
}

#[test]
fn the_sandbox_opens_a_channel_whose_only_credential_is_missing() {
    let loaded =
        Shop::of("[channels.slack.help]\nwebhook_url = \"env:HELP_URL\"\n[[routes]]\nchannels = [\"slack.help\"]\n")
            .loaded();
    assert!(loaded.config.channels.contains_key(&address("slack.help")));
}

#[test]
fn a_channels_mistakes_are_told_together_where_each_was_written() {
    let shop = Shop::of(
        "[channels.email.sales]\nto = [\"nobody\", \"a@shop.test\", \"somebody\"]\nfrom = 5\nsubject = \"x\"\nretry = 5\n",
    );
    let problems = shop.problems();
    let starts = [
        "config.toml:2: [channels.email.sales] to: ",
        "config.toml:2: [channels.email.sales] to: ",
        "config.toml:3: [channels.email.sales] from: ",
        "config.toml:4: [channels.email.sales] subject: no such key; known here: ",
        "config.toml:5: [channels.email.sales] retry: ",
    ];
    assert_eq!(problems.len(), starts.len(), "{problems:#?}");
    for (problem, start) in problems.iter().zip(starts) {
        assert!(problem.starts_with(start), "{start}: {problems:#?}");
    }
    Shop::of("[channels.slack.help]\ntoken = \"x\"\n[[routes]]\nchannels = [\"slack.help\"]\n")
        .says("config.toml:1: [channels.slack.help]");
}

#[test]
fn a_channel_may_be_one_address() {
    let config = "[channels.slack]\npricing = \"slack://xoxb-1@C1?threads=false&rate=2/s\"\n";
    let loaded = Shop::of(config).loaded();
    let pricing = &loaded.config.channels[&address("slack.pricing")];
    assert_eq!(pricing.rules.rate, "2/s".parse::<crate::domain::Rate>().ok().map(|rate| rate.with_burst(3)));
    assert!(loaded.missing.iter().all(|missing| !missing.key.contains("slack")), "{:?}", loaded.missing);
    let hook = "[channels.slack]\npricing = \"env:HOOK\"\n";
    let loaded = Shop::of(hook).set(&[("HOOK", "https://hooks.slack.com/services/T0/B0/x")]).loaded();
    assert!(loaded.config.channels.contains_key(&address("slack.pricing")));
    let missing = Shop::of(hook).loaded().missing;
    assert!(missing.iter().any(|missing| missing.to_string().contains("variable HOOK")), "{missing:?}");
}

#[test]
fn digits_in_an_address_are_a_text_where_a_text_belongs() {
    let config = "[channels.ntfy]\nsales = \"ntfy://shop:123456@ntfy.sh/t?priority=4\"\n[[routes]]\nchannels = [\"ntfy.sales\"]\n";
    assert!(Shop::of(config).loaded().config.channels.contains_key(&address("ntfy.sales")));
    let asked = "[channels.ntfy]\nsales = \"ntfy://ntfy.sh/t?username=shop&password=123456\"\n[[routes]]\nchannels = [\"ntfy.sales\"]\n";
    assert!(Shop::of(asked).loaded().config.channels.contains_key(&address("ntfy.sales")));
}

#[test]
fn an_address_that_stands_for_nothing_is_refused_and_not_repeated() {
    for bad in ["slack://xoxb-hunter2", "discord://xoxb-hunter2@C1", "slack://xoxb-hunter2@C1?chanel=x"] {
        let problems = Shop::of(&format!("[channels.slack]\npricing = \"{bad}\"\n")).problems();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with("config.toml:2: [channels.slack"), "{problems:?}");
        assert!(!problems[0].contains("hunter2"), "{problems:?}");
    }
    Shop::of("[channels.slack]\npricing = \"slack://xoxb-1\"\n")
        .says("write \"https://…\" or \"slack://TOKEN@CHANNEL\"");
}

#[test]
fn every_kind_knows_the_keys_that_its_addresses_stand_for() {
    for kind in crate::channel::KINDS {
        assert!(!kind.pasted.is_empty(), "{}: no address stands for it", kind.name);
        for pattern in kind.pasted {
            for key in pattern.split('{').skip(1).filter_map(|piece| piece.split('}').next()) {
                let key = key.rsplit(':').next().unwrap();
                let is_known =
                    kind.example.lines().any(|line| line.trim_start_matches("# ").starts_with(&format!("{key} ")));
                assert!(is_known, "{}: {pattern} names `{key}`, which the example does not show", kind.name);
            }
        }
    }
}

/// A shop with two servers of its own, each with a login.
const TWO_SERVERS: &str = "server = \"smtps://a.test\"\nusername = \"me\"\npassword = \"hunter2\"\n[[channels.email.welcome.spare_servers]]\nserver = \"smtps://b.test\"\nusername = \"env:SPARE_USER\"\npassword = \"env:SPARE_PASSWORD\"\n";

#[test]
fn a_spare_server_has_a_login_of_its_own_that_may_stand_elsewhere() {
    let shop = Shop::of(&format!("{LIVE}{TWO_SERVERS}")).set(&VARIABLES);
    let missing = shop.problems();
    let key = |key: &str, line: u8, variable: &str| {
        format!(
            "config.toml:{line}: [channels.email.welcome.spare_servers] {key}: the environment variable {variable} is not there, or empty"
        )
    };
    for wanted in [key("username", 11, "SPARE_USER"), key("password", 12, "SPARE_PASSWORD")] {
        assert!(missing.iter().any(|problem| problem.starts_with(&wanted)), "{wanted}: {missing:#?}");
    }
    let loaded = shop.set(&[("SPARE_USER", "shop"), ("SPARE_PASSWORD", "x")]).loaded();
    assert_eq!((loaded.missing, loaded.warnings), (vec![], vec![]));
    let loaded = Shop::of(&format!("{LIVE}{TWO_SERVERS}").replace("sandbox = false", "sandbox = true")).loaded();
    let of_spare = |missing: &&MissingReference| missing.key.contains("spare_servers");
    let channels: Vec<_> = loaded.missing.iter().filter(of_spare).map(|missing| missing.channels.len()).collect();
    assert_eq!(channels, [2, 2], "both channels go without both parts of the login");
}

#[test]
fn the_mistakes_of_spare_servers_are_told_together_where_each_was_written() {
    let shop = Shop::of(
        "[channels.email.welcome]\nspare_servers = [\n  { server = \"smtp://b.test\", usrename = \"x\" },\n  { password = \"hunter2\", server = \"smtps://c.test\" },\n  { ca_file = \"none.pem\", server = \"smtps://d.test\", username = \"\" },\n  {},\n  { server = \"smtps://e.test\", username = \"shop\", password = 4711 },\n]\n",
    );
    let problems = shop.problems();
    let key = |key: &str, line: u8| format!("config.toml:{line}: [channels.email.welcome.spare_servers] {key}: ");
    let missing = shop.directory.path().join("none.pem");
    // The channel that shares them is told nothing twice.
    for wanted in [
        key("server", 3) + "smtp:// sends everything in the clear",
        key("usrename", 3) + "no such key; did you mean `username`?",
        key("username", 4)
            + "there is a `password` but no `username`: write both or neither; write for instance username = \"shop\"",
        key("ca_file", 5) + &shop.local(&format!("`{}` is not a readable PEM file", missing.display())),
        key("server", 6) + "missing; write for instance server = \"smtps://smtp.example.net:465\"",
        key("password", 7) + "expected a string, found another value (not shown)",
    ] {
        assert_eq!(
            problems.iter().filter(|problem| problem.starts_with(&wanted)).count(),
            1,
            "{wanted}: {problems:#?}"
        );
    }
    assert_eq!(problems.len(), 6, "{problems:#?}");
    assert!(!["hunter2", "4711"].iter().any(|secret| problems.concat().contains(secret)), "{problems:#?}");
    Shop::of("[channels.email.welcome]\nspare_servers = \"smtps://b.test\"\n")
        .says("[channels.email.welcome] spare_servers: expected");
}

#[test]
fn spare_servers_belong_to_the_server_and_the_login_beside_which_they_are_written() {
    let set = [("SPARE_USER", "shop"), ("SPARE_PASSWORD", "x")];
    // In the sandbox, who goes without the login of the spare server is who has that server.
    let who_has_it = |of_sales: &str| {
        let shop = Shop::of(&format!("[channels.email.welcome]\n{TWO_SERVERS}[channels.email.sales]\n{of_sales}"));
        let is_its_login = |missing: &MissingReference| missing.key.ends_with("spare_servers] username");
        shop.loaded().missing.into_iter().find(is_its_login).unwrap().channels
    };
    let (welcome, sales) = (address("email.welcome"), address("email.sales"));
    assert_eq!(who_has_it("to = \"a@shop.test\"\n"), [sales, welcome.clone()]);
    for own in ["server = \"smtps://own.test\"\n", "username = \"me\"\npassword = \"x\"\n", "spare_servers = []\n"] {
        assert_eq!(who_has_it(own), std::slice::from_ref(&welcome), "{own}");
    }
    // A server that the environment names replaces them all.
    let moved = Shop::of(&format!("{LIVE}{TWO_SERVERS}"))
        .set(&VARIABLES)
        .set(&set)
        .set(&[("UMISHOP_CHANNELS__EMAIL__WELCOME__SERVER", "smtps://c.test")]);
    let warnings: Vec<String> = moved.loaded().warnings.iter().map(|warning| moved.local(warning)).collect();
    assert_eq!(warnings.len(), 3, "{warnings:#?}");
    assert!(
        warnings[2].contains("spare_servers: not used: UMISHOP_CHANNELS__EMAIL__WELCOME__SERVER names another server"),
        "{warnings:#?}"
    );
    // Or it adds them.
    let list = "[{ server = \"smtps://d.test\", username = \"x\" }]";
    let added = Shop::of(LIVE).set(&VARIABLES).set(&[("UMISHOP_CHANNELS__EMAIL__WELCOME__SPARE_SERVERS", list)]);
    added.says("no `password`");
}
