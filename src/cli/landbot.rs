//! `umishop landbot`
//!
//! Everything that is to be typed or pasted into Landbot, filled in from the configuration. Every value in a body is
//! quoted: an unset variable then leaves an empty text instead of broken JSON.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use secrecy::ExposeSecret;
use serde_json::json;

use super::Global;
use crate::config::{Auth, Config};
use crate::domain::Topic;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Show the secret itself instead of where it comes from
    #[arg(long)]
    show_secret: bool,
}

/// Fields of where the customer came from, by Landbot's hidden fields of the same names.
const ORIGIN: &str = r#"  "landbot_customer_id": "@{id}",
  "chat_uuid": "@{umi_chat}",
  "channel": "web",
  "utm_source": "@{utm_source}",
  "utm_medium": "@{utm_medium}",
  "utm_campaign": "@{utm_campaign}",
  "utm_term": "@{utm_term}",
  "utm_content": "@{utm_content}",
  "gclid": "@{gclid}",
  "fbclid": "@{fbclid}",
  "ref": "@{ref}",
  "referrer": "@{page_referrer}",
  "landing_page": "@{landing_page}""#;

/// What to paste.
struct Paste {
    user_url: String,
    topic_url: String,
    secret: Option<String>,
    topics: Vec<String>,
}

pub(super) fn run(global: &Global, arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let config = global.load()?.config;
    let paste = Paste::new(&config, arguments.show_secret);
    if global.json {
        let answer = json!({
            "user": { "url": paste.user_url, "body": user_body() },
            "topic": { "url": paste.topic_url, "body": topic_body() },
            "headers": paste.headers(),
            "prompt": paste.prompt(),
        });
        writeln!(out, "{}", serde_json::to_string_pretty(&answer)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    if config.server.public_url.is_none() {
        writeln!(
            out,
            "Landbot calls only public https:// addresses: set [server] public_url, and this text is filled in.\n"
        )?;
    }
    writeln!(out, "1. Webhook block that registers the customer: POST\n\n{}\n", paste.user_url)?;
    writeln!(out, "2. Webhook block that carries the question: POST\n\n{}\n", paste.topic_url)?;
    writeln!(out, "Headers of both\n")?;
    for (name, value) in paste.headers() {
        writeln!(out, "{name}: {value}")?;
    }
    writeln!(out, "\nBody of the first (Customize body; insert the variables with the picker)\n\n{}\n", user_body())?;
    writeln!(out, "Body of the second\n\n{}\n", topic_body())?;
    writeln!(out, "Save from both answers: message → @umi_message, status → @umi_status, field → @umi_field\n")?;
    writeln!(out, "Or paste this into Landbot's \"Build it for me\":\n\n{}", paste.prompt())?;
    Ok(ExitCode::SUCCESS)
}

impl Paste {
    fn new(config: &Config, show_secret: bool) -> Self {
        let base = config.server.public_url.clone().unwrap_or_else(|| "https://YOUR-PUBLIC-ADDRESS".to_owned());
        let secret = match &config.intake.auth {
            Auth::Secret(Some(secret)) if show_secret => Some(secret.expose_secret().to_owned()),
            Auth::Secret(Some(_)) => Some("(your intake secret; --show-secret prints it)".to_owned()),
            Auth::Secret(None) => Some("(the value you give UMISHOP_SECRET)".to_owned()),
            Auth::None => None,
        };
        Self {
            user_url: format!("{base}/umishop_api/user"),
            topic_url: format!("{base}/umishop_api/topic"),
            secret,
            topics: config.routes.topics().map(Topic::as_str).map(str::to_owned).collect(),
        }
    }

    fn headers(&self) -> Vec<(&'static str, &str)> {
        let mut headers = vec![("Content-Type", "application/json")];
        headers.extend(self.secret.as_deref().map(|secret| ("X-Umishop-Secret", secret)));
        headers
    }

    /// A description of the whole bot, for Landbot's own assistant to build.
    fn prompt(&self) -> String {
        let headers: Vec<String> = self.headers().iter().map(|(name, value)| format!("   {name}: {value}")).collect();
        format!(
            r#"Build a chatbot for the online shop UmiShop.

1. Greet the visitor and ask for their name. Save it as @name.
2. Ask for their e-mail address with an e-mail question. Save it as @email.
3. Ask for their phone number with a phone question. Save it as @phone. Let them skip it.
4. Set the field @umi_chat to ${{chat_uuid}}.
5. Add a Webhook block: POST {user_url}
   with these headers:
{headers}
   and this custom body:
{user_body}
   Save from the answer: message as @umi_message, status as @umi_status, field as @umi_field.
   On 200, say @umi_message and go on. On 422, say @umi_message and go back to step 2.
   On anything else, apologise, say that we will get in touch by e-mail, and go on.
6. Ask "How can we help?" with buttons (not with a Yes/No question): {topics}. Save the choice as @topic.
7. Ask "What would you like to know?" Save it as @question.
8. Add a Webhook block: POST {topic_url}
   with the same headers and this custom body:
{topic_body}
   Save from the answer: message as @umi_message, status as @umi_status, field as @umi_field.
   On 200, say @umi_message. On 422, say @umi_message and go back to step 7.
   On anything else, apologise and give an e-mail address to write to.
9. Clear @topic and @question. Ask "Anything else?" with the buttons "Another question" (go to step 6) and
   "No, thank you" (say goodbye).

Do not use Code blocks. Read hidden fields of these names from the page's address: utm_source, utm_medium,
utm_campaign, utm_term, utm_content, gclid, fbclid, ref."#,
            user_url = self.user_url,
            topic_url = self.topic_url,
            headers = headers.join("\n"),
            user_body = user_body(),
            topic_body = topic_body(),
            topics = self.topics.join(", "),
        )
    }
}

fn user_body() -> String {
    format!("{{\n  \"name\": \"@{{name}}\",\n  \"email\": \"@{{email}}\",\n  \"phone\": \"@{{phone}}\",\n{ORIGIN}\n}}")
}

fn topic_body() -> String {
    format!(
        "{{\n  \"topic\": \"@{{topic}}\",\n  \"question\": \"@{{question}}\",\n  \"name\": \"@{{name}}\",\n  \
         \"email\": \"@{{email}}\",\n  \"phone\": \"@{{phone}}\",\n{ORIGIN}\n}}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bodies_are_json_before_any_variable_is_filled_in() {
        for body in [user_body(), topic_body()] {
            let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&body).unwrap();
            assert!(fields.values().all(serde_json::Value::is_string));
        }
    }
}
