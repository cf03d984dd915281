//! Mail through a real SMTP server, with STARTTLS and a login, read back from where it was delivered.
//!
//! `tests/smtp/server` starts that server, which takes root. So these tests run where the environment names one, as in
//! `.ci/run`; elsewhere they say that they were left out.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::mail::Letter;
use crate::support::{TestApp, left_out};

const A_MINUTE: Duration = Duration::from_mins(1);

/// The headers that a mail leaves us with.
const HEADERS: &str = "Message-ID Date From To Reply-To Subject Auto-Submitted MIME-Version Content-Type";

/// The headers that are added on the way.
const ADDED: [&str; 4] = ["Return-Path", "X-Original-To", "Delivered-To", "Received"];

/// A server that `tests/smtp/server start` has started.
struct Server {
    address: String,
    username: String,
    password: String,
    ca_file: String,
    maildir: PathBuf,
    log: PathBuf,
}

impl Server {
    /// The one that the environment names. `None`, and said aloud: it names none.
    fn find() -> Option<Self> {
        let server = Self::of_environment();
        if server.is_none() {
            left_out("it needs a real SMTP server: run .ci/run, or `just smtp cargo test --test it -- smtp_server`");
        }
        server
    }

    fn of_environment() -> Option<Self> {
        let variable = |name: &str| std::env::var(format!("UMISHOP_TEST_SMTP_{name}")).ok();
        Some(Self {
            address: variable("SERVER")?,
            username: variable("USERNAME")?,
            password: variable("PASSWORD")?,
            ca_file: variable("CA_FILE")?,
            maildir: variable("MAILDIR")?.into(),
            log: variable("LOG")?.into(),
        })
    }

    /// A config.toml that sends everything through this server.
    fn config(&self, password: &str) -> String {
        let Self { address, username, ca_file, .. } = self;
        format!(
            "[channels.email.welcome]\nserver = \"{address}\"\nusername = \"{username}\"\npassword = \"{password}\"\n\
             ca_file = \"{ca_file}\"\nfrom = \"UmiShop Málaga <hello@shop.test>\"\n\
             [channels.email.sales]\nto = \"sales@shop.test\"\n[[routes]]\nchannels = [\"email.sales\"]\n"
        )
    }

    /// Every mail that was delivered so far and names one of `messages`.
    fn mails_of(&self, messages: &[Value]) -> Vec<String> {
        let names: Vec<_> = messages.iter().map(message_id).collect();
        // The directory is made for the first mail. What stands in it is whole.
        let files = fs::read_dir(self.maildir.join("new")).into_iter().flatten();
        let mails = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
        mails.filter(|mail| names.iter().any(|name| mail.contains(&format!("<{name}>")))).collect()
    }

    /// The mails of `messages`, once the server is done with them.
    async fn wait_for(&self, messages: &[Value]) -> Vec<String> {
        loop {
            let log = fs::read_to_string(&self.log).unwrap();
            assert!(!log.contains("status=bounced") && !log.contains("status=deferred"), "{log}");
            if messages.iter().all(|message| log.contains(&format!("{}: removed", queued_as(message)))) {
                return self.mails_of(messages);
            }
            tokio::task::yield_now().await;
        }
    }

    async fn letter(&self, message: &Value) -> (String, Letter) {
        let mails = self.wait_for(std::slice::from_ref(message)).await;
        let [raw] = <[String; 1]>::try_from(mails).unwrap();
        let letter = Letter::read(&raw);
        (raw, letter)
    }
}

fn message_id(message: &Value) -> String {
    format!("{}@shop.test", message["id"].as_str().unwrap())
}

/// The server's own name for it.
fn queued_as(message: &Value) -> &str {
    message["reference"].as_str().unwrap().rsplit(' ').next().unwrap()
}

/// The names of the headers that we wrote, in order.
fn ours(letter: &Letter) -> String {
    let ours = letter.headers.iter().map(String::as_str).filter(|name| !ADDED.contains(name));
    ours.collect::<Vec<_>>().join(" ")
}

async fn delivered(app: &TestApp) -> Vec<Value> {
    let messages = app.items("/api/messages?limit=100").await;
    for message in &messages {
        assert_eq!((&message["state"], &message["attempts"]), (&json!("delivered"), &json!(1)), "{message}");
    }
    messages
}

#[tokio::test]
async fn a_welcome_is_received_a_minute_later_with_its_headers_and_both_texts() {
    let Some(server) = Server::find() else { return };
    let app = TestApp::start_live(&server.config(&server.password)).await;
    app.register("Zoë Ñandú \"the boss\"", "zoe@shop.test").await;
    assert_eq!(app.advance(Duration::from_secs(59)).await, 0);
    assert_eq!(app.advance(Duration::from_secs(1)).await, 1);
    let messages = delivered(&app).await;
    assert!(messages[0]["reference"].as_str().unwrap().starts_with("250 2.0.0 Ok: queued as "), "{messages:?}");

    let (raw, letter) = server.letter(&messages[0]).await;
    assert!(raw.contains("with ESMTPSA id") && raw.contains("Return-Path: <hello@shop.test>"), "{raw}");
    assert!(raw.contains("Delivered-To: zoe@shop.test"), "{raw}");
    assert_eq!(ours(&letter), HEADERS.replace("Reply-To ", ""));
    assert_eq!(letter.message_id, message_id(&messages[0]));
    assert_eq!(letter.date, "Tue, 24 Nov 2026 09:30:00 +0000");
    assert_eq!(letter.from, "UmiShop Málaga <hello@shop.test>");
    assert_eq!(letter.to, "Zoë Ñandú \"the boss\" <zoe@shop.test>");
    // The country of her phone is Spain.
    assert_eq!(letter.subject, "Te damos la bienvenida a UmiShop, Zoë Ñandú \"the boss\"");
    assert_eq!(letter.auto_submitted, "auto-generated");
    assert!(letter.text.starts_with("Hola, Zoë Ñandú \"the boss\":\n\nGracias por registrarte"), "{}", letter.text);
    assert!(letter.html.contains("Hola, Zoë Ñandú &quot;the boss&quot;:"), "{}", letter.html);
}

