//! Which layer sets a key, and what a variable may set.

use super::*;
use crate::domain::{OnUnknown, RetrySchedule};

#[test]
fn without_any_file_the_sandbox_starts_and_says_what_it_lacks() {
    let loaded = Shop::new().loaded();
    assert!(loaded.config.sandbox && loaded.origin.is_none() && loaded.warnings.is_empty());
    assert_eq!(loaded.config.server.listen.to_string(), "127.0.0.1:8000");
    assert_eq!(loaded.config.welcome.delay, Duration::from_mins(1));
    assert!(matches!(loaded.config.intake.auth, Auth::Secret(None)));
    let names: Vec<&str> = loaded.config.channels.keys().map(ChannelAddress::as_str).collect();
    assert_eq!(names, ["email.sales", "email.welcome", "slack.pricing"]);
    let mut missing: Vec<String> =
        loaded.missing.iter().map(|missing| format!("{} {}", missing.key, missing.reference)).collect();
    missing.sort();
    let variable = "the environment variable";
    assert_eq!(
        missing,
        [
            format!("[channels.email.sales] to {variable} EMAIL_SALES"),
            format!("[channels.email.welcome] password {variable} SENDGRID_EMAIL_HOST_PASSWORD"),
            format!("[channels.email.welcome] username {variable} SENDGRID_EMAIL_HOST_USER"),
            format!("[channels.slack.pricing] channel {variable} SLACK_CHANNEL"),
            format!("[channels.slack.pricing] token {variable} SLACK_TOKEN"),
            format!("[intake] secret {variable} UMISHOP_SECRET"),
        ]
    );
    let password = loaded.missing.iter().find(|missing| missing.key.ends_with("password")).unwrap();
    assert_eq!(password.channels, [address("email.sales"), address("email.welcome")], "sales shares the login");
}

#[test]
fn the_variables_of_the_shipped_file_make_it_complete() {
    let loaded = Shop::new().set(&VARIABLES).loaded();
    assert_eq!(loaded.missing, []);
    let Auth::Secret(Some(secret)) = &loaded.config.intake.auth else { panic!("a secret is set") };
    assert_eq!(secret.expose_secret(), "s3cret");
}

#[test]
fn every_documented_key_is_read_and_every_contract_spelling_is_documented() {
    let code = [
        include_str!("../sections.rs"),
        include_str!("../server.rs"),
        include_str!("../alerts.rs"),
        include_str!("../load.rs"),
        include_str!("../origins.rs"),
        include_str!("../reports.rs"),
        include_str!("../routes.rs"),
        include_str!("../channels.rs"),
    ]
    .concat();
    let shipped: toml_edit::DocumentMut = SHIPPED.parse().unwrap();
    for (section, item) in shipped.iter().filter(|(section, _)| !matches!(*section, "channels" | "routes")) {
        let keys: Vec<String> = match item.as_table() {
            Some(table) => table.iter().map(|(key, _)| format!("{section}.{key}")).collect(),
            None => vec![section.to_owned()],
        };
        for key in keys {
            assert!(code.contains(&format!("\"{key}\"")), "config.toml has {key}, which nobody reads");
        }
    }
    for word in [
        "retry ",
        "concurrency ",
        "on_unknown ",
        "smtp+starttls://smtp.sendgrid.net:587",
        "[channels.email.welcome]",
        "webhook_url",
    ] {
        assert!(SHIPPED.contains(word), "{word}");
    }
}

#[test]
fn a_stronger_layer_wins_and_lists_are_replaced() {
    let shop = Shop::of(
        "[server]\nlisten = \"127.0.0.1:1\"\n[welcome]\ndelay = \"5s\"\n[[routes]]\nchannels = [\"email.sales\"]\n",
    )
    .file(".env", "UMISHOP_SERVER__LISTEN=127.0.0.1:2\nUMISHOP_LOG__FORMAT=json\n")
    .set(&[("UMISHOP_SERVER__LISTEN", "127.0.0.1:3")]);
    let loaded = shop.loaded();
    assert_eq!(loaded.config.server.listen.port(), 3, "the process's environment over .env over the file");
    assert_eq!(loaded.config.log.format, LogFormat::Json);
    assert_eq!(loaded.config.welcome.delay, Duration::from_secs(5));
    assert_eq!(loaded.config.routes.routes().count(), 1);
    assert_eq!(loaded.origin.unwrap(), shop.directory.path().join("config.toml"));
    assert!(
        !loaded.config.channels.contains_key(&address("slack.pricing")),
        "the shop has no use for it, and says nothing of it"
    );
    assert!(loaded.warnings.is_empty());
}

