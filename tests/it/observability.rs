//! What an operator and their tools can see: the metrics, the log, the ids that bring them together.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use umishop::domain::{Attempt, BootId, ChannelAddress, Settlement, Transition};

use crate::client;
use crate::process::Process;
use crate::sinks::{Entrance, HttpSink, SmtpSink, nobody};
use crate::support::{ADMIN_TOKEN, TestApp, live};

const MINUTE: Duration = Duration::from_mins(1);

/// What `/metrics` said: the value of each series, by its name and labels as they stand there.
struct Scraped(BTreeMap<String, f64>);

impl Scraped {
    async fn of(app: &TestApp) -> Self {
        let answer = app.api("GET", "/metrics").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        Self(parse(&answer.body))
    }

    fn value(&self, series: &str) -> Option<f64> {
        self.0.get(series).copied()
    }

    /// Every series of a family but those that are zero, without its name.
    fn family(&self, name: &str) -> Vec<String> {
        let series = self.0.iter().filter(|(series, value)| series.split('{').next() == Some(name) && **value != 0.0);
        series.map(|(series, value)| format!("{} {value}", &series[name.len()..])).collect()
    }
}

/// Reads Prometheus's text format 0.0.4, and accepts nothing that a scraper might read otherwise.
fn parse(text: &str) -> BTreeMap<String, f64> {
    let (mut series, mut families) = (BTreeMap::new(), BTreeSet::new());
    let (mut family, mut kind) = ("", "");
    let mut lines = text.strip_suffix('\n').expect("the last line ends, too").lines();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap();
            assert!(families.insert(name) && is_name(name) && !help.is_empty(), "{line}");
            let of_type = lines.next().unwrap().strip_prefix("# TYPE ").unwrap();
            (family, kind) = of_type.split_once(' ').unwrap();
            assert!(family == name && ["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            continue;
        }
        let (key, value) = line.rsplit_once(' ').unwrap();
        let name = key.split('{').next().unwrap();
        let suffixes: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        assert!(name.strip_prefix(family).is_some_and(|suffix| suffixes.contains(&suffix)), "{line} in {family}");
        if let Some(labels) = key[name.len()..].strip_prefix('{') {
            for label in labels.strip_suffix('}').unwrap().split(',') {
                let (label, value) = label.split_once('=').unwrap();
                let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
                // None of ours needs an escape; where one would, a test beside the writer looks at it.
                assert!(is_name(label) && value.is_some_and(|value| !value.contains(['"', '\\'])), "{line}");
            }
        }
        let value: f64 = value.parse().unwrap();
        assert!(value >= 0.0 && series.insert(key.to_owned(), value).is_none(), "{line}");
    }
    for name in families {
        check_buckets(&series, name);
    }
    series
}

