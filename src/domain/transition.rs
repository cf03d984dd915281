//! Where an attempt leaves its message.

use std::time::Duration;

use super::{ChannelAddress, Claim, OnUnknown, Outcome, Rules, Scope, Timestamp};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        About, Context, EmailAddress, Fallback, MessageId, Purpose, RetrySchedule, Suppression, SuppressionCause,
    };

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
}
