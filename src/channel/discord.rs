//! Discord: a channel's webhook.
//!
//! Each post waits until Discord has it, because without `wait` a message that was not kept looks like one that was. The
//! version of the API is written into the address: another one tells the wait after a 429 in milliseconds.
//!
//! Sources: docs.discord.com, "Webhook Resource", "Message Resource" (limits of embeds, `allowed_mentions`), "Rate Limits",
//! "Opcodes and Status Codes". How often a webhook may post is not documented there; five in two seconds and thirty a
//! minute in each channel is what its users see.

use std::sync::Arc;
use std::time::Duration;

use figment::Figment;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::api::{Api, Call, Identifier, Web, after, colour, secret_address, wrong};
use super::secrets::Secrets;
use super::text::{fit, start, units};
use super::wire::Answer;
use super::{Channel, Kind, Meaning, Pace};
use crate::domain::{Markup, Outcome, Rendered, Scope};

/// Discord.
pub(super) const KIND: Kind = Kind {
    name: "discord",
    summary: "Posts to a Discord channel through its webhook.",
    example: r#"
webhook_url = "https://discord.com/api/webhooks/1234567890/correct-horse-battery"
# thread_id = "1234567890"               # a thread of that channel; a post of a forum
# timeout   = "15s"
"#,
    pasted: &["{webhook_url}"],
    notes: "
- **The webhook**: in Discord open the channel's settings (the cog), then *Integrations › Webhooks › New Webhook › Copy
  Webhook URL*. That needs the permission *Manage Webhooks*. The name and the picture that it posts under are chosen there.
- **A forum** has no place for a message of its own: make a post in it, and write that post's id into `thread_id`. Ids are
  shown by *Copy Thread ID* once *Settings › Advanced › Developer Mode* is on. `?thread_id=…` behind the address does the
  same.
- **Limits**: 4,096 characters of text under a title of 256; what does not fit can be read in the console. About thirty
  messages a minute in each channel; when it is too fast, Discord says how long to wait.
- A webhook that Discord does not know is not tried again: it locks out who insists.
- A customer's text can mention nobody.
- Discord knows no idempotency key: where a message twice is worse than none, write `on_unknown = \"hold\"`.
",
    meanings: MEANINGS,
    shared: &[],
    pace: Pace { rate: "30/m", burst: 5, ..Pace::CHAT },
    open,
};

const MEANINGS: &[Meaning] = &[
    Meaning::dead(
        &["50027", "HTTP 401"],
        Scope::Channel,
        "the webhook's token is wrong: copy its address from Discord again into `webhook_url`",
    ),
    Meaning::dead(
        &["10015"],
        Scope::Destination,
        "the webhook was deleted: make a new one in Discord and write its address into `webhook_url`",
    ),
    Meaning::dead(
        &["10003"],
        Scope::Destination,
        "there is no such thread in the webhook's channel: check `thread_id`",
    ),
    Meaning::dead(
        &["50083", "160005"],
        Scope::Destination,
        "the thread is archived or locked: open it again, or write another `thread_id`",
    ),
    Meaning::dead(
        &["220001"],
        Scope::Destination,
        "the channel is a forum: make a post there and write its id into `thread_id`",
    ),
    Meaning::dead(&["HTTP 404", "HTTP 410"], Scope::Destination, "no webhook is there: check `webhook_url`"),
    Meaning::dead(&["200000", "200001", "240000"], Scope::Message, "the moderation of that Discord server refuses it"),
    Meaning::retry(
        &["20028", "20029", "40004", "40062", "40333", "130000"],
        Scope::Channel,
        "nothing: it goes on when Discord says so",
    ),
];

/// Discord's limit of an embed's title.
const LONGEST_TITLE: usize = 256;

/// Discord's limit of an embed's description.
const LONGEST_TEXT: usize = 4096;

// No Debug: the address is a secret.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    webhook_url: SecretString,
    thread_id: Option<Identifier>,
    #[serde(default, with = "humantime_serde")]
    timeout: Option<Duration>,
}

/// The address of the webhook, in the version of the API that is spoken here.
struct Discord {
    url: Url,
    thread: Option<String>,
}

fn open(table: &Figment) -> Result<Arc<dyn Channel>, figment::Error> {
    let settings: Settings = table.extract()?;
    let copied = secret_address("webhook_url", &settings.webhook_url)?;
    let (url, token) = versioned(&copied).ok_or_else(|| {
        wrong("webhook_url", "the address of a webhook ends in /api/webhooks/NUMBER/TOKEN: copy it again")
    })?;
    let in_address = copied.query_pairs().find(|(key, _)| key == "thread_id").map(|(_, thread)| thread.into_owned());
    let thread = settings.thread_id.map(Identifier::into_text).or(in_address);
    if thread.as_ref().is_some_and(|thread| thread.is_empty() || !thread.bytes().all(|byte| byte.is_ascii_digit())) {
        return Err(wrong("thread_id", "the id of a thread is a number such as 1234567890: see Copy Thread ID"));
    }
    let secrets = Secrets::these([token.as_str()]);
    Ok(Web::open(&KIND, Discord { url: url.clone(), thread }, &url, secrets, settings.timeout))
}

