//! One attempt, from the claim to its settlement.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::OwnedSemaphorePermit;

use super::breaker::{Leave, News};
use super::lane::Lane;
use crate::crash;
use crate::domain::{
    Attempt, Claim, ContactField, MessageId, Outcome, Purpose, Scope, Settlement, Suppression, SuppressionCause,
    Timestamp, Transition, mask_addresses, truncate,
};

/// How long to wait before asking a store again that did not answer.
pub(super) const STORE_PAUSE: Duration = Duration::from_secs(1);

/// How much of an error is kept, in characters.
const LONGEST_ERROR: usize = 1_000;

/// What came of an attempt.
struct Tried {
    outcome: Outcome,
    /// How long the channel took to say so; `None`: it was not asked at all.
    asked: Option<Duration>,
}

impl Tried {
    const fn unasked(outcome: Outcome) -> Self {
        Self { outcome, asked: None }
    }
}

impl Lane {
    /// One attempt. The slot is free again when the settlement is in the store's hands.
    pub(super) async fn carry(self: Arc<Self>, mut claim: Claim, slot: OwnedSemaphorePermit) {
        // The route's fallback may have been given up since the message was made; then the channel's own rules say.
        claim.fallback.take_if(|channel| self.common.conditions.of(channel).is_none());
        let started_at = self.common.clock.now();
        let begun = Instant::now();
        let Tried { outcome, asked } = self.attempt(&claim, self.common.clock.certain_now()).await;
        let now = self.common.clock.now();
        self.learn(asked.map(|_| &outcome), now).await;
        let rules = &self.served.rules;
        let transition = Transition::after(&outcome, &claim, rules, now, chance(claim.id, claim.epoch));
        let late = started_at.since(claim.due_at);
        self.metrics.attempted(&outcome, late, asked);
        let nobody_there = asked.is_some() && matches!(outcome, Outcome::Dead { scope: Scope::Recipient, .. });
        let attempt = Attempt {
            epoch: claim.epoch,
            channel: self.served.address.clone(),
            started_at,
            duration_ms: i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX),
            outcome: outcome.word().to_owned(),
            scope: outcome.scope().map_or_else(String::new, |scope| scope.to_string()),
            error: truncate(&outcome.explanation(), LONGEST_ERROR).text.to_owned(),
        };
        tell(&claim, &attempt, late, &transition);
        // What a phone company says of a number says nothing about a mailbox.
        let suppress =
            claim.context.email.filter(|_| nobody_there && claim.purpose == Purpose::Welcome && self.writes_mail());
        self.settle(Settlement { id: claim.id, attempt, transition, suppress }, slot).await;
    }

    /// Whether the channel reaches customers at the address that can be suppressed.
    fn writes_mail(&self) -> bool {
        self.served.channel.writes_to() == Some(ContactField::Email)
    }

    /// Delivers the message, unless it is not worth it.
    async fn attempt(self: &Arc<Self>, claim: &Claim, now: Timestamp) -> Tried {
        // A server that knows no such mailbox says nothing about the customer's phone; a customer who wants nothing more
        // wants it nowhere.
        if let Some(suppression) = claim.suppressed.as_ref().filter(|_| claim.is_unsubscribed() || self.writes_mail()) {
            self.metrics.suppressed.count();
            return Tried::unasked(suppressed(suppression));
        }
        if let Some(why) = claim.expired(&self.served.rules, now) {
            if claim.fallback(&self.served.rules).is_none() {
                self.metrics.expired.count();
            }
            return Tried::unasked(Outcome::dead(Scope::Message, why, "retry it if it still matters"));
        }
        // In a task of its own, so that code that panics fails this attempt and nothing else.
        let tried = tokio::spawn(Arc::clone(self).deliver(claim.clone())).await;
        tried.unwrap_or_else(|error| {
            Tried::unasked(Outcome::retry(Scope::Message, format!("the channel's code failed: {error}")))
        })
    }

    async fn deliver(self: Arc<Self>, claim: Claim) -> Tried {
        let channel = &self.served.channel;
        match self.common.renderer.render(&claim, &self.served.address, channel.markup()) {
            Ok(mut rendered) => {
                if channel.keeps_threads() {
                    rendered.thread = self.thread(&claim).await;
                }
                rendered.attempted_at = self.common.clock.now();
                crash::point("relay.delivering");
                crash::point_for("relay.delivering", &claim.context.question);
                let begun = Instant::now();
                let outcome = channel.deliver(&rendered).await;
                Tried { outcome, asked: Some(begun.elapsed()) }
            }
            Err(error) => {
                let hint = "mend the template, then retry the message";
                Tried::unasked(Outcome::dead(Scope::Message, error.to_string(), hint))
            }
        }
    }

    /// What the receiver calls the customer's thread. A message that begins a second one is better than none.
    async fn thread(&self, claim: &Claim) -> Option<String> {
        match self.common.store.thread(&self.served.address, claim.about).await {
            Ok(thread) => thread,
            Err(error) => {
                tracing::warn!(message.id = %claim.id, %error, "Could not find the thread of message {}; it begins one", claim.id);
                None
            }
        }
    }

    /// Lets the breaker learn, and passes its news on.
    async fn learn(&self, outcome: Option<&Outcome>, now: Timestamp) {
        let channel = &self.served.address;
        let (news, trouble, probe_is_back) = {
            let mut breaker = self.breaker();
            let probing = breaker.leave(1, now) == Leave::WaitForProbe;
            (breaker.learn(outcome, now), breaker.trouble().cloned(), probing)
        };
        let is_answer =
            |outcome: &Outcome| !matches!(outcome, Outcome::Unknown { .. }) && outcome.scope() != Some(Scope::Channel);
        self.common.conditions.change(channel, |condition| {
            if news != News::None {
                condition.trouble.clone_from(&trouble);
            }
            if outcome.is_some_and(is_answer) {
                condition.answered_at = Some(now);
            }
        });
        match (news, trouble) {
            (News::Opened { pause, asked }, Some(trouble)) => {
                let (why, hint) = (mask_addresses(&trouble.why), trouble.hint);
                tracing::warn!(%channel, why, hint, "Channel {channel} is in trouble; nothing is sent over it for {pause:?}");
                if let Some(asked) = asked
                    && let Err(error) = self.common.store.note_patience(channel, Some(now.after(asked))).await
                {
                    tracing::error!(%channel, %error, "Could not note until when {channel} wants no messages; a restart forgets it");
                }
            }
            (News::Closed { after }, _) => {
                tracing::info!(%channel, "Channel {channel} works again, after {after:?}");
                if let Err(error) = self.common.store.note_patience(channel, None).await {
                    tracing::error!(%channel, %error, "Could not note that {channel} takes messages again; a restart may wait for nothing");
                }
            }
            _ => {}
        }
        if probe_is_back {
            self.alarm.set(now);
        }
    }

    fn count(&self, transition: &Transition) {
        match transition {
            Transition::HandedOver { .. } => self.metrics.handed_over.count(),
            Transition::Dead => self.metrics.dead_letters.count(),
            Transition::Delivered { .. } | Transition::Again { .. } | Transition::Held | Transition::CalledOff => {}
        }
    }

    /// Records the outcome. A store that does not answer is asked again until it does: a delivery that is forgotten
    /// would be repeated.
    ///
    /// The store takes things in order, so a claim that is made from now on comes after this settlement, most often in
    /// the same commit: the next message need not wait for it, and yet no more are ever unsettled than there are slots.
    async fn settle(&self, settlement: Settlement, slot: OwnedSemaphorePermit) {
        crash::point("relay.settling");
        let id = settlement.id;
        let common = &self.common;
        let mut slot = Some(slot);
        loop {
            let mut settling = common.store.settle(settlement.clone(), common.clock.now());
            let at_once = poll_fn(|context| Poll::Ready(settling.as_mut().poll(context))).await;
            slot.take();
            let settled = match at_once {
                Poll::Ready(settled) => settled,
                Poll::Pending => settling.await,
            };
            match settled {
                Ok(true) => {
                    self.count(&settlement.transition);
                    break;
                }
                Ok(false) => {
                    tracing::warn!(message.id = %id, "Message {id} was claimed again or erased meanwhile; this outcome is not recorded");
                    break;
                }
                Err(error) => {
                    tracing::error!(message.id = %id, %error, "Could not record the outcome of message {id}; trying again");
                }
            }
            common.clock.sleep_until(Some(common.clock.now().after(STORE_PAUSE)), STORE_PAUSE).await;
        }
        crash::point("relay.settled");
        match &settlement.transition {
            Transition::Again { due_at, .. } => self.alarm.set(*due_at),
            Transition::HandedOver { channel } => common.wake.at(channel, common.clock.now()),
            Transition::Delivered { .. } | Transition::Dead | Transition::Held | Transition::CalledOff => {}
        }
    }
}

