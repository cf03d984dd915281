//! `/api/channels/{address}/test`: one test message over a channel, and what its receiver answers.

use std::time::{Duration, Instant};

use poem::web::Data;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};
use serde::Deserialize;

use super::super::SharedWeb;
use super::super::access::Operator;
use super::super::errors::ApiError;
use super::super::optional::Optional;
use super::super::schemas::ChannelText;
use super::channels::no_such_channel;
use super::{Group, parse, record};
use crate::domain::{ChannelAddress, Outcome};
use crate::trial::{Trial, example};

/// How long an answer is waited for: less than a caller may wait for its own, which is half a minute.
const LONGEST: Duration = Duration::from_secs(20);

/// Whom to send a test to.
#[derive(Debug, Default, Deserialize, Object)]
#[serde(default)]
struct TestBody {
    /// For a channel that writes to customers: a mail address, a phone, or Landbot's number of a customer.
    #[oai(default)]
    to: String,
}

/// What came of a test.
#[derive(Debug, Object)]
struct TestItem {
    /// `delivered`; `captured`: the sandbox kept it; `retry`: not taken now; `dead`: refused; `unknown`: no answer came.
    outcome: String,
    /// What the receiver calls the message.
    reference: String,
    /// What happened, when it was not delivered.
    error: String,
    /// What to do about it; empty when nothing is known.
    hint: String,
    /// What was sent, or, in the sandbox, what would have been; credentials left out.
    text: String,
    /// How long the answer took, in milliseconds.
    took_ms: u64,
}

impl TestItem {
    fn new(outcome: Outcome, composed: &[u8], took: Duration) -> Self {
        let word = word(&outcome);
        let (reference, error, hint) = match outcome {
            Outcome::Delivered { reference, .. } => (reference, String::new(), String::new()),
            Outcome::Retry { why, .. } | Outcome::Unknown { why } => (String::new(), why, String::new()),
            Outcome::Dead { why, hint, .. } => (String::new(), why, hint),
        };
        Self {
            outcome: word.to_owned(),
            reference,
            error,
            hint,
            text: String::from_utf8_lossy(composed).into_owned(),
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// What came of a test, in a word: what the sandbox kept was delivered to nobody.
const fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Delivered { capture: Some(_), .. } => "captured",
        outcome => outcome.word(),
    }
}

/// Tests of channels.
pub(in crate::http) struct Trials;

#[OpenApi(prefix_path = "/api/channels", tag = "Group::Operator")]
impl Trials {
    /// Send one test message over a channel
    ///
    /// Past the outbox, also while the channel is paused: what its receiver answers is the answer.
    #[oai(path = "/:address/test", method = "post")]
    async fn test_channel(
        &self,
        web: Data<&SharedWeb>,
        operator: Operator,
        address: Path<ChannelText>,
        body: Optional<TestBody>,
    ) -> Result<Json<TestItem>, ApiError> {
        let address: ChannelAddress = parse("address", &address)?;
        let Some(channel) = web.channels.get(&address) else {
            return Err(no_such_channel());
        };
        let TestBody { to } = body.read()?;
        let to = Some(to).filter(|to| !to.is_empty());
        let trial = Trial::new(&web.renderer, &address, &**channel, to.as_deref(), &web.clock);
        let Trial { message, composed } = trial.map_err(|why| {
            let example = channel.writes_to().filter(|_| to.is_none()).map(example);
            let hint =
                example.map(|to| format!("; for this one test, {{\"to\": \"{to}\"}} will do")).unwrap_or_default();
            ApiError::bad_request(format!("{why}{hint}"))
        })?;
        let begun = Instant::now();
        let outcome = tokio::select! {
            outcome = channel.deliver(&message) => outcome,
            () = web.clock.sleep_until(None, LONGEST) => {
                Outcome::Unknown { why: format!("no answer came within {} seconds", LONGEST.as_secs()) }
            }
        };
        let outcome_word = word(&outcome);
        tracing::info!(channel = %address, outcome = outcome_word, "Channel {address} was tested by an operator");
        record(&web, &operator, "channel.test", &address, outcome_word).await;
        Ok(Json(TestItem::new(outcome, &composed, begun.elapsed())))
    }
}
