//! HTTP calls for the channels that speak it, and what statuses and failures mean.
//!
//! A failure is told apart by whether the request can have reached the receiver at all.

use std::io::Read as _;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;
use ureq::http::header::{DATE, RETRY_AFTER};
use ureq::http::{HeaderMap, HeaderName, Request, Response};
use ureq::{Agent, Body, Timeout};
use url::Url;

use super::agent::{NotReached, agent_within};
use super::reach::{NotPublic, Reach};
use super::secrets::Secrets;
use super::threads::Threads;
use crate::crash;
use crate::domain::{Outcome, Scope, Timestamp, one_line, truncate};

/// As much of an answer as we read. Some repeat the whole message, each character of it in six.
const LONGEST_ANSWER: u64 = 1024 * 1024;

/// The name of the header that says what the body is; its value is no secret.
pub(super) const CONTENT_TYPE: HeaderName = header("content-type");

/// Carries requests to one receiver.
pub(super) struct Wire {
    https: bool,
    timeout: Duration,
    agent: OnceLock<Agent>,
    threads: Threads,
    secrets: Secrets,
    reach: Reach,
}

/// What the receiver answered.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    /// Its headers, with whatever the receiver says there alone.
    pub(super) headers: HeaderMap,
    pub(super) body: String,
    /// Whether there is more of the body, which was lost on the way or is too long.
    pub(super) is_cut: bool,
    /// The body without our secrets, for people.
    pub(super) shown: String,
}

impl Wire {
    /// For requests to `url`'s host, each at most `timeout` long. What is secret stands in no answer and no outcome,
    /// whoever repeats it.
    pub(super) fn new(kind: &str, url: &Url, secrets: Secrets, timeout: Duration) -> Self {
        Self {
            https: url.scheme() == "https",
            timeout,
            agent: OnceLock::new(),
            threads: Threads::new(format!("channel-{kind}")),
            secrets,
            reach: Reach::Everywhere,
        }
    }

    /// Connects to what `reach` takes, and nothing else.
    pub(super) fn within(self, reach: Reach) -> Self {
        Self { reach, ..self }
    }

    /// `text` without what is secret.
    pub(super) fn hide(&self, text: String) -> String {
        self.secrets.hide(text)
    }

    /// Sends a request and reads its answer, whatever the status. The error is the outcome when there is no answer.
    pub(super) async fn call(&self, request: Request<Vec<u8>>) -> Result<Answer, Outcome> {
        let agent = self.agent.get_or_init(|| agent_within(self.reach.clone(), self.https, self.timeout)).clone();
        crash::point("http.calling");
        let answered = self.threads.run(move || agent.run(request).map(read)).await;
        crash::point("http.answered");
        match answered {
            Some(Ok(answer)) => Ok(Answer { shown: self.secrets.hide(answer.body.clone()), ..answer }),
            Some(Err(error)) => Err(of_failure(&error, &self.secrets.hide(error.to_string()))),
            None => Err(Outcome::Unknown { why: "the call broke off inside umishop".to_owned() }),
        }
    }
}

impl Answer {
    /// The text of a header; empty when there is none.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().trim()
    }

    /// How long until the moment that a header names in seconds since 1970, by the receiver's own clock.
    pub(super) fn wait_until(&self, name: &str) -> Option<Duration> {
        let moment: i64 = self.header(name).parse().ok()?;
        let now = self.date()?.as_millis().div_euclid(1000);
        u64::try_from(moment.checked_sub(now)?).ok().map(Duration::from_secs)
    }

    /// The answer on one short line.
    pub(super) fn line(&self) -> String {
        self.explained("")
    }

    /// The status and what the receiver `said`, else the start of its body, on one short line.
    pub(super) fn explained(&self, said: &str) -> String {
        let text = one_line(if said.is_empty() { &self.shown } else { said });
        let line = match self.status {
            // That status says nothing where errors have names of their own.
            200 if !said.is_empty() => format!("the answer was {text}"),
            status if text.is_empty() => format!("HTTP {status}"),
            status => format!("HTTP {status}: {text}"),
        };
        truncate(&line, 200).text.to_owned()
    }

    /// What the receiver's clock said.
    pub(super) fn date(&self) -> Option<Timestamp> {
        let date = jiff::fmt::rfc2822::parse(self.headers.get(DATE)?.to_str().ok()?).ok()?;
        Some(Timestamp::from_millis(date.timestamp().as_millisecond()))
    }

    /// The body as JSON; null when it is none.
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.shown).unwrap_or_default()
    }

    /// This says nothing of what `whose` answers say: something between us answered in its place.
    pub(super) fn is_not(&self, whose: &str) -> Outcome {
        Outcome::retry(Scope::Channel, format!("this is not {whose} answer: {}", self.line()))
    }

    /// It was accepted, but what came with that was lost.
    pub(super) fn is_lost(&self) -> Outcome {
        Outcome::Unknown { why: format!("HTTP {}, but the rest of the answer was lost", self.status) }
    }

    /// What a status that is no success means; `said` is the receiver's explanation, if it gave one.
    pub(super) fn refusal(&self, said: &str) -> Outcome {
        let why = self.explained(said);
        match self.status {
            // The receiver asks for patience: that concerns everything we send there.
            429 => Outcome::Retry { after: self.retry_after, scope: Scope::Channel, why },
            503 if self.retry_after.is_some() => Outcome::Retry { after: self.retry_after, scope: Scope::Channel, why },
            408 | 425 | 500.. => Outcome::Retry { after: self.retry_after, scope: Scope::Message, why },
            401 | 403 => Outcome::dead(Scope::Channel, why, "check the credentials of this channel"),
            404 | 410 => Outcome::dead(Scope::Destination, why, "the receiver is gone: check its address"),
            300..=399 => Outcome::dead(
                Scope::Message,
                why,
                "the receiver has moved; redirects are not followed: write its new address",
            ),
            _ => Outcome::dead(Scope::Message, why, "the receiver does not accept this request"),
        }
    }
}

