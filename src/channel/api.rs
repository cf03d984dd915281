//! What the kinds share that send each message as one HTTP request.
//!
//! Such a kind says which request a message is, and what an answer means ([`Api`]). Sending it, hiding what is secret,
//! and showing it to people are the same for all of them ([`Web`]).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;
use ureq::http::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::secrets::Secrets;
use super::wire::{self, Answer, CONTENT_TYPE, Wire};
use super::{Channel, Checked, Kind, Sender, of_own_address};
use crate::domain::{ContactField, Markup, Outcome, Purpose, Rendered, Scope};

/// How long a receiver may take for one request, unless the channel's `timeout` says otherwise.
const TIMEOUT: Duration = Duration::from_secs(15);

/// One request, before it is sent.
#[derive(Clone, Debug)]
pub(super) struct Call {
    method: &'static str,
    url: Url,
    /// Those that must not be shown are marked as sensitive.
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Call {
    /// A request without a body.
    pub(super) fn get(url: Url) -> Self {
        Self { method: "GET", url, headers: HeaderMap::new(), body: Vec::new() }
    }

    /// A POST with a JSON body.
    pub(super) fn post(url: Url, body: &Value) -> Self {
        Self::with_body("POST", url, "application/json; charset=utf-8", body.to_string().into_bytes())
    }

    /// A PUT with a JSON body.
    pub(super) fn put(url: Url, body: &Value) -> Self {
        Self { method: "PUT", ..Self::post(url, body) }
    }

    /// A POST with a form.
    pub(super) fn form(url: Url, fields: &[(&str, &str)]) -> Self {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        Self::with_body("POST", url, "application/x-www-form-urlencoded", body.into_bytes())
    }

    fn with_body(method: &'static str, url: Url, content_type: &'static str, body: Vec<u8>) -> Self {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        Self { method, url, headers, body }
    }

    /// With this header, too.
    pub(super) fn header(mut self, name: &'static str, value: HeaderValue) -> Self {
        self.headers.insert(wire::header(name), value);
        self
    }

    /// With this credential, made by [`credential`].
    pub(super) fn authorized(self, value: &HeaderValue) -> Self {
        self.header("authorization", value.clone())
    }
}

/// What must be known of a kind that sends each message as one HTTP request.
pub(super) trait Api: Send + Sync + 'static {
    /// The notation it shows rich text in.
    fn markup(&self) -> Markup {
        Markup::Plain
    }

    /// Whether it reaches somebody without a customer's address.
    fn has_own_address(&self) -> bool {
        true
    }

    /// What it knows customers by, if it writes to them.
    fn writes_to(&self) -> Option<ContactField> {
        None
    }

    /// Whether it puts a customer's messages into one thread.
    fn keeps_threads(&self) -> bool {
        false
    }

    /// Whether it wants to hear what becomes of a request.
    fn follows(&self) -> bool {
        false
    }

    /// The request that `message` is; the error is the outcome when it can be none.
    fn call(&self, message: &Rendered) -> Result<Call, Outcome>;

    /// What the answer to it means.
    fn outcome(&self, answer: &Answer) -> Outcome;

    /// Whether the answer says that the message belongs elsewhere, so that it was not taken: then it is sent once more,
    /// and [`call`](Self::call) leads there from now on.
    fn moved(&self, _answer: &Answer) -> bool {
        false
    }

    /// A request that shows whether the credentials are right, and changes nothing.
    fn question(&self) -> Option<Call> {
        None
    }

    /// What the answer to that means. The reference of a delivery says who we are there.
    fn checked(&self, answer: &Answer) -> Outcome {
        if (200..300).contains(&answer.status) { Outcome::delivered("") } else { self.outcome(answer) }
    }

    /// In whose name it sends mail, if mail is what it sends.
    fn sender(&self) -> Option<Sender> {
        None
    }
}

/// A channel of such a kind.
pub(super) struct Web<A> {
    api: A,
    wire: Wire,
}

impl<A: Api> Web<A> {
    /// Speaks to `base`'s host. `secrets` are shown to nobody.
    pub(super) fn open(
        kind: &Kind,
        api: A,
        base: &Url,
        secrets: Secrets,
        timeout: Option<Duration>,
    ) -> Arc<dyn Channel> {
        let wire = Wire::new(kind.name, base, secrets, timeout.unwrap_or(TIMEOUT));
        Arc::new(Self { api, wire })
    }

    async fn send(&self, message: &Rendered) -> Result<Answer, Outcome> {
        let answer = self.ask(self.api.call(message)?).await?;
        if self.api.moved(&answer) { self.ask(self.api.call(message)?).await } else { Ok(answer) }
    }

    async fn ask(&self, call: Call) -> Result<Answer, Outcome> {
        let answer = self.wire.call(wire::request(call.method, &call.url, &call.headers, call.body)?).await?;
        // Most say in the body what the status means.
        if answer.is_cut && (200..300).contains(&answer.status) { Err(answer.is_lost()) } else { Ok(answer) }
    }
}

#[async_trait]
impl<A: Api> Channel for Web<A> {
    fn markup(&self) -> Markup {
        self.api.markup()
    }

    fn has_own_address(&self) -> bool {
        self.api.has_own_address()
    }

    fn writes_to(&self) -> Option<ContactField> {
        self.api.writes_to()
    }

    fn keeps_threads(&self) -> bool {
        self.api.keeps_threads()
    }

