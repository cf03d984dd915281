//! Microsoft Teams: a workflow of Power Automate that posts what its webhook receives.
//!
//! The message is an Adaptive Card of plain text runs, because Teams reads Markdown in every other text of a card. It is
//! one block for each line: nowhere is it promised that a run keeps its line breaks. The workflow answers before it posts,
//! so a card that Teams refuses is lost without a word, and the limit here stays well below the documented one.
//!
//! Sources: learn.microsoft.com, "Create incoming webhooks with Workflows for Microsoft Teams", "Microsoft Teams"
//! (connector: a message holds about 28 KB), "Cards: text formatting" (where Markdown is read), "Create an incoming
//! webhook" (four a second, then 429); adaptivecards.io, `RichTextBlock`, `TextRun`. Microsoft lists the errors nowhere; they
//! are as others report them: github.com/ericferon/glpi-webhook/issues/51, github.com/Azure/LogicAppsUX/issues/2937,
//! github.com/microsoft/power-platform-skills/issues/551. A flow that was deleted still answers, as if it were turned off.

use std::sync::Arc;
use std::time::Duration;

use figment::Figment;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use ureq::http::HeaderMap;
use url::Url;

use super::api::{Api, Call, Web, secret_address, wrong};
use super::secrets::Secrets;
use super::text::{bytes_in_json, fit_sized};
use super::wire::Answer;
use super::{Channel, Kind, Meaning, Pace};
use crate::domain::{Outcome, Rendered, Scope};

/// Microsoft Teams.
pub(super) const KIND: Kind = Kind {
    name: "teams",
    summary: "Posts to a Microsoft Teams channel or chat through a workflow's webhook.",
    example: r#"
webhook_url = "https://prod-01.westeurope.logic.azure.com/workflows/0a1b/triggers/manual/paths/invoke?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=correct-horse-battery"
# timeout   = "15s"
"#,
    pasted: &["{webhook_url}"],
    notes: "
- **The workflow**: in Teams open the channel's menu (•••), then *Workflows*, take the template *Send webhook alerts to a
  channel* (or *… to a chat*), save it, and copy the address that is shown at the end, with everything behind the `?`. Who
  may trigger it has to be *Anyone*. The webhooks of Office 365 connectors are another thing, and retired.
- **Its owner** is a person: when they leave, or their sign-in to Teams ends, the workflow stops. Make a second person its
  co-owner in Power Automate.
- **Accepted is not posted**: the workflow answers (202) before it posts. What fails after that is only seen in its run
  history in Power Automate, so look into the channel after `send-test`, and now and then into that history.
- **A private channel** is reached when the workflow posts as *User*, not as *Flow bot*.
- **A flow of your own** gets `{\"type\": \"message\", \"attachments\": […]}` with one Adaptive Card 1.4: post
  `attachments[0].content`. MessageCards are not sent.
- **Limits**: Teams takes messages of about 28 KB. A text is cut at 20,000 bytes, its line breaks and escapes counted in;
  what is left out can be read in the console. How many runs a day a workflow has depends on its owner's licence.
- A customer's text is shown as it was written: it can mention nobody and is no Markdown.
- Whether the address is right cannot be asked without sending: `umishop send-test` is the check.
- A workflow knows no idempotency key: where a message twice is worse than none, write `on_unknown = \"hold\"`.
",
    meanings: MEANINGS,
    shared: &[],
    pace: Pace::CHAT,
    open,
};

const MEANINGS: &[Meaning] = &[
    Meaning::dead(
        &["DirectApiAuthorizationRequired", "AuthorizationFailed", "HTTP 401", "HTTP 403"],
        Scope::Channel,
        "copy the workflow's address again, whole, up to the end of its `sig=…`, and let Anyone trigger it",
    ),
    Meaning::dead(
        &["WorkflowTriggerIsNotEnabled"],
        Scope::Channel,
        "the workflow is turned off or deleted: turn it on in Power Automate, or write the address of a new one",
    ),
    Meaning::dead(
        &["HTTP 404", "HTTP 410"],
        Scope::Destination,
        "the workflow is gone, or its address has changed: copy the address again, or make a new workflow",
    ),
    Meaning::dead(
        &["TriggerInputSchemaMismatch"],
        Scope::Destination,
        "this flow wants another body: make it from the template `Send webhook alerts to a channel`",
    ),
];

/// The longest text, in bytes of JSON with what each line costs. Teams takes about 28 KB of all that is in a message, and
/// some have counted 21.
const LONGEST_TEXT: usize = 20_000;

// No Debug: the address is a secret.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    webhook_url: SecretString,
    #[serde(default, with = "humantime_serde")]
    timeout: Option<Duration>,
}

/// The workflow's address.
struct Teams(Url);

fn open(table: &Figment) -> Result<Arc<dyn Channel>, figment::Error> {
    let settings: Settings = table.extract()?;
    let url = secret_address("webhook_url", &settings.webhook_url)?;
    if url.host_str().is_some_and(|host| host.ends_with(".webhook.office.com")) {
        return Err(wrong(
            "webhook_url",
            "the webhooks of Office 365 connectors are retired: make a workflow from the template `Send webhook alerts to a channel`",
        ));
    }
    let secrets = Secrets::of(&url, &HeaderMap::new());
    Ok(Web::open(&KIND, Teams(url.clone()), &url, secrets, settings.timeout))
}

impl Api for Teams {
    fn call(&self, message: &Rendered) -> Result<Call, Outcome> {
        let card = json!({"contentType": "application/vnd.microsoft.card.adaptive", "content": card(message)});
        Ok(Call::post(self.0.clone(), &json!({"type": "message", "attachments": [card]})))
    }

    fn outcome(&self, answer: &Answer) -> Outcome {
        match answer.status {
            // A page for people comes from something between us and the workflow.
            200..=299 if answer.body.trim_start().starts_with('<') => answer.is_not("a workflow's"),
            200..=299 => Outcome::delivered(""),
            _ => {
                let said = answer.json();
                let text = |field: &Value| field.as_str().unwrap_or_default().to_owned();
                let (code, message) = (text(&said["error"]["code"]), text(&said["error"]["message"]));
                let words = if code.is_empty() { String::new() } else { format!("{code}: {message}") };
                answer.judge(MEANINGS, &[&code], &words)
            }
        }
    }
}

fn card(message: &Rendered) -> Value {
    let title = json!({"type": "TextRun", "text": message.subject, "size": "Medium", "weight": "Bolder"});
    let mut body = vec![json!({"type": "RichTextBlock", "inlines": [title]})];
    let mut spacing = "Medium";
    for line in fit_sized(message.text.trim(), LONGEST_TEXT, size).lines() {
        if line.trim().is_empty() {
            spacing = "Medium";
            continue;
        }
        body.push(json!({"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": line}], "spacing": spacing}));
        spacing = "None";
    }
    let actions: Vec<Value> = message
        .chat_url
        .iter()
        .map(|url| json!({"type": "Action.OpenUrl", "title": "Open chat", "url": url}))
        .collect();
    json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": body,
        "actions": actions,
    })
}

/// What a character of the text costs: a new line is a new block.
const fn size(character: char) -> usize {
    const BLOCK: usize =
        r#",{"inlines":[{"text":"","type":"TextRun"}],"spacing":"Medium","type":"RichTextBlock"}"#.len();
    if character == '\n' { BLOCK } else { bytes_in_json(character) }
}