/// `…/api/webhooks/NUMBER/TOKEN` under version 10 of the API, and its token. What is left out is a version in the address,
/// what makes it one for Slack or GitHub, and the query.
fn versioned(copied: &Url) -> Option<(Url, String)> {
    let steps: Vec<&str> = copied.path_segments()?.collect();
    let at = steps.iter().position(|step| *step == "webhooks")?;
    let (id, token) = (steps.get(at + 1)?, steps.get(at + 2).filter(|token| !token.is_empty())?);
    let api = steps.iter().position(|step| *step == "api").filter(|api| *api < at)?;
    let mut url = copied.clone();
    url.set_query(None);
    url.path_segments_mut().ok()?.clear().extend(&steps[..=api]).extend(["v10", "webhooks", id, token]);
    Some((url, (*token).to_owned()))
}

impl Api for Discord {
    fn markup(&self) -> Markup {
        Markup::Markdown
    }

    fn call(&self, message: &Rendered) -> Result<Call, Outcome> {
        let mut url = self.url.clone();
        url.query_pairs_mut().append_pair("wait", "true");
        if let Some(thread) = &self.thread {
            url.query_pairs_mut().append_pair("thread_id", thread);
        }
        Ok(Call::post(url, &body(message)))
    }

    fn outcome(&self, answer: &Answer) -> Outcome {
        let said = answer.json();
        match (answer.status, said["id"].as_str()) {
            (200, Some(id)) => Outcome::delivered(id),
            (200, None) => answer.is_not("Discord's"),
            (204, _) => Outcome::delivered(""),
            _ => refused(answer, &said),
        }
    }

    fn question(&self) -> Option<Call> {
        Some(Call::get(self.url.clone()))
    }

    fn checked(&self, answer: &Answer) -> Outcome {
        match self.outcome(answer) {
            Outcome::Delivered { .. } => {
                Outcome::delivered(format!("the webhook {}", answer.json()["name"].as_str().unwrap_or_default()))
            }
            outcome => outcome,
        }
    }
}

/// What Discord's own number for an error means; which field is wrong stands beside it.
fn refused(answer: &Answer, said: &Value) -> Outcome {
    let code = said["code"].as_u64().map(|code| code.to_string()).unwrap_or_default();
    let words = match said["message"].as_str() {
        Some(message) if said["errors"].is_null() && !code.is_empty() => format!("{message} ({code})"),
        _ => String::new(),
    };
    after(answer.judge(MEANINGS, &[&code], &words), said["retry_after"].as_f64())
}

fn body(message: &Rendered) -> Value {
    let link = message.chat_url.as_ref().map(|url| format!("\n\n[Open chat]({url})")).unwrap_or_default();
    let text = fit(message.rich.trim(), LONGEST_TEXT - units(&link));
    let mut embed = json!({
        "title": start(&message.heading, LONGEST_TITLE),
        "description": format!("{text}{link}"),
        "timestamp": message.created_at,
        "color": colour(message.purpose),
    });
    if let Some(url) = &message.chat_url {
        embed["url"] = Value::from(url.as_str());
    }
    json!({"allowed_mentions": {"parse": []}, "embeds": [embed]})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_was_copied_becomes_an_address_of_the_version_that_is_spoken() {
        for (copied, path) in [
            ("https://discord.com/api/webhooks/12/to-ken", "/api/v10/webhooks/12/to-ken"),
            ("https://discord.com/api/v6/webhooks/12/to-ken?wait=false", "/api/v10/webhooks/12/to-ken"),
            ("https://ptb.discord.com/api/webhooks/12/to-ken/slack", "/api/v10/webhooks/12/to-ken"),
            ("https://proxy.example/discord/api/webhooks/12/to-ken", "/discord/api/v10/webhooks/12/to-ken"),
        ] {
            let (url, token) = versioned(&Url::parse(copied).unwrap()).unwrap();
            assert_eq!((url.path(), url.query(), token.as_str()), (path, None, "to-ken"), "{copied}");
        }
        for other in
            ["https://discord.com/channels/1/2", "https://discord.com/api/webhooks/12/", "https://discord.com/"]
        {
            assert!(versioned(&Url::parse(other).unwrap()).is_none(), "{other}");
        }
    }
}