#[test]
fn a_named_file_must_exist_and_its_directory_is_where_paths_start() {
    let shop = Shop::new()
        .file("other.toml", "[store]\nurl = \"sqlite:data/shop.db\"\n[admin]\ntoken = \"file:token\"\n")
        .file("token", "letmein\n");
    let sources = |file: &str| Sources {
        file: Some(shop.directory.path().join(file)),
        directory: "/nonexistent".into(),
        environment: Vec::new(),
    };
    let loaded = load(&sources("other.toml")).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(loaded.config.store, StoreUrl::Sqlite(shop.directory.path().join("data/shop.db")));
    assert_eq!(loaded.config.admin.token.unwrap().expose_secret(), "letmein");
    let error = load(&sources("nowhere.toml")).err().unwrap().to_string();
    assert!(error.contains("nowhere.toml: cannot be read: No such file"), "{error}");
}

#[test]
fn a_variables_text_is_a_secret_as_it_is_and_other_forms_are_parsed() {
    for password in ["12345", "true", "[abc]", "0123", " spaced ", "{a=1}", "\"quoted\"", "env:UMISHOP_OWN"] {
        let shop = Shop::new().set(&VARIABLES).set(&[
            ("UMISHOP_CHANNELS__EMAIL__WELCOME__PASSWORD", password),
            ("UMISHOP_INTAKE__SECRET", password),
            ("UMISHOP_OWN", "found"),
        ]);
        let shop = if password == "env:UMISHOP_OWN" {
            shop
        } else {
            Shop { environment: shop.environment[..8].to_vec(), ..shop }
        };
        let loaded = shop.loaded();
        let Auth::Secret(Some(secret)) = &loaded.config.intake.auth else { panic!("a secret is set") };
        assert_eq!(secret.expose_secret(), if password == "env:UMISHOP_OWN" { "found" } else { password });
    }
    let shop = Shop::new().set(&[
        ("UMISHOP_CHANNELS__EMAIL__SALES__TO", "a@shop.test, b@shop.test"),
        ("UMISHOP_CHANNELS__EMAIL__SALES__CONCURRENCY", "3"),
        ("UMISHOP_CHANNELS__SLACK__PRICING__RETRY", "[\"7s\"]"),
        ("UMISHOP_CHANNELS__EMAIL__SALES__ON_UNKNOWN", "hold"),
        ("UMISHOP_SANDBOX", "True"),
    ]);
    let channels = shop.loaded().config.channels;
    assert_eq!(channels[&address("email.sales")].rules.concurrency, 3);
    assert_eq!(channels[&address("email.sales")].rules.on_unknown, OnUnknown::Hold);
    assert_eq!(
        channels[&address("slack.pricing")].rules.retry,
        RetrySchedule::new(vec![Duration::from_secs(7)]).unwrap()
    );
}

#[test]
fn a_channel_may_be_configured_by_the_environment_alone() {
    let shop = Shop::of("[[routes]]\nchannels = [\"http.crm\"]\n")
        .set(&[("UMISHOP_CHANNELS__HTTP__CRM__URL", "https://crm.example.com/hook")]);
    assert!(shop.loaded().config.channels.contains_key(&address("http.crm")));
}

#[test]
fn names_that_are_no_keys_are_left_alone() {
    let reserved = ["UMISHOP_CONFIG", "UMISHOP_LOG", "UMISHOP_SECRET", "OTHER"];
    let shop = Shop::of("[admin]\ntoken = \"env:UMISHOP_MINE\"\n")
        .set(&reserved.map(|name| (name, "x")))
        .set(&[("UMISHOP_MINE", "mine")]);
    assert_eq!(shop.loaded().config.admin.token.unwrap().expose_secret(), "mine");
    for (name, says) in [
        ("UMISHOP_ADMIN_TOKEN", "UMISHOP_ADMIN_TOKEN: no key has this name; did you mean `UMISHOP_ADMIN__TOKEN`?"),
        ("UMISHOP_TOKEN", "UMISHOP_TOKEN: no key has this name"),
        ("UMISHOP_URL", "UMISHOP_URL: no key has this name"),
    ] {
        Shop::new().set(&[(name, "x")]).says(says);
    }
    Shop::new()
        .set(&[("UMISHOP_SERVER", "x")])
        .says("UMISHOP_SERVER: [server] is a table; set one of its keys, as in UMISHOP_SERVER__KEY");
    Shop::new().set(&[("UMISHOP_ROUTES__0__TOPIC", "x")]).says("UMISHOP_ROUTES__0__TOPIC: no key has this name");
}

