//! Why a message is where it is: which route sent it there, what it waits for, what it is tried again for.

use poem_openapi::Object;

use super::super::Web;
use super::super::errors::ApiError;
use super::super::schemas::OrNull;
use crate::domain::{ChannelAddress, Message, Purpose, Route, State, Step, Timestamp, Told, Verdict, mask_addresses};
use crate::store::{MessageHistory, RequestEntry};

/// Why a message is where it is.
#[derive(Debug, Object)]
pub(super) struct WhyItem {
    /// What sent it there: for a question the line of the configuration, by today's routes.
    route: String,
    /// Until when it waits at least; null: that is not known, or it waits for nothing.
    deferred_until: OrNull<String>,
    /// What it waits for; empty: nothing.
    deferred_because: String,
    /// What it is tried again for; null: no attempt failed.
    retry: OrNull<RetryItem>,
    /// Which channel did not deliver it, and why; empty: it was not handed over.
    handed_over: String,
}

/// What a message is tried again for.
#[derive(Debug, Object)]
struct RetryItem {
    /// How many attempts count so far. A failure of the whole channel costs none.
    attempt: u32,
    /// How many there are at most; null: its channel is not configured any more.
    of: OrNull<u64>,
    /// Why the last one failed.
    because: String,
    /// When the next one is due; null: there is none.
    next_at: OrNull<String>,
}

/// Why `history`'s message is where it is.
pub(super) async fn why(web: &Web, history: &MessageHistory) -> Result<WhyItem, ApiError> {
    let message = &history.message;
    let (until, because) = deferred(web, message).await?;
    Ok(WhyItem {
        route: route(web, message).await?,
        deferred_until: until.map(|moment| moment.to_string()).into(),
        deferred_because: because,
        retry: retry(web, message).into(),
        handed_over: handed_over(history),
    })
}

async fn route(web: &Web, message: &Message) -> Result<String, ApiError> {
    let made_for = message.handed_over_from.as_ref().unwrap_or(&message.channel);
    Ok(match (message.purpose, message.request_id) {
        (Purpose::Welcome, _) => "[welcome] channel greets whoever registers".to_owned(),
        (Purpose::Alert, _) => "[alerts] channels are told of trouble".to_owned(),
        (Purpose::Report, _) => "[reports] tells these channels where customers came from".to_owned(),
        (Purpose::Test, _) => "an operator tried the channel out".to_owned(),
        (Purpose::Acknowledged | Purpose::Answered | Purpose::Closed, _) => {
            format!("{made_for} follows requests, and this one's question went there")
        }
        (Purpose::Request, None) => String::new(),
        (Purpose::Request, Some(request)) => match web.store.request(request).await? {
            Some(found) => by_todays_routes(web, &found.entry, made_for),
            None => String::new(),
        },
    })
}

/// The routes that send the question to the channel, if they do today; else those that send it elsewhere.
fn by_todays_routes(web: &Web, entry: &RequestEntry, made_for: &ChannelAddress) -> String {
    let RequestEntry { request, user } = entry;
    let phone = user.as_ref().and_then(|user| user.phone.as_ref());
    let language = user.as_ref().map_or("", |user| user.language.as_str());
    let decision = web.routes.decide(Told { topic: &request.topic, origin: &request.origin, phone, language });
    let places = web.route_places.iter().map(String::as_str).chain(std::iter::repeat(""));
    let line = |(Step { route, .. }, place): (&Step<'_>, &str)| format!("{place} ({route})");
    let taken = |only: &dyn Fn(&Route) -> bool| {
        let steps = decision.steps.iter().zip(places.clone());
        let taken = steps.filter(|(step, _)| step.verdict == Verdict::Taken && only(step.route));
        taken.map(line).collect::<Vec<_>>().join("; ")
    };
    match taken(&|route| route.channels.contains(made_for)) {
        here if !here.is_empty() => format!("by today's routes: {here}"),
        _ => {
            let channels: Vec<_> = decision.destinations().iter().map(|to| to.channel.to_string()).collect();
            format!("by today's routes it would go to {} instead: {}", channels.join(", "), taken(&|_| true))
        }
    }
}

/// Until when the message waits, as far as that is known, and what for.
async fn deferred(web: &Web, message: &Message) -> Result<(Option<Timestamp>, String), ApiError> {
    let channel = &message.channel;
    match message.state {
        State::Held => {
            return Ok((None, "an operator decides: look whether it arrived, then retry or cancel it".into()));
        }
        State::Pending => {}
        State::Sending | State::Delivered | State::Dead | State::Cancelled => return Ok((None, String::new())),
    }
    let Some(condition) = web.conditions.of(channel) else {
        return Ok((None, format!("{channel} is no longer configured: configure it, or cancel the message")));
    };
    if let Some(summary) = condition.summary(channel) {
        let probe_at = condition.trouble.filter(|_| condition.paused_at.is_none()).map(|trouble| trouble.probe_at);
        return Ok((probe_at.map(|probe_at| probe_at.max(message.due_at)), summary));
    }
    if message.due_at > web.clock.now() {
        return Ok((Some(message.due_at), not_due_yet(web, message)));
    }
    let Some(rate) = web.rules.get(channel).and_then(|rules| rules.rate) else { return Ok((None, String::new())) };
    let backlog = web.store.backlogs().await?.into_iter().find(|backlog| backlog.channel == *channel);
    let waiting = backlog.map_or(0, |backlog| backlog.pending);
    let turn = format!("its turn: {waiting} messages are pending over {channel}, which sends {rate} at most");
    Ok((None, if waiting > 1 { turn } else { String::new() }))
}

fn not_due_yet(web: &Web, message: &Message) -> String {
    let failed = message.attempts > 0 || !message.last_error.is_empty();
    match (&web.welcome, message.purpose) {
        _ if failed => "the retry schedule: the last attempt failed".to_owned(),
        (Some(welcome), Purpose::Welcome) => {
            format!("a welcome is sent {} after the registration", humantime::format_duration(welcome.delay))
        }
        (_, purpose) if purpose.is_follow_up() => {
            "its question, or what became of it before, is not delivered over this channel yet".to_owned()
        }
        _ => "it is not due yet".to_owned(),
    }
}

fn retry(web: &Web, message: &Message) -> Option<RetryItem> {
    let failed = message.attempts > 0 || !message.last_error.is_empty();
    let counts = matches!(message.state, State::Pending | State::Sending | State::Held | State::Dead);
    let of = web.rules.get(&message.channel).map(|rules| rules.retry.attempts() as u64);
    (failed && counts).then(|| RetryItem {
        attempt: message.attempts,
        of: of.into(),
        because: mask_addresses(&message.last_error),
        next_at: Some(message.due_at).filter(|_| message.state == State::Pending).map(|due| due.to_string()).into(),
    })
}

fn handed_over(history: &MessageHistory) -> String {
    let Some(from) = &history.message.handed_over_from else { return String::new() };
    let failed = history.attempts.iter().rfind(|attempt| attempt.channel == *from && !attempt.error.is_empty());
    match failed {
        Some(attempt) => format!("{from} did not deliver it: {}", mask_addresses(&attempt.error)),
        None => format!("{from} did not deliver it in time"),
    }
}