/// What becomes of a message to an address that nothing is sent to.
fn suppressed(suppression: &Suppression) -> Outcome {
    let Suppression { cause, why, since, .. } = suppression;
    let (why, hint) = match cause {
        SuppressionCause::Bounced => (
            format!("not sent: a mail server said of this address: {why}"),
            "if the address is right, retry the message: that lifts the suppression",
        ),
        SuppressionCause::Unsubscribed => (
            format!("not sent: {why} at {since}"),
            "only when they ask you to, send to them again: DELETE /api/suppressions/ADDRESS, then retry the message",
        ),
    };
    Outcome::dead(Scope::Recipient, why, hint)
}

/// One line for each attempt, always with the same fields. Those that a person may want to look into are warnings.
fn tell(claim: &Claim, attempt: &Attempt, late: Duration, transition: &Transition) {
    macro_rules! line {
        ($level:ident, $($text:tt)+) => {
            tracing::$level!(
                message.id = %claim.id,
                channel = %attempt.channel,
                purpose = %claim.purpose,
                attempt = claim.attempt,
                outcome = attempt.outcome,
                scope = attempt.scope,
                duration_ms = attempt.duration_ms,
                lateness_ms = u64::try_from(late.as_millis()).unwrap_or(u64::MAX),
                reason = mask_addresses(&attempt.error),
                $($text)+
            )
        };
    }
    let id = claim.id;
    match transition {
        Transition::Delivered { .. } => line!(info, "Message {id} is delivered"),
        Transition::Again { due_at, .. } => line!(info, "Message {id} is tried again at {due_at}"),
        Transition::HandedOver { channel } => line!(warn, "Message {id} is handed over to {channel}"),
        Transition::Dead => line!(warn, "Message {id} is a dead letter"),
        Transition::Held => line!(warn, "Message {id} is held"),
        Transition::CalledOff => line!(info, "Message {id} is called off"),
    }
}

/// A number in `0.0..1.0` for the jitter of this attempt: drawn from the random bits of the id, so that the same
/// attempt always gets the same, and different messages different ones.
fn chance(id: MessageId, epoch: i64) -> f64 {
    let random = id.as_bytes()[8..]
        .iter()
        .fold(epoch.unsigned_abs(), |mixed, byte| (mixed ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3));
    f64::from((random >> 32) as u32) / (f64::from(u32::MAX) + 1.0)
}
