//! `umishop doctor`: the binary, with name servers, mail servers and APIs of this machine that are well or not.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use umishop::clock::Clock;
use umishop::domain::Timestamp;
use umishop::store::Store as _;
use umishop::store::sqlite::SqliteStore;

use crate::command_line::{configured, run};
use crate::name_server::NameServer;
use crate::process::{Process, command};
use crate::sinks::{Entrance, SmtpSink};

/// A report, and the exit code.
fn report(directory: &Path, arguments: &[&str]) -> (Option<i32>, Value) {
    let (code, out, error) = run(directory, &[&["doctor", "--json"], arguments].concat());
    (code, serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{error}")))
}

/// How it is with `subject`, and what was said of it; several things on as many lines.
fn of(report: &Value, subject: &str) -> String {
    let told =
        |finding: &Value| format!("{}: {}", finding["severity"].as_str().unwrap(), finding["what"].as_str().unwrap());
    let all = report["findings"].as_array().unwrap();
    let told: Vec<String> = all.iter().filter(|finding| finding["subject"] == subject).map(told).collect();
    assert!(!told.is_empty(), "{subject} in {report:#}");
    told.join("\n")
}

fn live(channels: &str) -> tempfile::TempDir {
    configured(&format!(
        "sandbox = false\n[server]\nlisten = \"127.0.0.1:0\"\n[intake]\nsecret = \"a-long-secret-of-the-tests\"\n\
         [backup]\ndirectory = \".\"\n[welcome]\nchannel = \"\"\n{channels}"
    ))
}

/// A shop whose mail goes from this domain to this server.
fn mailing(domain: &str, server: &str) -> tempfile::TempDir {
    live(&format!(
        "[channels.email.desk]\nserver = \"{server}\"\nusername = \"\"\nfrom = \"hello@{domain}\"\nto = \"desk@{domain}\"\n\
         [[routes]]\nchannels = [\"email.desk\"]\n"
    ))
}

fn slack(api: SocketAddr) -> String {
    format!(
        "[channels.slack.desk]\ntoken = \"xoxb-1\"\nchannel = \"#desk\"\napi_url = \"http://{api}\"\n\
         [[routes]]\nchannels = [\"slack.desk\"]\n"
    )
}

/// Answers every call with this, and with this date.
fn api(body: &'static str, date: Timestamp) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            // All that a question needs fits into one read; what is left of it is for nobody.
            drop(stream.read(&mut [0; 4096]));
            let (length, date) = (body.len(), date.to_rfc_2822());
            let head =
                format!("HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            drop(stream.write_all(format!("{head}{body}").as_bytes()));
        }
    });
    address
}

/// As it is when the server has stopped in good order.
async fn make_database(directory: &Path) {
    SqliteStore::open(&directory.join("umishop.db")).unwrap().close().await.unwrap();
}

/// The names of what lies in it.
fn files(directory: &Path) -> Vec<std::ffi::OsString> {
    let mut names: Vec<_> = std::fs::read_dir(directory).unwrap().map(|file| file.unwrap().file_name()).collect();
    names.sort();
    names
}

/// A domain on which all is well.
const WELL: &[(&str, &str)] = &[
    ("shop.test", "some-verification=1"),
    ("shop.test", "v=spf1 include:_spf.host.test ~all"),
    ("_spf.host.test", "v=spf1 ip4:192.0.2.0/24 -all"),
    ("_dmarc.shop.test", "v=DMARC1; p=quarantine; rua=mailto:dmarc@shop.test"),
    ("k1._domainkey.shop.test", "v=DKIM1; k=rsa; p=MIGfMA0"),
];

const EXCHANGES: &[(&str, &str)] = &[("shop.test", "mx.host.test"), ("a.b.shop.test", "mx.host.test")];

