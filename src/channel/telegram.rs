//! Telegram: a bot's `sendMessage`.
//!
//! Telegram names its errors in a sentence, which is stable and stands in the table below. A group that becomes a
//! supergroup gets a new id; Telegram tells it in the refusal, so that the message goes there in the same attempt.
//!
//! Sources: core.telegram.org, "Bot API" (`sendMessage`, `ResponseParameters`, HTML style, `getMe`) and "Bots FAQ" (20
//! messages a minute into one group); the Bot API server's own source, `Client.cpp` (the sentences).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use figment::Figment;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::api::{Api, Call, Identifier, Web, address, after, below, wrong};
use super::secrets::Secrets;
use super::wire::Answer;
use super::{Channel, Kind, Meaning, Pace};
use crate::domain::{Markup, Outcome, Rendered, Scope};

mod html;

/// Telegram.
pub(super) const KIND: Kind = Kind {
    name: "telegram",
    summary: "Posts to a Telegram group, channel or chat as a bot.",
    example: r#"
token   = "1234567890:correct-horse-battery-staple" # of your bot, from @BotFather
chat_id = "-1001234567890"                      # of the group; a public one by its name, "@umishop"
api_url = "https://api.telegram.org"            # or a Bot API server of your own
# message_thread_id = 7                         # a topic of a group with topics
# timeout = "15s"
"#,
    pasted: &["telegram://{token}@{chat_id}"],
    notes: "
- **A bot**: write `/newbot` to [@BotFather](https://t.me/BotFather) and copy the token. Add the bot to the group; in a
  channel make it an administrator that may post. A person has to write to the bot first.
- **The id of a group**: write `/start` in the group, open `https://api.telegram.org/botTOKEN/getUpdates` in a browser and
  look for `\"chat\":{\"id\":-100…`. A topic's id is the `message_thread_id` beside it. Public groups and channels have
  a name instead: `@umishop`, and as one address `telegram://TOKEN@umishop`.
- **A group that becomes a supergroup** gets a new id. Messages find it by themselves; each one's reference says the new
  id until you write it into `chat_id`.
- **Limits**: 4,096 characters; what does not fit can be read in the console. Twenty messages a minute into one group. A
  bot that is too fast is blocked in all its chats for as long as Telegram says: what it may is shared by all channels
  with its token.
- A customer's text can mention nobody, and links show no preview.
- Telegram knows no idempotency key: where a message twice is worse than none, write `on_unknown = \"hold\"`.
",
    meanings: MEANINGS,
    shared: &[],
    // Telegram takes twenty messages a minute into one group.
    pace: Pace { rate: "20/m", burst: 5, ..Pace::CHAT },
    open,
};

const MEANINGS: &[Meaning] = &[
    Meaning::dead(
        &["Unauthorized*", "Not Found", "HTTP 401", "HTTP 404"],
        Scope::Channel,
        "the token is wrong or was revoked: copy it from @BotFather into `token`, and check `api_url`",
    ),
    Meaning::dead(
        &["Bad Request: chat not found"],
        Scope::Destination,
        "check `chat_id`, and that the bot is in the chat; a person has to write to the bot first",
    ),
    Meaning::dead(
        &["Bad Request: group chat was upgraded to a supergroup chat"],
        Scope::Destination,
        "write the group's new id into `chat_id`",
    ),
    Meaning::dead(
        &["Bad Request: message thread not found", "Bad Request: TOPIC_CLOSED", "Bad Request: TOPIC_DELETED"],
        Scope::Destination,
        "the topic is closed or gone: check `message_thread_id`",
    ),
    Meaning::dead(
        &["Forbidden: bot was kicked from *", "Forbidden: bot is not a member of *"],
        Scope::Destination,
        "add the bot to the chat again; in a channel, as an administrator",
    ),
    Meaning::dead(
        &[
            "Bad Request: not enough rights to send text messages to the chat",
            "Bad Request: need administrator rights in the channel chat",
            "Bad Request: have no rights to send a message",
            "Bad Request: CHAT_WRITE_FORBIDDEN",
            "Forbidden: not enough rights to send text messages to the chat",
        ],
        Scope::Destination,
        "allow the bot to send messages there; in a channel, make it an administrator that may post",
    ),
    Meaning::dead(
        &[
            "Forbidden: bot was blocked by the user",
            "Forbidden: user is deactivated",
            "Forbidden: the group chat was deleted",
            "Forbidden: bot can't initiate conversation with a user",
            "Forbidden: bot can't send messages to bots",
        ],
        Scope::Destination,
        "nobody reads this chat: write another one into `chat_id`",
    ),
    Meaning::dead(
        &["Bad Request: can't parse entities*"],
        Scope::Message,
        "mend your own template: Telegram knows the tags b, i, u, s, a, code, pre and blockquote",
    ),
];

/// Telegram's limit of a message once its tags are read, in UTF-16 units.
const LONGEST_TEXT: usize = 4096;

// No Debug: it holds a token.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    token: SecretString,
    chat_id: Identifier,
    #[serde(default = "default_api_url")]
    api_url: String,
    message_thread_id: Option<Identifier>,
    #[serde(default, with = "humantime_serde")]
    timeout: Option<Duration>,
}