/// Reads a web address, `http` or `https`. The error does not repeat it: it may hold a secret.
pub(super) fn parse_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text)
        .map_err(|error| format!("that is no web address ({error}): write something like https://example.com/hook"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!(
            "`{}://` is not carried by this channel: write an http:// or https:// address",
            url.scheme()
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("an address has no room for a login here: write an Authorization header".to_owned());
    }
    Ok(url)
}

/// The request as a person reads it. `shown` are the headers without secrets; the values of others are left out.
pub(super) fn readable(method: &str, place: &str, headers: &HeaderMap, shown: &[HeaderName], body: &[u8]) -> Vec<u8> {
    let mut text = format!("{method} {place} HTTP/1.1\r\n");
    for (name, value) in headers {
        let value = if shown.contains(name) { value.to_str().unwrap_or("[binary]") } else { "[redacted]" };
        text.extend([name.as_str(), ": ", value, "\r\n"]);
    }
    text.push_str("\r\n");
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// An address as far as it can be shown: paths and queries of webhooks are secrets.
pub(super) fn shown_place(url: &Url) -> String {
    let bare = url.path() == "/" && url.query().is_none();
    format!("{}/{}", url.origin().ascii_serialization(), if bare { "" } else { "[redacted]" })
}

fn read(response: Response<Body>) -> Answer {
    let (head, mut body) = response.into_parts();
    let mut bytes = Vec::new();
    // The status has been given: whether it says enough is for the kind.
    let is_cut =
        body.as_reader().take(LONGEST_ANSWER).read_to_end(&mut bytes).is_err() || bytes.len() as u64 == LONGEST_ANSWER;
    Answer {
        status: head.status.as_u16(),
        retry_after: retry_after(&head.headers),
        headers: head.headers,
        body: String::from_utf8_lossy(&bytes).into_owned(),
        is_cut,
        shown: String::new(),
    }
}

/// `Retry-After` in seconds or as a date; a date is compared with the answer's own `Date`, so that no clock but the
/// receiver's counts.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let wish = text(RETRY_AFTER)?;
    if let Ok(seconds) = wish.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let moment = |text| jiff::fmt::rfc2822::parse(text).ok().map(|moment| moment.timestamp());
    let wait = moment(wish)?.duration_since(moment(text(DATE)?)?);
    Duration::try_from(wait).ok()
}

/// What it means that there is no answer; `shown` is the error without secrets.
fn of_failure(error: &ureq::Error, shown: &str) -> Outcome {
    if let ureq::Error::Other(inner) = error
        && let Some(refused) = inner.downcast_ref::<NotPublic>()
    {
        // The name or the settings are at fault; once they are mended, every message goes out.
        return Outcome::dead(Scope::Channel, format!("not connected: {refused}"), refused.mend());
    }
    match error {
        ureq::Error::Other(inner) if inner.is::<NotReached>() => {
            Outcome::retry(Scope::Channel, shown.strip_prefix("other: ").unwrap_or(shown))
        }
        ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
            Outcome::retry(Scope::Channel, "the receiver could not be reached in time")
        }
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
            Outcome::dead(Scope::Message, format!("the request cannot be made: {shown}"), "")
        }
        ureq::Error::Timeout(_) => {
            Outcome::Unknown { why: "the request was sent, but no answer came in time".to_owned() }
        }
        _ => Outcome::Unknown { why: format!("the request was sent, but its answer was lost: {shown}") },
    }
}