fn is_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Buckets must be cumulative, and the last one must hold everything.
fn check_buckets(series: &BTreeMap<String, f64>, name: &str) {
    let mut buckets: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for (key, count) in series {
        let Some(labels) = key.strip_prefix(&format!("{name}_bucket{{")) else { continue };
        let (rest, bound) = labels.split_once("le=\"").unwrap();
        let bound = bound.strip_suffix("\"}").unwrap().parse().unwrap();
        buckets.entry(rest.trim_end_matches(',').to_owned()).or_default().push((bound, *count));
    }
    for (labels, mut buckets) in buckets {
        buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
        assert!(buckets.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{name} {labels}: {buckets:?}");
        let labels = if labels.is_empty() { labels } else { format!("{{{labels}}}") };
        let count = series[&format!("{name}_count{labels}")];
        assert_eq!(buckets.last(), Some(&(f64::INFINITY, count)), "{name} {labels}");
        assert!(series.contains_key(&format!("{name}_sum{labels}")), "{name} {labels}");
    }
}

fn http(name: &str, url: &str, more: &str) -> String {
    format!(
        "[channels.http.{name}]\nurl = \"{url}\"\nprivate_networks = [\"127.0.0.1\"]\nretry = [\"10s\", \"10s\", \"10s\"]\n{more}\n"
    )
}

fn welcome(sink: &SmtpSink) -> String {
    format!("[channels.email.welcome]\nserver = \"smtp://{}\"\nfrom = \"UmiShop <hello@shop.test>\"\n", sink.address())
}

/// A route for each topic to the channel of its name.
fn routes(channels: &[&str]) -> String {
    let route = |name: &&str| format!("[[routes]]\ntopic = \"{name}\"\nchannels = [\"http.{name}\"]\n");
    let catch_all = format!("[[routes]]\nchannels = [\"http.{}\"]\n", channels[0]);
    channels.iter().map(route).collect::<String>() + &catch_all
}

/// What an eventful minute comes to.
const EXPECTED: &[(&str, &[&str])] = &[
    ("umishop_registrations_total", &["{result=\"new\"} 2", "{result=\"repeat\"} 1"]),
    ("umishop_requests_total", &["{result=\"new\"} 4", "{result=\"repeat\"} 1"]),
    (
        "umishop_webhook_answers_total",
        &[
            "{webhook=\"topic\",status=\"duplicate\"} 1",
            "{webhook=\"topic\",status=\"queued\"} 4",
            "{webhook=\"user\",status=\"already_registered\"} 1",
            "{webhook=\"user\",status=\"created\"} 2",
            "{webhook=\"user\",status=\"error\"} 1",
        ],
    ),
    (
        "umishop_http_responses_total",
        &[
            "{area=\"site\",code=\"404\"} 1",
            "{area=\"topic\",code=\"200\"} 5",
            "{area=\"user\",code=\"200\"} 3",
            "{area=\"user\",code=\"400\"} 1",
        ],
    ),
    ("umishop_unreadable_webhooks_total", &[" 1"]),
    (
        "umishop_claims_total",
        &[
            "{channel=\"http.busy\"} 2",
            "{channel=\"http.crm\"} 2",
            "{channel=\"http.down\"} 2",
            "{channel=\"http.gone\"} 1",
        ],
    ),
    (
        "umishop_attempts_total",
        &[
            "{channel=\"http.busy\",outcome=\"retry\",scope=\"message\"} 2",
            "{channel=\"http.crm\",outcome=\"delivered\",scope=\"\"} 2",
            "{channel=\"http.down\",outcome=\"retry\",scope=\"channel\"} 2",
            "{channel=\"http.gone\",outcome=\"dead\",scope=\"destination\"} 1",
        ],
    ),
    ("umishop_handed_over_total", &["{channel=\"http.busy\"} 1"]),
    ("umishop_dead_letters_total", &["{channel=\"http.gone\"} 1"]),
    ("umishop_channel_in_trouble", &["{channel=\"http.down\"} 1"]),
    ("umishop_channel_paused", &[]),
    (
        "umishop_outbox_messages",
        &[
            "{channel=\"email.welcome\",state=\"pending\"} 2",
            "{channel=\"http.down\",state=\"pending\"} 1",
            "{channel=\"http.gone\",state=\"dead\"} 1",
        ],
    ),
    ("umishop_store_readable", &[" 1"]),
    ("umishop_store_failed_commits_total", &[]),
];

#[tokio::test]
async fn the_metrics_say_exactly_what_happened() {
    let (mails, web) = (SmtpSink::start(Entrance::Plain).await, HttpSink::start().await);
    let down = format!("http://{}/hook", nobody().await);
    let config = [
        welcome(&mails),
        http("crm", &web.url("/hook"), ""),
        http("busy", &web.url("/s/503"), "fallback = \"http.crm\""),
        http("gone", &web.url("/s/410"), ""),
        http("down", &down, "expire = \"1h\""),
        routes(&["crm", "busy", "gone", "down"]),
    ];
    let app = TestApp::start_live(&config.concat()).await;
    app.register("Ana", "ana@example.com").await;
    app.register("Ana", "ana@example.com").await;
    app.register("Eva", "perm550@example.com").await;
    app.send("POST", "/umishop_api/user", &[], b"{{{").await;
    for topic in ["crm", "busy", "gone", "down", "crm"] {
        app.ask(topic, "How much?").await;
    }
    app.get("/umishop_api/bogus").await;
    app.deliver_due().await;
    app.advance(Duration::from_secs(12)).await;
    app.deliver_due().await;

    let scraped = Scraped::of(&app).await;
    for (family, expected) in EXPECTED {
        assert_eq!(scraped.family(family), *expected, "{family}");
    }
    // The two of crm were due when they were sent; busy's second attempt was due two seconds or less before.
    assert_eq!(scraped.value("umishop_lateness_seconds_bucket{channel=\"http.crm\",le=\"0.01\"}"), Some(2.0));
    assert_eq!(scraped.value("umishop_lateness_seconds_count{channel=\"http.busy\"}"), Some(2.0));
    assert!(scraped.value("umishop_lateness_seconds_sum{channel=\"http.busy\"}").unwrap() <= 2.0);
    assert_eq!(scraped.value("umishop_delivery_seconds_count{channel=\"http.gone\"}"), Some(1.0));
    // A commit for each batch, and every write in one of them.
    let commits = scraped.value("umishop_store_commit_seconds_count").unwrap();
    assert_eq!(scraped.value("umishop_store_batch_writes_count"), Some(commits));
    assert!(scraped.value("umishop_store_batch_writes_sum").unwrap() >= commits && commits >= 10.0);
    assert_eq!(scraped.value("process_start_time_seconds"), Some(1_795_512_600.0));
    assert!(scraped.value("process_resident_memory_bytes").unwrap() > 1_000_000.0);
    assert!(scraped.value("process_open_fds").unwrap() > 3.0);
    assert!(scraped.value("umishop_store_log_bytes").unwrap() > 0.0);
    let version = env!("CARGO_PKG_VERSION");
    let build = scraped.family("umishop_build_info");
    assert!(build[0].starts_with(&format!("{{version=\"{version}\",store=\"SQLite 3.")), "{build:?}");
}

#[tokio::test]
async fn what_is_late_given_up_paused_or_suppressed_shows_in_the_metrics() {
    let mails = SmtpSink::start(Entrance::Plain).await;
    let down = format!("http://{}/hook", nobody().await);
    let config = [welcome(&mails), http("down", &down, "expire = \"1h\""), routes(&["down"])];
    let app = TestApp::start_live(&config.concat()).await;
    app.register("Eva", "perm550@example.com").await;
    app.ask("down", "How much?").await;
    app.api("POST", "/api/channels/email.welcome/pause").await;
    app.pass(MINUTE * 3);
    let scraped = Scraped::of(&app).await;
    assert_eq!(
        scraped.family("umishop_oldest_due_age_seconds"),
        ["{channel=\"email.welcome\"} 120", "{channel=\"http.down\"} 180"]
    );
    assert_eq!(scraped.family("umishop_channel_paused"), ["{channel=\"email.welcome\"} 1"]);

    app.api("POST", "/api/channels/email.welcome/resume").await;
    app.deliver_due().await;
    let dead = app.items("/api/messages?state=dead").await;
    app.advance(MINUTE * 70).await;
    let scraped = Scraped::of(&app).await;
    assert_eq!(scraped.family("umishop_expired_total"), ["{channel=\"http.down\"} 1"]);
    assert_eq!(
        scraped.family("umishop_dead_letters_total"),
        ["{channel=\"email.welcome\"} 1", "{channel=\"http.down\"} 1"]
    );
    assert_eq!(scraped.value("umishop_lateness_seconds_sum{channel=\"email.welcome\"}"), Some(120.0));
    assert_eq!(dead.len(), 1, "{dead:?}");

    // As when the address was denied to another message while this one waited.
    app.register("Ana", "ana@example.com").await;
    app.pass(MINUTE);
    let (store, now, channel) = (app.store(), app.now(), "email.welcome".parse::<ChannelAddress>().unwrap());
    let claimed = store.claim_due(&channel, BootId::new(now), 1, now).await.unwrap();
    let claim = &claimed.claims[0];
    let attempt = Attempt {
        epoch: claim.epoch,
        channel,
        started_at: now,
        duration_ms: 1,
        outcome: "dead".into(),
        scope: "recipient".into(),
        error: "RCPT TO: 550 5.1.1 no such user".into(),
    };
    let transition = Transition::Again { due_at: now, counted: true };
    let suppress = claim.context.email.clone();
    assert!(store.settle(Settlement { id: claim.id, attempt, transition, suppress }, now).await.unwrap());
    app.deliver_due().await;
    let scraped = Scraped::of(&app).await;
    assert_eq!(scraped.family("umishop_suppressed_total"), ["{channel=\"email.welcome\"} 1"]);
    assert_eq!(
        scraped.value("umishop_delivery_seconds_count{channel=\"email.welcome\"}"),
        Some(1.0),
        "not asked again"
    );
}

#[tokio::test]
async fn connections_are_counted_when_they_come_when_they_go_and_when_there_are_too_many() {
    let app = TestApp::start_with("[server]\nconnections = 2\n").await;
    let held = TcpStream::connect(app.address).await.unwrap();
    let scraped = Scraped::of(&app).await;
    assert_eq!(scraped.value("umishop_http_connections_open"), Some(2.0), "the one that is held and the one that asks");
    let mut too_many = JoinSet::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(app.address).await.unwrap();
        too_many.spawn(async move { stream.read_to_end(&mut Vec::new()).await.is_ok() });
    }
    // One of them at least is refused, and so ends; what it is told is looked at elsewhere.
    too_many.join_next().await;
    drop((held, too_many));
    let scraped = loop {
        // There may be no place for this one yet.
        let mut asking = TcpStream::connect(app.address).await.unwrap();
        let ask = format!("GET /metrics HTTP/1.0\r\nHost: shop\r\nAuthorization: Bearer {ADMIN_TOKEN}\r\n\r\n");
        let mut answer = String::new();
        if asking.write_all(ask.as_bytes()).await.is_ok() && asking.read_to_string(&mut answer).await.is_ok() {
            let page = answer.split_once("\r\n\r\n").map_or("", |(_, page)| page);
            if page.contains("umishop_http_connections_open 1\n") {
                break Scraped(parse(page));
            }
        }
    };
    assert!(scraped.value("umishop_http_connections_refused_total").unwrap() >= 1.0);
    assert!(scraped.value("umishop_http_connections_total").unwrap() >= 3.0);
}