fn default_api_url() -> String {
    "https://api.telegram.org".to_owned()
}

struct Telegram {
    /// Where the bot's methods are; a part of it is the token.
    bot: Url,
    /// As the configuration has it.
    chat: String,
    topic: Option<i64>,
    /// The id that the chat was given since.
    moved: Mutex<Option<String>>,
}

fn open(table: &Figment) -> Result<Arc<dyn Channel>, figment::Error> {
    let settings: Settings = table.extract()?;
    let api = address("api_url", &settings.api_url)?;
    // In `telegram://TOKEN@@name` the first sign belongs to the address, and the second to the name.
    let token = settings.token.expose_secret().trim().trim_end_matches('@');
    if !is_token(token) {
        return Err(wrong("token", "a bot's token looks like 1234567890:AbC-dEf_123: copy it from @BotFather"));
    }
    let topic = settings.message_thread_id.map(Identifier::into_text);
    let topic = topic.map(|topic| topic.parse()).transpose();
    let telegram = Telegram {
        bot: below(&api, &[&format!("bot{token}")]),
        chat: chat(settings.chat_id.into_text())?,
        topic: topic.map_err(|_| wrong("message_thread_id", "the id of a topic is a number such as 7"))?,
        moved: Mutex::default(),
    };
    Ok(Web::open(&KIND, telegram, &api, Secrets::these([token]), settings.timeout))
}

fn is_token(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    text.split_once(':').is_some_and(|(id, secret)| {
        !id.is_empty()
            && id.bytes().all(|byte| byte.is_ascii_digit())
            && !secret.is_empty()
            && secret.chars().all(is_plain)
    })
}

/// An id, or a name with its `@`.
fn chat(text: String) -> Result<String, figment::Error> {
    let name = text.strip_prefix('@').unwrap_or(&text);
    if text.parse::<i64>().is_ok() {
        Ok(text)
    } else if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        Ok(format!("@{name}"))
    } else {
        Err(wrong(
            "chat_id",
            "write the chat's id, such as \"-1001234567890\", or its public name, such as \"@umishop\"",
        ))
    }
}

impl Telegram {
    fn new_id(&self) -> Option<String> {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Api for Telegram {
    fn markup(&self) -> Markup {
        Markup::Inline
    }

    fn call(&self, message: &Rendered) -> Result<Call, Outcome> {
        let mut body = body(message);
        body["chat_id"] = Value::from(self.new_id().unwrap_or_else(|| self.chat.clone()));
        if let Some(topic) = self.topic {
            body["message_thread_id"] = Value::from(topic);
        }
        Ok(Call::post(below(&self.bot, &["sendMessage"]), &body))
    }

    fn moved(&self, answer: &Answer) -> bool {
        let Some(id) = answer.json()["parameters"]["migrate_to_chat_id"].as_i64().map(|id| id.to_string()) else {
            return false;
        };
        let mut moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = *moved != Some(id.clone()) && self.chat != id;
        if is_news {
            tracing::warn!("The Telegram group {} has a new id: write chat_id = \"{id}\" instead", self.chat);
            *moved = Some(id);
        }
        is_news
    }

    fn outcome(&self, answer: &Answer) -> Outcome {
        judged(answer, |said| {
            let reference = said["result"]["message_id"].as_i64().unwrap_or_default();
            match self.new_id() {
                None => reference.to_string(),
                Some(id) => format!("{reference}; the group has a new id: write chat_id = \"{id}\""),
            }
        })
    }

    fn question(&self) -> Option<Call> {
        Some(Call::get(below(&self.bot, &["getMe"])))
    }

    fn checked(&self, answer: &Answer) -> Outcome {
        judged(answer, |said| format!("@{}", said["result"]["username"].as_str().unwrap_or_default()))
    }
}

/// What Telegram's answer means; `reference` is what is told of a yes.
fn judged(answer: &Answer, reference: impl FnOnce(&Value) -> String) -> Outcome {
    let said = answer.json();
    match (said["ok"].as_bool(), said["description"].as_str()) {
        (Some(true), _) => Outcome::delivered(reference(&said)),
        (Some(false), Some(why)) => {
            after(answer.judge(MEANINGS, &[why], why), said["parameters"]["retry_after"].as_f64())
        }
        _ if answer.status == 200 => answer.is_not("Telegram's"),
        _ => answer.judge(MEANINGS, &[], ""),
    }
}

fn body(message: &Rendered) -> Value {
    let whole = format!("<b>{}</b>\n\n{}", message.heading, message.rich.trim());
    let mut body = json!({
        "text": html::fit(&whole, LONGEST_TEXT),
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": true},
    });
    if let Some(url) = &message.chat_url {
        body["reply_markup"] = json!({"inline_keyboard": [[{"text": "Open chat", "url": url}]]});
    }
    body
}