    fn follows(&self) -> bool {
        self.api.follows()
    }

    fn compose(&self, message: &Rendered) -> Result<Vec<u8>, String> {
        let call = self.api.call(message).map_err(|outcome| outcome.explanation())?;
        let shown: Vec<HeaderName> =
            call.headers.iter().filter(|(_, value)| !value.is_sensitive()).map(|(name, _)| name.clone()).collect();
        let bytes = wire::readable(call.method, call.url.as_str(), &call.headers, &shown, &call.body);
        Ok(match String::from_utf8(bytes) {
            Ok(text) => self.wire.hide(text).into_bytes(),
            Err(binary) => binary.into_bytes(),
        })
    }

    async fn deliver(&self, message: &Rendered) -> Outcome {
        let outcome = self.send(message).await.map_or_else(|outcome| outcome, |answer| self.api.outcome(&answer));
        let is_to_customer = self.api.writes_to().and_then(|field| message.customer_at(field)).is_some();
        let outcome = if is_to_customer { outcome } else { of_own_address(outcome) };
        // Once more: what was escaped in the answer was not found there.
        outcome.map_text(|text| self.wire.hide(text))
    }

    async fn check(&self) -> Vec<Checked> {
        let Some(call) = self.api.question() else { return Vec::new() };
        let what = call.url.host_str().unwrap_or_default().to_owned();
        let answered = self.ask(call).await;
        let date = answered.as_ref().ok().and_then(Answer::date);
        let outcome = answered.map_or_else(|outcome| outcome, |answer| self.api.checked(&answer));
        let outcome = outcome.map_text(|text| self.wire.hide(text));
        vec![Checked { what, outcome, date }]
    }

    fn sender(&self) -> Option<Sender> {
        self.api.sender()
    }
}

/// What went wrong with a setting, at its key.
pub(super) fn wrong(key: &str, why: impl Into<String>) -> figment::Error {
    figment::Error::from(why.into()).with_path(key)
}

/// Reads the web address that stands at `key`.
pub(super) fn address(key: &str, text: &str) -> Result<Url, figment::Error> {
    wire::parse_url(text.trim()).map_err(|why| wrong(key, why))
}

/// Reads the web address at `key` that is a secret itself.
pub(super) fn secret_address(key: &str, text: &SecretString) -> Result<Url, figment::Error> {
    address(key, text.expose_secret())
}

/// `base` with these steps added to its path, each encoded so that it stays one step.
pub(super) fn below(base: &Url, steps: &[&str]) -> Url {
    let mut url = base.clone();
    // An address of the web always has a path.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(steps);
    }
    url
}

/// A header that proves who we are: `scheme`, and the secret that stands at `key`.
pub(super) fn credential(key: &str, scheme: &str, secret: &SecretString) -> Result<HeaderValue, figment::Error> {
    let text = format!("{scheme} {}", secret.expose_secret().trim());
    let mut value = HeaderValue::from_str(text.trim_start())
        .map_err(|_| wrong(key, "a secret has no line breaks or control characters"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The header of a login with a name and a password, and what in it is secret, encoded.
pub(super) fn basic(key: &str, user: &str, secret: &SecretString) -> Result<(HeaderValue, String), figment::Error> {
    let login = STANDARD.encode(format!("{}:{}", user.trim(), secret.expose_secret().trim()));
    Ok((credential(key, "Basic", &SecretString::from(login.clone()))?, login))
}

/// The message's name, for a header that lets the receiver notice a repetition.
pub(super) fn name_of(message: &Rendered) -> HeaderValue {
    HeaderValue::from_str(&message.id.to_string()).unwrap_or(HeaderValue::from_static(""))
}

/// A number that names something, whether it was written with quotes or without.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a number or a text")]
pub(super) enum Identifier {
    Number(i64),
    Text(String),
}

impl Identifier {
    /// As text, without what was typed around it.
    pub(super) fn into_text(self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.trim().to_owned(),
        }
    }
}

/// `outcome`, with the wait that the receiver asks for in the body of its answer, if it does.
pub(super) fn after(outcome: Outcome, seconds: Option<f64>) -> Outcome {
    match (outcome, seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())) {
        // Both may be there, and one of them nought: the longer is meant.
        (Outcome::Retry { after, scope, why }, said) => Outcome::Retry { after: after.max(said), scope, why },
        (outcome, _) => outcome,
    }
}

/// The colour beside a message, where a receiver shows one: red for an alert, else the shop's page's own.
pub(super) const fn colour(purpose: Purpose) -> u32 {
    match purpose {
        Purpose::Alert => 0xC0_39_2B,
        _ => 0x0F_8A_8D,
    }
}

/// Where `message` goes, on a channel that knows customers by `field`: to the customer, or to the channel's `own`
/// address, which its key `to` has.
pub(super) fn recipient<'a>(
    message: &'a Rendered,
    field: ContactField,
    own: Option<&'a str>,
) -> Result<&'a str, Outcome> {
    match message.customer_at(field) {
        Some(customer) => Ok(customer),
        None if message.purpose == Purpose::Welcome => {
            Err(Outcome::dead(Scope::Message, format!("the customer has no {}", field.description()), ""))
        }
        None => own.ok_or_else(|| {
            Outcome::dead(Scope::Message, "this channel has no address of its own: it only writes to customers", "")
        }),
    }
}
