//! A message: one text, for one recipient, over one channel; and the states it passes through.
//!
//! ```text
//! (new) ─► pending ── claim ──► sending ── settle ──► delivered
//!             ▲  ▲                 │ │ └─────────────► dead ───┐
//!             │  └─ settle: again, ┘ └─ settle: hold ► held ───┤
//!             │     or handed over                             │
//!             │                                                │
//!             └───────────── retry (by an operator) ───────────┘
//! pending, held ── cancel (by an operator) ──► cancelled ◄── settle (the customer has unsubscribed) ── sending
//! ```
//!
//! A message that is handed over goes on over another channel, its fallback: the same message, under the same id, with
//! a fresh retry schedule. It is handed over at most once.
//!
//! A claim raises the message's lease epoch; a settlement names the epoch it was claimed under and changes nothing
//! when a later claim has taken the message over.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::words::words;
use super::{
    ALERT_EXPIRES, ChannelAddress, ContactField, EmailAddress, Mailbox, MessageId, OnUnknown, Origin, Outcome, Phone,
    Request, RequestChange, RequestId, RequestState, Rules, Scope, Timestamp, User, UserId, language_of,
};

words!(
    /// Where a message stands.
    State, "state", "pending, sending, delivered, dead, held, cancelled" {
        /// Waiting for its time.
        Pending = "pending",
        /// Claimed by the relay.
        Sending = "sending",
        /// Taken by the receiver.
        Delivered = "delivered",
        /// Given up: a dead letter.
        Dead = "dead",
        /// Waiting for an operator's decision.
        Held = "held",
        /// Called off by an operator, or because its customer wants no more mail.
        Cancelled = "cancelled",
    }
);

words!(
    /// What a message is for. Each purpose has its templates.
    Purpose, "purpose", "welcome, request, test, alert, acknowledged, answered, closed" {
        /// Greets a customer who registered; goes to the customer.
        Welcome = "welcome",
        /// Carries a customer's question; goes to the channel's own address.
        Request = "request",
        /// Tries a channel out; goes to the channel's own address.
        Test = "test",
        /// Tells the operator about trouble; goes to the channel's own address.
        Alert = "alert",
        /// Says that somebody looks after a request; goes where its question went.
        Acknowledged = "acknowledged",
        /// Says that a request is answered; likewise.
        Answered = "answered",
        /// Says that a request is closed; likewise.
        Closed = "closed",
    }
);

impl Purpose {
    /// Whether it goes to a customer's address, if there is one; a test, to one that the operator names.
    pub const fn may_go_to_customer(self) -> bool {
        matches!(self, Self::Welcome | Self::Test)
    }

    /// What carries that a request has come to `state`; nothing does when it is new.
    pub const fn of(state: RequestState) -> Option<Self> {
        match state {
            RequestState::New => None,
            RequestState::Acknowledged => Some(Self::Acknowledged),
            RequestState::Answered => Some(Self::Answered),
            RequestState::Closed => Some(Self::Closed),
        }
    }

    /// Whether it is a follow-up: it carries what became of a request, after its question and over the same channel.
    pub const fn is_follow_up(self) -> bool {
        matches!(self, Self::Acknowledged | Self::Answered | Self::Closed)
    }

    /// Whether another channel may take over. None does for an alert: the others have it already, but for the one that
    /// it is about. Nor for a follow-up: elsewhere nobody got its question.
    pub const fn may_be_handed_over(self) -> bool {
        matches!(self, Self::Welcome | Self::Request | Self::Test)
    }
}

words!(
    /// Why nothing is sent to a customer's address any more.
    SuppressionCause, "cause", "bounced, unsubscribed" {
        /// A mail server said that nobody is there.
        Bounced = "bounced",
        /// The customer asked for it.
        Unsubscribed = "unsubscribed",
    }
);