#[tokio::test]
async fn a_question_is_received_whatever_its_lines_are_like_and_answered_to_the_customer() {
    let Some(server) = Server::find() else { return };
    // The built-in texts quote a question, so that no line of theirs begins with a dot.
    let templates = tempfile::tempdir().unwrap();
    fs::write(templates.path().join("request.txt"), "Subject: {{ topic }}: {{ name }}\n\n{{ question }}\n").unwrap();
    let config = format!("[templates]\ndirectory = {:?}\n{}", templates.path(), server.config(&server.password));
    let dots = ".hidden\n..\n.\n.. and on";
    let long = format!("{dots}\n{}.\n¿Sí?", "0123456789".repeat(500));
    for question in [dots, &long] {
        let app = TestApp::start_live(&config).await;
        let body = json!({ "topic": "Envíos", "question": question, "name": "Zoë Ñandú", "email": "zoe@shop.test" });
        assert_eq!(app.post("/umishop_api/topic", &body).await.json()["status"], "queued");
        assert_eq!(app.deliver_due().await, 1);
        let messages = delivered(&app).await;
        let (raw, letter) = server.letter(&messages[0]).await;
        assert!(raw.contains("Delivered-To: sales@shop.test"), "{raw}");
        assert!(question == long || raw.contains(&format!("\n{dots}\n")), "these lines went as they are: {raw}");
        assert!(raw.lines().all(|line| line.len() <= 998), "{raw}");
        assert_eq!(ours(&letter), HEADERS);
        assert_eq!(letter.message_id, message_id(&messages[0]));
        assert_eq!((letter.to.as_str(), letter.reply_to.as_str()), ("sales@shop.test", "Zoë Ñandú <zoe@shop.test>"));
        assert_eq!(letter.subject, "Envíos: Zoë Ñandú");
        assert_eq!(letter.text.trim_end(), question);
        assert!(letter.html.contains(&format!(">{question}\n<")), "{}", letter.html);
    }
}

#[tokio::test]
async fn a_wrong_password_costs_no_attempt_and_the_right_one_sends_what_waited() {
    let Some(server) = Server::find() else { return };
    let app = TestApp::start_live(&server.config("correct-horse")).await;
    app.register("Ana", "ana@shop.test").await;
    app.advance(A_MINUTE).await;
    for _ in 0..3 {
        assert_eq!(app.advance(Duration::from_mins(5)).await, 1, "the channel is tried out");
    }
    let messages = app.items("/api/messages").await;
    let waiting = app.message(&messages[0]).await;
    assert_eq!((&waiting["state"], &waiting["attempts"]), (&json!("pending"), &json!(0)), "{waiting}");
    let why = waiting["last_error"].as_str().unwrap();
    assert!(why.contains("535 5.7.8") && why.contains("`password`") && !why.contains("correct-horse"), "{why}");
    let history = waiting["history"].as_array().unwrap();
    assert!(history.len() == 4 && history.iter().all(|attempt| attempt["scope"] == "channel"), "{history:?}");

    let app = app.restart_live(&server.config(&server.password)).await;
    app.advance(Duration::from_mins(5)).await;
    assert_eq!(server.wait_for(&delivered(&app).await).await.len(), 1);
}

#[tokio::test]
async fn fifty_mails_arrive_once_each_over_few_connections() {
    let Some(server) = Server::find() else { return };
    let app = TestApp::start_live(&server.config(&server.password)).await;
    for number in 0..50 {
        app.register(&format!("Customer {number}"), &format!("c{number}@shop.test")).await;
    }
    assert_eq!(app.advance(A_MINUTE).await, 50);
    let messages = delivered(&app).await;
    assert_eq!(messages.len(), 50);
    let mails = server.wait_for(&messages).await;
    let mut to: Vec<_> = mails.iter().map(|mail| Letter::read(mail).to).collect();
    let mut expected: Vec<_> = (0..50).map(|number| format!("Customer {number} <c{number}@shop.test>")).collect();
    to.sort();
    expected.sort();
    assert_eq!(to, expected);

    let connections = connections(&server.log, &messages.iter().map(queued_as).collect());
    assert!(connections <= 8, "{connections} connections");
}

/// How many connections the mails came over that the server has `queued` under these names.
fn connections(log: &Path, queued: &BTreeSet<&str>) -> usize {
    let log = fs::read_to_string(log).unwrap();
    // Each process of the server takes one connection after the other.
    let (mut connections, mut of_process) = (0, HashMap::new());
    let (mut found, mut used) = (0, BTreeSet::new());
    for (process, said) in log.lines().filter_map(|line| line.split_once("postfix/smtpd[")?.1.split_once("]: ")) {
        if said.starts_with("connect from ") {
            connections += 1;
            of_process.insert(process, connections);
        } else if said.split_once(": client=").is_some_and(|(name, _)| queued.contains(name)) {
            found += 1;
            used.insert(of_process[process]);
        }
    }
    assert_eq!(found, queued.len(), "{log}");
    used.len()
}