#[test]
fn a_broken_line_in_the_env_file_is_told_without_its_text() {
    let shop = Shop::new()
        .file(".env", "# login\nSLACK_TOKEN=xoxb-9\nhunter2 is my password\nexport UMISHOP_SERVER__LISTEN=abc\n");
    let problems = shop.problems();
    assert_eq!(
        problems[0],
        ".env:3: not of the form NAME=value; put a value with spaces, # or quotes in it into 'single quotes'"
    );
    assert!(problems[1].starts_with(".env:4: [server] listen: expected an address"), "{problems:?}");
    assert_eq!(problems.len(), 2);
}

#[test]
fn relative_paths_start_at_the_file() {
    assert_eq!(beside(Path::new("."), "umishop.db"), Path::new("umishop.db"));
    assert_eq!(beside(Path::new("/etc/umishop"), "umishop.db"), Path::new("/etc/umishop/umishop.db"));
    assert_eq!(beside(Path::new("/etc/umishop"), "/var/umishop.db"), Path::new("/var/umishop.db"));
}

#[test]
fn the_site_is_its_public_address_or_one_that_this_machine_can_call() {
    for (server, url) in [
        ("listen = \"192.0.2.1:80\"", "http://192.0.2.1:80"),
        ("listen = \"0.0.0.0:8000\"", "http://127.0.0.1:8000"),
        ("listen = \"[::]:8000\"", "http://127.0.0.1:8000"),
        ("listen = \"[::1]:8000\"", "http://[::1]:8000"),
        ("listen = \"0.0.0.0:8000\"\npublic_url = \"https://shop.test/\"", "https://shop.test"),
    ] {
        assert_eq!(Shop::of(&format!("[server]\n{server}\n")).loaded().config.site_url(), url);
    }
}

#[test]
fn the_env_file_fills_references_and_an_empty_variable_is_none() {
    let shop = Shop::new().file(".env", "SLACK_TOKEN=xoxb-1\nSLACK_CHANNEL='C 1'\nEMAIL_SALES=a@shop.test\n");
    let missing = |shop: &Shop| shop.loaded().missing.iter().filter(|missing| missing.key.contains("slack")).count();
    assert_eq!(missing(&shop), 0);
    let emptied = shop.set(&[("SLACK_TOKEN", "")]);
    assert_eq!(missing(&emptied), 1, "the process's environment over .env, even when it is empty");
}

#[test]
fn every_key_that_counts_is_shown_with_who_wrote_it_and_no_secret() {
    let shop = Shop::of("server.listen = \"127.0.0.1:9000\"\nadmin.token = \"file:token\"\n[channels.http]\nx = \"https://example.com/hook-s3cret\"\n[[routes]]\nchannels = [\"http.x\"]\n")
        .file("token", "hunter2")
        .file(".env", "UMISHOP_SECRET=s3cret\nUMISHOP_LOG__FORMAT=json\n")
        .set(&[("UMISHOP_ADMIN__METRICS_TOKEN", "s3cret"), ("UMISHOP_SERVER__PUBLIC_URL", "https://shop.test")]);
    let settings = shop.loaded().config.settings;
    let of = |key: &str| {
        let found = settings.iter().find(|setting| setting.key == key);
        found.map(|setting| (setting.value.as_str(), setting.written.as_str(), setting.line()))
    };
    assert_eq!(of("server.listen"), Some(("127.0.0.1:9000", "file", Some(1))));
    assert_eq!(of("admin.token"), Some(("file:token", "file", Some(2))));
    assert!(matches!(of("store.url"), Some(("sqlite:umishop.db", "default", Some(_)))), "a file's name is no secret");
    assert_eq!(of("channels.http.x"), Some(("•••", "file", Some(4))));
    assert_eq!(of("admin.metrics_token"), Some(("•••", "environment", None)));
    assert_eq!(of("server.public_url"), Some(("https://shop.test", "environment", None)));
    assert_eq!(of("log.format"), Some(("json", "environment", Some(2))), "a line of .env");
    assert!(matches!(of("intake.secret"), Some(("env:UMISHOP_SECRET", "default", Some(_)))));
    assert_eq!(of("channels.slack.pricing.token"), None, "nothing uses it");
    let shown = format!("{settings:?}");
    assert!(!shown.contains("s3cret") && !shown.contains("hunter2"), "{shown}");
}