/// What a message says about its customer and their request, fixed when the message is made, so that every attempt
/// sends the same text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Context {
    /// The customer's name; may be empty.
    pub name: String,
    /// The customer's mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<EmailAddress>,
    /// The customer's phone number, international when it could be understood, else as it came.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub phone: String,
    /// The topic as it came.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub topic: String,
    /// Whether no route names the topic, so that the catch-all took it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub topic_unknown: bool,
    /// The question.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub question: String,
    /// Where the customer came from, in one readable line.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// Landbot's name for the chat, when it told.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub chat_uuid: String,
    /// The language that the customer reads, as a tag; empty when nothing tells.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub language: String,
    /// Landbot's number for the customer, when it told.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub landbot_customer_id: String,
    /// Who changed the request's state, if they said; in a follow-up.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// What they said about it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
}

impl Context {
    /// What a message to or about `user` says.
    pub fn of_user(user: &User) -> Self {
        Self {
            name: user.name.clone(),
            email: user.email.clone(),
            phone: user.phone.as_ref().map_or_else(String::new, |phone| phone.best().to_owned()),
            source: user.origin.source(),
            chat_uuid: user.origin.chat_uuid.clone().unwrap_or_default(),
            language: language_of(&user.language, user.phone.as_ref()).to_owned(),
            landbot_customer_id: user.landbot_customer_id.clone().unwrap_or_default(),
            ..Self::default()
        }
    }

    /// The same, said of `request`, too.
    #[must_use]
    pub fn with_request(mut self, request: &Request) -> Self {
        request.topic.as_str().clone_into(&mut self.topic);
        self.topic_unknown = request.topic_unknown;
        self.question.clone_from(&request.question);
        self
    }

    /// What a message about `request` says. Where the customer came from this time tells more than the first time, unless
    /// it tells nothing.
    pub fn of_request(user: Option<&User>, request: &Request) -> Self {
        let mut context = user.map(Self::of_user).unwrap_or_default().with_request(request);
        let source = request.origin.source();
        if source != Origin::DIRECT || context.source.is_empty() {
            context.source = source;
        }
        if let Some(chat_uuid) = &request.origin.chat_uuid {
            context.chat_uuid.clone_from(chat_uuid);
        }
        context.in_chat_of(&request.origin)
    }

    /// The same, in the chat of this visit: on the web Landbot gives a customer another number in every bot, and what
    /// is said in an old chat nobody reads.
    #[must_use]
    pub fn in_chat_of(mut self, origin: &Origin) -> Self {
        if let Some(id) = &origin.landbot_customer_id {
            self.landbot_customer_id.clone_from(id);
        }
        self
    }

    /// The customer's address for a channel that knows customers by `field`: only what can be one.
    pub fn address(&self, field: ContactField) -> Option<&str> {
        match field {
            ContactField::Email => self.email.as_ref().map(EmailAddress::as_str),
            ContactField::Phone => Some(self.phone.as_str()).filter(|phone| Phone::is_e164(phone)),
            // Landbot counts its customers.
            ContactField::LandbotCustomerId => Some(self.landbot_customer_id.as_str())
                .filter(|id| (1..=20).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit())),
        }
    }

    /// What a message says about a change of `request`.
    pub fn of_change(user: Option<&User>, request: &Request, change: &RequestChange) -> Self {
        Self { by: change.by.clone(), note: change.note.clone(), ..Self::of_request(user, request) }
    }

    /// Where an answer to the customer goes by mail.
    pub fn reply_to(&self) -> Option<Mailbox> {
        self.email.clone().map(|address| Mailbox { name: self.name.clone(), address })
    }
}

/// Whom and what a message is about. Receivers that keep messages of one customer, or about one request, together know
/// them by these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// The customer.
    pub user: Option<UserId>,
    /// The request.
    pub request: Option<RequestId>,
}

/// A message to put into the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMessage {
    /// Its name.
    pub id: MessageId,
    /// Where it goes.
    pub channel: ChannelAddress,
    /// What it is for.
    pub purpose: Purpose,
    /// When it may be sent.
    pub due_at: Timestamp,
    /// Who takes over when `channel` does not deliver it, if the route says; else the channel's own rules do.
    pub fallback: Option<ChannelAddress>,
}