const SLACK_OK: &str = r#"{"ok":true,"user":"umishop","team":"The Shop"}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shop_that_is_well_is_told_so_while_it_runs_and_nothing_is_sent() {
    let sink = SmtpSink::start(Entrance::Plain).await;
    let names = NameServer::start(WELL, EXCHANGES);
    let slack = slack(api(SLACK_OK, Clock::system().now()));
    let directory = live(&format!(
        "[channels.email.desk]\nserver = \"smtp://{}\"\nusername = \"\"\nfrom = \"hello@shop.test\"\nto = \"desk@shop.test\"\n{slack}",
        sink.address()
    ));
    let process = Process::start(directory.path());
    assert_eq!(run(directory.path(), &["backup"]).0, Some(0));
    let output = command(directory.path(), &["doctor", "--json", "--deep", "--dns", &names.address.to_string()])
        .env("UMISHOP_SERVER__LISTEN", process.address.to_string())
        .env("UMISHOP_SERVER__PUBLIC_URL", format!("http://{}", process.address))
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (output.status.code(), &report["ok"], &report["unknown"]),
        (Some(0), &true.into(), &0.into()),
        "{report:#}"
    );
    for (subject, expected) in [
        ("email.desk", "takes the credentials: hello@shop.test"),
        ("slack.desk", "takes the credentials: umishop in The Shop"),
        ("shop.test", "takes mail at mx.host.test"),
        ("shop.test SPF", "one record, 1 of 10 questions"),
        ("shop.test DKIM", "a key is there (k1)"),
        ("shop.test DMARC", "p=quarantine"),
        ("server", "umishop runs at"),
        ("public address", "umishop answers at"),
        ("time of day", "agrees with that of 127.0.0.1"),
        ("database", "is whole"),
        ("backups", "the newest one"),
    ] {
        let told = of(&report, subject);
        assert!(told.starts_with("ok: ") && told.contains(expected), "{told}");
    }
    assert!(sink.mails().is_empty());
}

#[test]
fn a_look_before_the_first_start_fails_nothing_and_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let (code, report) = report(directory.path(), &["--dns", "127.0.0.1:9"]);
    assert_eq!(code, Some(0), "{report:#}");
    assert!(of(&report, "database").contains("is not there yet"));
    assert!(of(&report, "umishop.example").starts_with("warning: is a name for examples"), "{report:#}");
    // Its own credentials are not there: nobody is asked about the example's.
    assert_eq!(of(&report, "slack.pricing"), "warning: not set: SLACK_CHANNEL, SLACK_TOKEN");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    let (_, out, _) = run(directory.path(), &["doctor", "--dns", "127.0.0.1:9"]);
    assert!(out.ends_with(" well\n") && out.contains("\nChannels\n") && out.contains("  → "), "{out}");
}

#[tokio::test]
async fn a_database_at_rest_is_read_without_a_file_more_beside_it() {
    let directory = configured("[server]\nlisten = \"127.0.0.1:0\"\n");
    make_database(directory.path()).await;
    let before = files(directory.path());
    let (code, report) = report(directory.path(), &["--deep", "--dns", "127.0.0.1:9"]);
    assert_eq!(code, Some(0), "{report:#}");
    assert!(of(&report, "database").contains("is whole"));
    assert_eq!(files(directory.path()), before);
}

#[tokio::test]
async fn a_log_that_nobody_has_open_is_left_to_the_server_and_no_file_more_is_made() {
    let directory = configured("[server]\nlisten = \"127.0.0.1:0\"\n");
    let elsewhere = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&elsewhere.path().join("umishop.db")).unwrap();
    // As a copy of the two files leaves them, made while the server runs.
    for name in ["umishop.db", "umishop.db-wal"] {
        std::fs::copy(elsewhere.path().join(name), directory.path().join(name)).unwrap();
    }
    store.close().await.unwrap();
    let before = files(directory.path());
    let (code, report) = report(directory.path(), &["--deep", "--dns", "127.0.0.1:9"]);
    assert_eq!(code, Some(0), "{report:#}");
    let told = of(&report, "database");
    assert!(told.starts_with("unknown: ") && told.contains("a log is left"), "{told}");
    assert_eq!(files(directory.path()), before);
}

#[tokio::test]
async fn a_damaged_database_is_a_problem_for_whoever_looks_deep() {
    let directory = configured("[server]\nlisten = \"127.0.0.1:0\"\n");
    make_database(directory.path()).await;
    let file = directory.path().join("umishop.db");
    let mut bytes = std::fs::read(&file).unwrap();
    // The last page belongs to some table or index.
    let page = bytes.len() - 4096;
    bytes[page..].fill(0x55);
    std::fs::write(&file, bytes).unwrap();
    let (code, report) = report(directory.path(), &["--deep", "--dns", "127.0.0.1:9"]);
    assert_eq!(code, Some(1), "{report:#}");
    assert!(of(&report, "database").starts_with("problem: "), "{report:#}");
}

#[test]
fn a_configuration_that_cannot_be_used_is_a_problem_with_its_mend() {
    let directory = configured("[server]\nlisten = \"nowhere\"\n");
    let (code, report) = report(directory.path(), &[]);
    assert_eq!(code, Some(1));
    assert!(of(&report, "[server] listen").starts_with("problem: config.toml:2"), "{report:#}");
    assert!(report["findings"][0]["mend"].as_str().unwrap().contains("127.0.0.1:8000"));
}

