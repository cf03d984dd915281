//! `umishop simulate`
//!
//! Plays Landbot: posts what its Webhook block and its `MessageHooks` really send, malformed bodies included, so that an
//! owner sees their server understand them before the first customer does.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::{Global, table};
use crate::clock::Clock;
use crate::config::{Auth, Config, local_url};

/// How long one call may take.
const TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The server's address [default: where this configuration listens]
    #[arg(long)]
    url: Option<String>,
    /// Only this shape
    #[arg(long)]
    shape: Option<Shape>,
}

/// The shapes that bodies come in.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shape {
    /// A JSON object with every value quoted, as docs/landbot.md says
    Object,
    /// The same without any Content-Type, Landbot's default
    NoHeader,
    /// An array of one object, as old bots send
    Array,
    /// The fields inside `customer`
    Customer,
    /// A form
    Form,
    /// Everything in the address
    Query,
    /// Variables that were not set, some of them not even replaced
    Unset,
    /// JSON broken by an unset variable without quotes
    Unquoted,
    /// JSON broken by a line break in the customer's answer
    LineBreak,
    /// A list as Landbot writes it: in Python's notation
    PythonList,
    /// A `MessageHook`: one message of the customer
    Hook,
    /// Not readable at all: kept in the inbox, answered with 400
    Unreadable,
}

/// One call, as Landbot makes it.
struct Call {
    path: String,
    content_type: Option<&'static str>,
    body: String,
    status: u16,
}

pub(super) fn run(global: &Global, arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let config = global.load()?.config;
    let base = arguments.url.clone().unwrap_or_else(|| local_url(config.server.listen));
    let base = base.trim_end_matches('/');
    let shapes = arguments.shape.map_or_else(|| Shape::value_variants().to_vec(), |shape| vec![shape]);
    let agent = crate::channel::web_agent(base.starts_with("https://"), TIMEOUT);
    let mut rows = Vec::new();
    let mut as_expected = true;
    let mut answers = Vec::new();
    for shape in shapes {
        let name = shape.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
        let call = shape.call(Clock::system().now().as_millis());
        let (status, answer) = post(&agent, base, &call, secret(&config))?;
        let matches = status == call.status;
        as_expected &= matches;
        let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
        rows.push([
            name.clone(),
            status.to_string(),
            text("status"),
            text("message"),
            if matches { "" } else { "← not as expected" }.to_owned(),
        ]);
        answers.push(json!({ "shape": name, "status": status, "expected": call.status, "answer": answer }));
    }
    if global.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&answers)?)?;
    } else {
        table::write(out, ["SHAPE", "HTTP", "STATUS", "MESSAGE", ""], &rows)?;
    }
    Ok(if as_expected { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn secret(config: &Config) -> Option<&SecretString> {
    match &config.intake.auth {
        Auth::Secret(secret) => secret.as_ref(),
        Auth::None => None,
    }
}

fn post(agent: &ureq::Agent, base: &str, call: &Call, secret: Option<&SecretString>) -> anyhow::Result<(u16, Value)> {
    let address = format!("{base}{}", call.path);
    let mut request = agent.post(&address);
    if let Some(content_type) = call.content_type {
        request = request.header("Content-Type", content_type);
    }
    if let Some(secret) = secret {
        request = request.header("X-Umishop-Secret", secret.expose_secret());
    }
    // Bytes rather than text: for text the client would add a Content-Type of its own, and Landbot sends none.
    let mut response = request
        .send(call.body.as_bytes())
        .with_context(|| format!("cannot call {address}; is `umishop serve` running there?"))?;
    let body = response.body_mut().read_to_string().context("the answer broke off")?;
    let answer = serde_json::from_str(&body)
        .with_context(|| format!("the answer is not JSON; does umishop listen at {base}?"))?;
    Ok((response.status().as_u16(), answer))
}

impl Shape {
    fn call(self, run: i64) -> Call {
        const JSON: Option<&str> = Some("application/json");
        const FORM: Option<&str> = Some("application/x-www-form-urlencoded");
        let user =
            |content_type, body: String| Call { path: "/umishop_api/user".to_owned(), content_type, body, status: 200 };
        let email = format!("simulate.{run}@example.com");
        let fields = json!({
            "name": "Ana Simulada", "email": email, "phone": "612 345 678", "landbot_customer_id": run.to_string(),
            "utm_source": "simulate", "utm_medium": "cli", "channel": "web",
        });
        let pairs =
            format!("name=Ana+Simulada&email={}&phone=612345678&utm_source=simulate", email.replace('@', "%40"));
        match self {
            Self::Object => user(JSON, fields.to_string()),
            Self::NoHeader => user(None, fields.to_string()),
            Self::Array => user(JSON, json!([fields]).to_string()),
            Self::Customer => user(JSON, json!({ "customer": fields }).to_string()),
            Self::Form => user(FORM, pairs),
            Self::Query => Call { path: format!("/umishop_api/user?{pairs}"), ..user(None, String::new()) },
            Self::Unset => user(
                JSON,
                json!({ "name": "@name", "email": email, "phone": "None", "utm_source": "@{utm_source}", "utm_campaign": "" }).to_string(),
            ),
            Self::Unquoted => user(JSON, format!(r#"{{"name": "Ana", "email": "{email}", "landbot_customer_id": , "phone": }}"#)),
            Self::LineBreak => Call {
                path: "/umishop_api/topic".to_owned(),
                ..user(JSON, format!("{{\"topic\": \"Sales\", \"email\": \"{email}\", \"question\": \"Two lines:\nis that all right?\"}}"))
            },
            Self::PythonList => user(JSON, json!({ "name": "Ana", "email": email, "interests": "['boats', \"Ana's net\"]" }).to_string()),
            Self::Hook => Call { path: "/umishop_api/topic".to_owned(), ..user(JSON, hook(run, &email).to_string()) },
            Self::Unreadable => Call { status: 400, ..user(JSON, r#"{"name": "Ana "the boss" Ruiz", "email": "#.to_owned()) },
        }
    }
}

fn hook(run: i64, email: &str) -> Value {
    json!({ "messages": [{
        "type": "text",
        "timestamp": run / 1000,
        "data": { "body": "Do you ship to Portugal?" },
        "sender": { "id": run, "name": "Ana", "type": "customer" },
        "customer": { "id": run, "name": "Ana", "email": email, "topic": "Pricing", "country": "ES", "is_external": "False" },
        "channel": { "id": 1, "name": "Web", "type": "landbot" },
        "_raw": { "uuid": format!("simulated-{run}"), "author_type": "user" },
    }] })
}