/// A message in the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its name; travels as Message-ID and as idempotency key.
    pub id: MessageId,
    /// The customer it is about.
    pub user_id: Option<UserId>,
    /// The request it carries.
    pub request_id: Option<RequestId>,
    /// Where it goes.
    pub channel: ChannelAddress,
    /// The channel that did not deliver it, when it was handed over.
    pub handed_over_from: Option<ChannelAddress>,
    /// What it is for.
    pub purpose: Purpose,
    /// Where it stands.
    pub state: State,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it may be sent.
    pub due_at: Timestamp,
    /// When it came to rest: delivered, dead or cancelled.
    pub finished_at: Option<Timestamp>,
    /// How many attempts count against its retry schedule.
    pub attempts: u32,
    /// What the receiver calls it.
    pub reference: String,
    /// Why the last attempt failed; empty when it did not.
    pub last_error: String,
    /// What it says.
    pub context: Context,
}

/// The sole right to deliver a message, until it is settled or a later claim takes it over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The message's name.
    pub id: MessageId,
    /// The lease epoch that a settlement must name.
    pub epoch: i64,
    /// The number of this attempt in the retry schedule, from 1.
    pub attempt: u32,
    /// What the message is for.
    pub purpose: Purpose,
    /// Whom and what it is about.
    pub about: About,
    /// When the message was made.
    pub created_at: Timestamp,
    /// When it was due.
    pub due_at: Timestamp,
    /// When it was first due over this channel; failed attempts do not move it.
    pub first_due_at: Timestamp,
    /// What it says.
    pub context: Context,
    /// Who takes over, if the message's route says.
    pub fallback: Option<ChannelAddress>,
    /// Whether it was handed over already, so that nobody takes over again.
    pub handed_over: bool,
    /// That nothing is sent to its customer's address any more, if that is so.
    pub suppressed: Option<Suppression>,
}

impl Claim {
    /// Who takes over when the channel of these rules does not deliver the message.
    pub fn fallback<'a>(&'a self, rules: &'a Rules) -> Option<&'a ChannelAddress> {
        let stays = self.handed_over || !self.purpose.may_be_handed_over();
        self.fallback.as_ref().or(rules.fallback.channel.as_ref()).filter(|_| !stays)
    }

    /// Whether its customer wants no more mail.
    pub fn is_unsubscribed(&self) -> bool {
        self.suppressed.as_ref().is_some_and(|found| found.cause == SuppressionCause::Unsubscribed)
    }

    /// Why the message is not worth sending any more; `None`: it is.
    pub fn expired(&self, rules: &Rules, now: Timestamp) -> Option<String> {
        let worth = if self.purpose == Purpose::Alert { rules.expire.min(ALERT_EXPIRES) } else { rules.expire };
        (now.since(self.first_due_at) > worth).then(|| {
            format!(
                "expired: it was due at {} and is worth sending for {}",
                self.first_due_at,
                humantime::format_duration(worth)
            )
        })
    }
}

/// A customer's address that nothing is sent to any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppression {
    /// The address.
    pub address: EmailAddress,
    /// Why, in a word.
    pub cause: SuppressionCause,
    /// Why: what the server said, for one.
    pub why: String,
    /// When.
    pub since: Timestamp,
}

/// One attempt, kept for ever beside its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The lease epoch: counts every claim of the message, in order.
    pub epoch: i64,
    /// The channel it went over.
    pub channel: ChannelAddress,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took, in milliseconds.
    pub duration_ms: i64,
    /// `delivered`, `retry`, `dead` or `unknown`.
    pub outcome: String,
    /// How far the outcome reaches; empty for a delivery.
    pub scope: String,
    /// What happened and what to do about it; empty for a delivery.
    pub error: String,
}