#[tokio::test]
async fn the_metrics_are_for_whoever_has_a_token_and_the_one_for_them_opens_nothing_else() {
    let app = TestApp::start_with(&format!("[admin]\ntoken = \"{ADMIN_TOKEN}\"\nmetrics_token = \"watcher\"\n")).await;
    let get = async |path: &str, token: &str| app.send("GET", path, &[("Authorization", token)], b"").await;
    for (token, status) in
        [("Bearer watcher", 200), ("Bearer the-admin-token", 200), ("Bearer other", 401), ("watcher", 401), ("", 401)]
    {
        let answer = get("/metrics", token).await;
        assert_eq!(answer.status, status, "{token}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    assert_eq!(app.get("/metrics").await.status, 401);
    assert_eq!(get("/api/users", "Bearer watcher").await.status, 401);
    for _ in 0..9 {
        get("/metrics", "Bearer guess").await;
    }
    assert_eq!(get("/metrics", "Bearer guess").await.status, 429, "a token cannot be guessed here, either");
    assert_eq!(get("/metrics", "Bearer watcher").await.status, 200, "and nobody is locked out");
    let app = TestApp::start().await;
    let empty = app.send("GET", "/metrics", &[("Authorization", "Bearer ")], b"").await;
    assert_eq!(empty.status, 401, "a token that is not set is no token");
}

#[tokio::test]
async fn every_answer_names_its_call() {
    let app = TestApp::start().await;
    for path in ["/", "/api/users", "/umishop_api/user", "/nowhere", "/readyz"] {
        let answer = app.send("GET", path, &[("X-Request-Id", "order-42.a_B")], b"").await;
        assert_eq!(answer.header("x-request-id"), Some("order-42.a_B"), "{path}");
    }
    let long = "x".repeat(65);
    let mut made = BTreeSet::new();
    for given in ["", "two words", "a,b", "\u{fc}", "<script>", &long] {
        let answer = app.send("GET", "/healthz", &[("X-Request-Id", given)], b"").await;
        let id = answer.header("x-request-id").unwrap().to_owned();
        assert!(id.len() == 36 && made.insert(id), "{given:?} {answer:?}");
    }
    let answer = app.register("Ana", "ana@example.com").await;
    assert!(answer.header("x-request-id").is_some());
    let keys: Vec<_> = answer.json().as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys.len(), 8, "the answer's own keys are a contract: {keys:?}");
}

/// Runs the program, lets much go well and much go wrong, and returns what it logged.
async fn log_of_a_busy_day(log: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let (mails, web) = (SmtpSink::start(Entrance::Plain).await, HttpSink::start().await);
    let config = [
        "[server]\nlisten = \"127.0.0.1:0\"\n",
        &format!("[admin]\ntoken = \"{ADMIN_TOKEN}\"\n[welcome]\ndelay = \"1ms\"\n[log]\n{log}\n"),
        &welcome(&mails),
        &http("crm", &web.url("/hook"), ""),
        &http("gone", &web.url("/s/410"), ""),
        &routes(&["crm", "gone"]),
    ]
    .concat();
    let config = live(&config).replace("auth = \"none\"", "auth = \"secret\"\nsecret = \"open-sesame\"");
    std::fs::write(directory.path().join("config.toml"), config).unwrap();
    let mut process = Process::start_logged(directory.path());
    let post = async |path: &str, body: &Value, id: &str| {
        let headers = [("X-Request-Id", id), ("X-Umishop-Secret", "open-sesame")];
        client::send(process.address, "POST", path, &headers, body.to_string().as_bytes()).await.status
    };
    let person = |email: &str, question: &str, topic: &str| json!({ "name": "Ana Nym", "email": email, "phone": "612345678", "topic": topic, "question": question });
    let (user, topic) = ("/umishop_api/user", "/umishop_api/topic");
    assert_eq!(post(user, &person("ana@example.com", "", ""), "call-1").await, 200);
    assert_eq!(post("/umishop_api/open-sesame/user", &person("perm550@example.com", "", ""), "call-2").await, 200);
    assert_eq!(post(topic, &person("ana@example.com", "My deepest secret", "crm"), "call-3").await, 200);
    assert_eq!(post(topic, &person("ana@example.com", "My deepest secret", "gone"), "call-4").await, 200);
    assert_eq!(post(user, &json!("ana@example.com 612345678 My deepest secret"), "call-5").await, 400);
    assert_eq!(post("/umishop_api/wrong-sesame/user", &person("eva@example.com", "", ""), "call-6").await, 401);
    while process.items("/api/messages?state=dead", ADMIN_TOKEN).await.len() < 2 {}
    while process.items("/api/messages?state=delivered", ADMIN_TOKEN).await.len() < 2 {}
    let suppression = "/api/suppressions/perm550%40example.com";
    let token = format!("Bearer {ADMIN_TOKEN}");
    let lifted = client::send(process.address, "DELETE", suppression, &[("Authorization", &token)], b"").await;
    assert_eq!(lifted.status, 200);
    process.terminate();
    std::fs::read_to_string(directory.path().join("log")).unwrap()
}

fn assert_tells_nothing(log: &str) {
    for private in
        ["ana@", "eva@", "perm550@", "perm550%40", "612345678", "Ana Nym", "deepest", "sesame", ADMIN_TOKEN, "hello@"]
    {
        let line = log.lines().find(|line| line.contains(private));
        assert!(line.is_none(), "`{private}` is logged: {line:?}");
    }
}

#[tokio::test]
async fn a_line_for_each_attempt_has_the_documented_fields_and_no_line_tells_a_secret() {
    let log = log_of_a_busy_day("format = \"json\"\nlevel = \"debug\"").await;
    assert_tells_nothing(&log);
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let attempts: Vec<&Value> = lines.iter().filter(|line| line["fields"]["attempt"].is_number()).collect();
    let mut seen = Vec::new();
    for line in attempts {
        let fields = line["fields"].as_object().unwrap();
        let names: Vec<&str> = fields.keys().map(String::as_str).collect();
        let documented = [
            "attempt",
            "channel",
            "duration_ms",
            "lateness_ms",
            "message",
            "message.id",
            "outcome",
            "purpose",
            "reason",
            "scope",
        ];
        assert_eq!(names, documented, "{line}");
        assert!(fields["duration_ms"].is_u64() && fields["lateness_ms"].is_u64(), "{line}");
        let text = |name: &str| fields[name].as_str().unwrap();
        assert!(text("message").contains(text("message.id")), "{line}");
        assert_eq!(text("reason").is_empty(), text("outcome") == "delivered", "{line}");
        let level = if text("outcome") == "dead" { "WARN" } else { "INFO" };
        assert_eq!(line["level"], level, "{line}");
        seen.push([text("channel"), text("purpose"), text("outcome"), text("scope")].join(" ").trim_end().to_owned());
    }
    seen.sort();
    assert_eq!(
        seen,
        [
            "email.welcome welcome dead recipient",
            "email.welcome welcome delivered",
            "http.crm request delivered",
            "http.gone request dead destination",
        ]
    );
    // Of each call there are its webhook's line and its own, under its id.
    let of_call = |id: &str| {
        let lines = lines.iter().filter(|line| line["span"]["id"] == id && line["level"] == "DEBUG");
        lines.map(|line| line["fields"].clone()).collect::<Vec<_>>()
    };
    let [webhook, answered] = &of_call("call-2")[..] else { panic!("{:?}", of_call("call-2")) };
    assert_eq!((&webhook["webhook"], &webhook["status"]), (&json!("user"), &json!("created")));
    assert_eq!(
        (&answered["area"], &answered["method"], &answered["code"]),
        (&json!("user"), &json!("POST"), &json!(200))
    );
    let kept = lines.iter().find(|line| line["fields"]["inbox.id"].is_string()).unwrap();
    assert_eq!((&kept["span"]["id"], &kept["level"]), (&json!("call-5"), &json!("WARN")));
}

#[tokio::test]
async fn at_info_a_call_that_went_well_leaves_no_line_and_each_attempt_one() {
    let log = log_of_a_busy_day("").await;
    assert_tells_nothing(&log);
    assert!(!log.contains("call-1") && !log.contains("call-3"), "{log}");
    assert!(log.contains("call{id=\"call-5\"}"), "{log}");
    assert_eq!(log.matches(" lateness_ms=").count(), 4, "{log}");
    assert!(log.lines().any(|line| line.contains(" is delivered ") && line.contains("outcome=\"delivered\"")), "{log}");
}