/// The name of a header, known when this was written.
pub(super) const fn header(name: &'static str) -> HeaderName {
    HeaderName::from_static(name)
}

/// The request with these headers.
pub(super) fn request(
    method: &str,
    url: &Url,
    headers: &HeaderMap,
    body: Vec<u8>,
) -> Result<Request<Vec<u8>>, Outcome> {
    let mut request = Request::builder().method(method).uri(url.as_str());
    if let Some(all) = request.headers_mut() {
        all.extend(headers.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    request
        .body(body)
        .map_err(|error| Outcome::dead(Scope::Message, format!("the request cannot be made: {error}"), ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(headers: &[(&'static str, &str)]) -> Option<Duration> {
        retry_after(&headers.iter().map(|(name, value)| (header(name), value.parse().unwrap())).collect())
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_date_on_the_receivers_clock() {
        assert_eq!(wish(&[("retry-after", "45")]), Some(Duration::from_secs(45)));
        let date = ("date", "Tue, 24 Nov 2026 08:30:00 GMT");
        assert_eq!(wish(&[("retry-after", "Tue, 24 Nov 2026 08:31:30 GMT"), date]), Some(Duration::from_secs(90)));
        assert_eq!(wish(&[("retry-after", "Tue, 24 Nov 2026 08:00:00 GMT"), date]), None);
        assert_eq!(wish(&[("retry-after", "soon")]), None);
        assert_eq!(wish(&[]), None);
    }

    #[test]
    fn every_status_has_its_scope() {
        let refusal = |status| {
            let outcome = Answer { status, ..Answer::default() }.refusal("");
            (outcome.word(), outcome.scope().unwrap())
        };
        assert_eq!(refusal(429), ("retry", Scope::Channel));
        for status in [408, 425, 500, 502, 503, 504] {
            assert_eq!(refusal(status), ("retry", Scope::Message), "{status}");
        }
        for (status, scope) in [
            (401, Scope::Channel),
            (403, Scope::Channel),
            (404, Scope::Destination),
            (410, Scope::Destination),
            (302, Scope::Message),
            (400, Scope::Message),
            (413, Scope::Message),
            (422, Scope::Message),
        ] {
            assert_eq!(refusal(status), ("dead", scope), "{status}");
        }
    }

    #[test]
    fn a_receiver_that_asks_for_patience_is_left_alone_as_a_whole() {
        let after = Some(Duration::from_secs(17));
        for (status, expected) in [(429, Scope::Channel), (503, Scope::Channel), (500, Scope::Message)] {
            let outcome = Answer { status, retry_after: after, ..Answer::default() }.refusal("");
            let why = format!("HTTP {status}");
            assert_eq!(outcome, Outcome::Retry { after, scope: expected, why });
        }
    }

    #[test]
    fn only_web_addresses_are_taken_and_an_error_repeats_no_secret() {
        for text in ["ftp://example.com/secret", "file:///secret", "secret", "https://me:secret@example.com/"] {
            let error = parse_url(text).unwrap_err();
            assert!(error.contains("write ") && !error.contains("secret"), "{text}: {error}");
        }
        assert_eq!(
            shown_place(&parse_url("https://hooks.example.com/T1/secret?sig=secret").unwrap()),
            "https://hooks.example.com/[redacted]"
        );
    }

    #[tokio::test]
    async fn an_address_that_is_not_public_is_not_connected_to_and_every_message_waits_for_the_mend() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = parse_url(&format!("http://{}/x", listener.local_addr().unwrap())).unwrap();
        let wire = Wire::new("test", &url, Secrets::these([]), Duration::from_secs(5));
        let wire = wire.within(Reach::public_and(&["10.0.0.0/8".to_owned()]).unwrap());
        // The second time it is known where the host's name leads.
        for _ in 0..2 {
            let outcome = wire.call(request("POST", &url, &HeaderMap::new(), Vec::new()).unwrap()).await.unwrap_err();
            assert_eq!(
                outcome.explanation(),
                "not connected: 127.0.0.1 is not an address of the public internet (if this channel shall reach it, \
                 write private_networks = [\"127.0.0.1\"] into its table)"
            );
            assert_eq!((outcome.word(), outcome.scope()), ("dead", Some(Scope::Channel)));
        }
        assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    }
}