/// Where an attempt leaves its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transition {
    /// The receiver took it.
    Delivered {
        /// What the receiver calls it.
        reference: String,
        /// What a sandboxed channel kept.
        capture: Option<Vec<u8>>,
    },
    /// Pending again.
    Again {
        /// When it may be sent next.
        due_at: Timestamp,
        /// Whether the attempt counts against the retry schedule.
        counted: bool,
    },
    /// Pending again, over another channel, with a fresh retry schedule.
    HandedOver {
        /// The channel that takes over.
        channel: ChannelAddress,
    },
    /// Given up.
    Dead,
    /// Left to an operator.
    Held,
    /// Not sent, because its customer wants no more mail: nothing that anybody must look after.
    CalledOff,
}

impl Transition {
    /// Where `outcome` leaves the message of `claim` under its channel's `rules`. `chance` in `0.0..1.0` picks the
    /// jitter.
    pub fn after(outcome: &Outcome, claim: &Claim, rules: &Rules, now: Timestamp, chance: f64) -> Self {
        if claim.is_unsubscribed() {
            return Self::CalledOff;
        }
        match outcome {
            Outcome::Delivered { reference, capture } => {
                Self::Delivered { reference: reference.clone(), capture: capture.clone() }
            }
            // The channel is at fault, not the message: it waits the schedule's first wait and loses no attempt.
            Outcome::Retry { scope: Scope::Channel, .. } | Outcome::Dead { scope: Scope::Channel, .. } => {
                let asked = if let Outcome::Retry { after, .. } = outcome { *after } else { None };
                let again =
                    Self::Again { due_at: now.after(rules.retry.wait_for_channel(chance, asked)), counted: false };
                again.unless_taken_over(claim, rules)
            }
            Outcome::Retry { after, .. } => Self::again(claim, rules, now, chance, *after),
            // Nobody else reaches an address that does not exist, but the customer may have another one.
            Outcome::Dead { scope: Scope::Recipient, .. } if !rules.fallback.is_elsewhere => Self::Dead,
            Outcome::Dead { .. } => Self::hand_over(claim, rules).unwrap_or(Self::Dead),
            Outcome::Unknown { .. } => match rules.on_unknown {
                OnUnknown::Retry => Self::again(claim, rules, now, chance, None),
                OnUnknown::Hold => Self::Held,
            },
        }
    }

    fn again(claim: &Claim, rules: &Rules, now: Timestamp, chance: f64, asked: Option<Duration>) -> Self {
        match rules.retry.wait_after(claim.attempt, chance, asked) {
            Some(wait) => Self::Again { due_at: now.after(wait), counted: true }.unless_taken_over(claim, rules),
            None => Self::hand_over(claim, rules).unwrap_or(Self::Dead),
        }
    }

    /// Hands the message over instead, if it has failed often or waited long enough.
    fn unless_taken_over(self, claim: &Claim, rules: &Rules) -> Self {
        let Self::Again { due_at, counted } = self else { return self };
        let often = counted && claim.attempt >= rules.fallback.failures;
        // Nobody looks after a message before it is due again, and a receiver may ask for hours of patience.
        let long = due_at.since(claim.first_due_at) >= rules.fallback.after;
        Self::hand_over(claim, rules).filter(|_| often || long).unwrap_or(self)
    }

    fn hand_over(claim: &Claim, rules: &Rules) -> Option<Self> {
        claim.fallback(rules).map(|channel| Self::HandedOver { channel: channel.clone() })
    }
}