#[test]
fn a_clock_that_differs_from_a_receivers_is_told_by_how_much() {
    let hour = Duration::from_hours(1);
    let now = Clock::system().now();
    for (date, expected) in [(now.before(hour), "s ahead of"), (now.after(hour), "s behind")] {
        let directory = live(&slack(api(SLACK_OK, date)));
        let (code, report) = report(directory.path(), &[]);
        let told = of(&report, "time of day");
        assert!(told.starts_with("warning: 3") && told.contains(expected), "{told}");
        assert_eq!(code, Some(0), "{report:#}");
    }
}

#[test]
fn a_revoked_token_is_a_problem_with_what_to_do() {
    let directory = live(&slack(api(r#"{"ok":false,"error":"token_revoked"}"#, Clock::system().now())));
    let (code, report) = report(directory.path(), &[]);
    assert_eq!(code, Some(1), "{report:#}");
    let told = of(&report, "slack.desk");
    assert!(told.starts_with("problem: ") && told.contains("token_revoked"), "{told}");
}

#[test]
fn a_channel_that_never_answers_does_not_keep_the_others_from_being_told() {
    // Connections are taken by the kernel; nobody ever reads.
    let black_hole = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = slack(api(SLACK_OK, Clock::system().now())).replace("desk", "other");
    let directory = live(&format!(
        "{}{other}",
        slack(black_hole.local_addr().unwrap()).replace("[[routes]]", "[[routes]]\ntopic = \"x\"")
    ));
    let (code, report) = report(directory.path(), &["--timeout", "500ms"]);
    assert_eq!(code, Some(1), "{report:#}");
    assert_eq!(of(&report, "slack.desk"), "problem: no answer within 500ms");
    assert!(of(&report, "slack.other").starts_with("ok: "), "{report:#}");
}

#[test]
fn name_servers_that_cannot_be_asked_are_no_problem_of_the_shop() {
    let directory = mailing("shop.test", "smtp://127.0.0.1:9");
    // Nobody listens at the first; the second is there and never answers.
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    for server in ["127.0.0.1:9", &silent.local_addr().unwrap().to_string()] {
        let (_, report) = report(directory.path(), &["--dns", server, "--timeout", "1s"]);
        assert!(of(&report, "shop.test").starts_with("unknown: "), "{report:#}");
    }
}

/// What is said of a domain whose name server says this.
fn asked(domain: &str, server: &str, texts: &[(&str, &str)]) -> Value {
    let names = NameServer::start(texts, EXCHANGES);
    let directory = mailing(domain, server);
    report(directory.path(), &["--dns", &names.address.to_string(), "--timeout", "10s"]).1
}

const OWN: &str = "smtp://127.0.0.1:9";

#[test]
fn what_is_wrong_with_spf_is_told() {
    let many = format!("v=spf1 {}-all", "a:h.test ".repeat(11));
    let circle = ("circle.test", "v=spf1 include:circle.test -all");
    for (records, expected) in [
        (&[][..], "problem: no record"),
        (&["v=spf10 -all"], "problem: no record"),
        (&["v=spf1 -all", "v=spf1 ~all"], "problem: shop.test has more than one SPF record"),
        (&["v=spf1 mx +all"], "problem: ends with +all"),
        (&["v=spf1 all"], "problem: ends with +all"),
        (&["v=spf1 redirect=open.test"], "problem: ends with +all"),
        (&["v=spf1 mx"], "warning: says nothing against"),
        (&["v=spf1 include:nobody.test -all"], "problem: it includes nobody.test, which has no SPF record"),
        (&["v=spf1 include:circle.test -all"], "problem: takes more than 10 questions"),
        (&["v=spf1 inclde:circle.test -all"], "problem: `inclde:circle.test` in the record of shop.test means nothing"),
        (&["V=SPF1 MX x=1 include:%{d}.host.test ip4:192.0.2.1/32 -ALL"], "ok: one record, 2 of 10"),
        // What is included says nothing of everybody else.
        (&["v=spf1 include:open.test -all"], "ok: one record, 1 of 10"),
        (&[many.as_str()], "problem: takes more than 10 questions"),
    ] {
        let mut texts: Vec<(&str, &str)> = records.iter().map(|record| ("shop.test", *record)).collect();
        texts.extend([circle, ("open.test", "v=spf1 +all")]);
        let told = of(&asked("shop.test", OWN, &texts), "shop.test SPF");
        assert!(told.starts_with(expected), "{records:?}: {told}");
    }
}

#[test]
fn an_answer_that_is_too_long_for_a_datagram_is_read_all_the_same() {
    let long = format!("v=spf1 {}-all", "ip4:192.0.2.1 ".repeat(60));
    let told = of(&asked("shop.test", OWN, &[("shop.test", &long)]), "shop.test SPF");
    assert_eq!(told, "ok: one record, 0 of 10 questions to the DNS");
}

#[test]
fn a_provider_that_is_known_is_asked_for_by_its_own_names() {
    let texts = [("shop.test", "v=spf1 mx -all"), ("s2._domainkey.shop.test", "k=rsa; p=MIGf")];
    let google = asked("shop.test", "smtps://smtp.gmail.com", &texts);
    assert!(of(&google, "shop.test SPF").starts_with("problem: does not include _spf.google.com"), "{google:#}");
    assert!(of(&google, "shop.test DKIM").starts_with("warning: no key under the names that Google"), "{google:#}");
    let sendgrid = asked("shop.test", "smtps://smtp.sendgrid.net", &texts[1..]);
    assert!(of(&sendgrid, "shop.test SPF").starts_with("ok: no record, and none is needed"), "{sendgrid:#}");
    assert!(of(&sendgrid, "shop.test DKIM").starts_with("ok: a key is there (s2)"), "{sendgrid:#}");
    // A key that was withdrawn is none, and of a server that is not known nothing is concluded.
    let own = asked("shop.test", OWN, &[("s1._domainkey.shop.test", "v=DKIM1; p=")]);
    assert!(of(&own, "shop.test DKIM").starts_with("unknown: "), "{own:#}");
}

#[test]
fn dmarc_is_looked_for_on_the_way_up() {
    for (domain, texts, expected) in [
        ("shop.test", &[][..], "warning: no record"),
        (
            "a.b.shop.test",
            &[("_dmarc.shop.test", "v=DMARC1; p=reject; sp=quarantine; rua=mailto:x@shop.test")],
            "ok: p=quarantine, from shop.test",
        ),
        ("shop.test", &[("_dmarc.shop.test", "v=DMARC1;p=none")], "warning: p=none without rua"),
        ("shop.test", &[("_dmarc.shop.test", "v=DMARC1; p=nothing")], "warning: its record has no policy"),
        (
            "shop.test",
            &[("_dmarc.shop.test", "v=DMARC1; p=none"), ("_dmarc.shop.test", "v=DMARC1; p=reject")],
            "warning: _dmarc.shop.test has more than one",
        ),
        ("shop.test", &[("_dmarc.shop.test", "v=DMARC1; p=reject")], "ok: p=reject, and nobody is told"),
    ] {
        let told = of(&asked(domain, OWN, texts), &format!("{domain} DMARC"));
        assert!(told.starts_with(expected), "{texts:?}: {told}");
    }
}

#[test]
fn a_domain_that_takes_no_mail_is_a_problem() {
    for (exchanges, expected) in
        [(&[][..], "problem: has neither"), (&[("shop.test", ".")], "problem: says that it takes no mail")]
    {
        let names = NameServer::start(&[], exchanges);
        let directory = mailing("shop.test", OWN);
        let (_, report) = report(directory.path(), &["--dns", &names.address.to_string()]);
        assert!(of(&report, "shop.test").starts_with(expected), "{report:#}");
    }
}

#[test]
fn a_name_server_of_a_closed_network_is_not_believed_that_the_shop_does_not_exist() {
    let closed = NameServer::closed();
    let directory = mailing("shop.test", OWN);
    let (_, report) = report(directory.path(), &["--dns", &closed.address.to_string()]);
    let told = of(&report, "shop.test");
    assert!(told.starts_with("unknown: ") && told.contains("knows no names of the world"), "{told}");
}

#[test]
fn what_lets_strangers_in_is_told() {
    let config =
        "sandbox = false\n[server]\nlisten = \"127.0.0.1:0\"\n[intake]\nauth = \"none\"\n[admin]\ntoken = \"short\"\n";
    let channel = slack(api(SLACK_OK, Clock::system().now()));
    let directory = configured(&format!("{config}[welcome]\nchannel = \"\"\n{channel}"));
    let (code, report) = report(directory.path(), &[]);
    assert_eq!(code, Some(1));
    assert!(of(&report, "console").starts_with("problem: [admin] token has fewer than 16"), "{report:#}");
    assert!(of(&report, "webhooks").starts_with("warning: ask for no secret"), "{report:#}");
    assert_eq!(of(&report, "backups"), "warning: none are made");
    assert!(!report.to_string().contains("short"), "{report:#}");
}