/// The end of a claim: what was tried, and where that leaves the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The message.
    pub id: MessageId,
    /// What was tried; its epoch must still be the message's.
    pub attempt: Attempt,
    /// Where the message goes from here.
    pub transition: Transition,
    /// The customer's address, when the attempt has shown that nobody is there.
    pub suppress: Option<EmailAddress>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Fallback, RetrySchedule};

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn rules() -> Rules {
        Rules {
            retry: RetrySchedule::new(vec![Duration::from_secs(10), Duration::from_secs(20)]).unwrap(),
            on_unknown: OnUnknown::Retry,
            concurrency: 1,
            rate: None,
            expire: Duration::from_hours(24),
            fallback: Fallback { channel: None, failures: 2, after: Duration::from_mins(2), is_elsewhere: false },
        }
    }

    fn with_fallback() -> Rules {
        let fallback = Fallback { channel: Some("email.ops".parse().unwrap()), ..rules().fallback };
        Rules { fallback, ..rules() }
    }

    fn claim(attempt: u32) -> Claim {
        Claim {
            id: MessageId::new(NOW),
            epoch: 1,
            attempt,
            purpose: Purpose::Request,
            about: About::default(),
            created_at: NOW,
            due_at: NOW,
            first_due_at: NOW,
            context: Context::default(),
            fallback: None,
            handed_over: false,
            suppressed: None,
        }
    }

    #[test]
    fn what_is_not_sent_to_whom_unsubscribed_is_no_dead_letter_and_goes_nowhere_else() {
        let suppressed = |cause| {
            let address = EmailAddress::parse("ana@example.com").unwrap();
            let found = Suppression { address, cause, why: String::new(), since: NOW };
            Claim { purpose: Purpose::Welcome, suppressed: Some(found), ..claim(1) }
        };
        let elsewhere = Fallback { is_elsewhere: true, ..with_fallback().fallback };
        let rules = Rules { fallback: elsewhere, ..rules() };
        let after =
            |cause| Transition::after(&Outcome::dead(Scope::Recipient, "", ""), &suppressed(cause), &rules, NOW, 0.0);
        assert_eq!(after(SuppressionCause::Unsubscribed), Transition::CalledOff);
        assert_eq!(
            after(SuppressionCause::Bounced),
            Transition::HandedOver { channel: "email.ops".parse().unwrap() },
            "there may be another way to who has no mailbox"
        );
    }

    fn after(outcome: &Outcome, attempt: u32) -> Transition {
        Transition::after(outcome, &claim(attempt), &rules(), NOW, 0.0)
    }

    fn again(seconds: u64, counted: bool) -> Transition {
        Transition::Again { due_at: NOW.after(Duration::from_secs(seconds)), counted }
    }

    fn handed_over() -> Transition {
        Transition::HandedOver { channel: "email.ops".parse().unwrap() }
    }

    #[test]
    fn a_failed_attempt_waits_its_turn_and_the_last_one_is_a_dead_letter() {
        let busy = Outcome::retry(Scope::Message, "503");
        assert_eq!(after(&busy, 1), again(10, true));
        assert_eq!(after(&busy, 2), again(20, true));
        assert_eq!(after(&busy, 3), Transition::Dead);
    }

    #[test]
    fn a_fault_of_the_channel_burns_no_attempt() {
        assert_eq!(after(&Outcome::retry(Scope::Channel, "refused"), 3), again(10, false));
        assert_eq!(after(&Outcome::dead(Scope::Channel, "token revoked", ""), 3), again(10, false));
    }

    #[test]
    fn a_refusal_ends_the_message_at_once() {
        assert_eq!(after(&Outcome::dead(Scope::Recipient, "550", ""), 1), Transition::Dead);
    }

    #[test]
    fn no_answer_is_sent_again_or_held_as_the_channel_says() {
        let silent = Outcome::Unknown { why: "no answer".into() };
        assert_eq!(after(&silent, 1), again(10, true));
        let hold = Rules { on_unknown: OnUnknown::Hold, ..with_fallback() };
        assert_eq!(Transition::after(&silent, &claim(1), &hold, NOW, 0.0), Transition::Held);
    }

    #[test]
    fn the_fallback_takes_over_after_so_many_failures_or_so_long() {
        let after = |outcome: &Outcome, attempt, waited| {
            Transition::after(outcome, &claim(attempt), &with_fallback(), NOW.after(Duration::from_secs(waited)), 0.0)
        };
        let (busy, down) = (Outcome::retry(Scope::Message, "503"), Outcome::retry(Scope::Channel, "refused"));
        assert!(matches!(after(&busy, 1, 0), Transition::Again { .. }));
        assert_eq!(after(&busy, 2, 0), handed_over());
        assert!(matches!(after(&down, 2, 109), Transition::Again { .. }));
        assert_eq!(after(&down, 1, 110), handed_over(), "the next attempt would come after two minutes");
        let patience =
            Outcome::Retry { after: Some(Duration::from_hours(3)), scope: Scope::Channel, why: "429".into() };
        assert_eq!(after(&patience, 1, 0), handed_over());
    }

    #[test]
    fn the_fallback_takes_what_the_channel_refuses_for_good_but_not_what_no_channel_could_deliver() {
        let after = |outcome: &Outcome, claim: &Claim| Transition::after(outcome, claim, &with_fallback(), NOW, 0.0);
        assert_eq!(after(&Outcome::dead(Scope::Destination, "archived", ""), &claim(1)), handed_over());
        assert_eq!(after(&Outcome::dead(Scope::Recipient, "550", ""), &claim(1)), Transition::Dead);
        let twice = Claim { handed_over: true, ..claim(1) };
        assert_eq!(after(&Outcome::dead(Scope::Destination, "archived", ""), &twice), Transition::Dead);
        let alert = Claim { purpose: Purpose::Alert, ..claim(1) };
        assert_eq!(after(&Outcome::dead(Scope::Destination, "archived", ""), &alert), Transition::Dead);
        let follow_up = Claim { purpose: Purpose::Acknowledged, ..claim(1) };
        assert_eq!(after(&Outcome::dead(Scope::Destination, "archived", ""), &follow_up), Transition::Dead);
        let routed = Claim { fallback: Some("http.pager".parse().unwrap()), ..claim(1) };
        let pager = Transition::HandedOver { channel: "http.pager".parse().unwrap() };
        assert_eq!(after(&Outcome::dead(Scope::Destination, "archived", ""), &routed), pager);
    }

    #[test]
    fn whoever_has_no_such_address_may_be_reached_at_another_one() {
        let elsewhere = Fallback { is_elsewhere: true, ..with_fallback().fallback };
        let rules = Rules { fallback: elsewhere, ..rules() };
        let nobody = Outcome::dead(Scope::Recipient, "no such number", "");
        assert_eq!(Transition::after(&nobody, &claim(1), &rules, NOW, 0.0), handed_over());
    }

    #[test]
    fn only_what_can_be_an_address_is_one() {
        let context = |phone: &str, id: &str| Context {
            phone: phone.into(),
            landbot_customer_id: id.into(),
            ..Context::default()
        };
        let (phone, landbot) = (ContactField::Phone, ContactField::LandbotCustomerId);
        assert_eq!(context("+34612345678", "161808359").address(phone), Some("+34612345678"));
        assert_eq!(context("+34612345678", "161808359").address(landbot), Some("161808359"));
        for odd in ["", "612345678", "+34 612", "+12", "+1234567890123456", "+3461234567a"] {
            assert_eq!(context(odd, "").address(phone), None, "{odd}");
        }
        for odd in ["", "../1", "1/2", "a1", "123456789012345678901"] {
            assert_eq!(context("", odd).address(landbot), None, "{odd}");
        }
        assert_eq!(Context::default().address(ContactField::Email), None);
    }

    #[test]
    fn a_message_is_worth_sending_only_so_long_and_an_alert_shorter() {
        let hours = |hours| NOW.after(Duration::from_hours(hours));
        assert_eq!(claim(1).expired(&rules(), hours(24)), None);
        assert!(claim(1).expired(&rules(), hours(25)).unwrap().contains("worth sending for 1day"));
        assert!(Claim { purpose: Purpose::Alert, ..claim(1) }.expired(&rules(), hours(7)).is_some());
    }

    #[test]
    fn words_read_back() {
        assert_eq!("held".parse(), Ok(State::Held));
        assert!("failed".parse::<State>().unwrap_err().to_string().contains("expected one of pending"));
    }
}
