//! A request: a customer asks for help.

use std::time::Duration;

use super::{Origin, RequestId, Timestamp, Topic, UserId};

/// How long the same question about the same topic by the same customer counts as one request. Short, because
/// Landbot keeps fields between visits and a customer may well ask the same thing tomorrow.
pub const REPEAT_WINDOW: Duration = Duration::from_mins(10);

/// What makes two requests the same: who asks, about what, and the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of these three; `who` stands for the customer. Case and spacing of the question do not count.
    pub fn new(who: &str, topic: &Topic, question: &str) -> Self {
        let mut context = ring::digest::Context::new(&ring::digest::SHA256);
        // A zero byte ends each part, so that no two triples run together into one text.
        for part in [who, topic.key().as_str()] {
            context.update(part.as_bytes());
            context.update(&[0]);
        }
        for word in question.split_whitespace() {
            context.update(word.to_lowercase().as_bytes());
            context.update(b" ");
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.finish().as_ref());
        Self(bytes)
    }

    /// The bytes a store keeps.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A request as it comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRequest {
    /// The id it gets if it is new.
    pub id: RequestId,
    /// What it is about.
    pub topic: Topic,
    /// Whether no route names the topic.
    pub topic_unknown: bool,
    /// The question; may be empty when the customer only chose a topic.
    pub question: String,
    /// The caller's own name for it, when it gave one.
    pub idempotency_key: Option<String>,
    /// What makes it the same as another.
    pub fingerprint: Fingerprint,
    /// Where the customer came from this time.
    pub origin: Origin,
}

/// A request as the store knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its id.
    pub id: RequestId,
    /// Who asked, when they can be known.
    pub user_id: Option<UserId>,
    /// What it is about.
    pub topic: Topic,
    /// Whether no route named the topic when it came.
    pub topic_unknown: bool,
    /// The question.
    pub question: String,
    /// Where the customer came from that time.
    pub origin: Origin,
    /// When it came.
    pub created_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_question_in_other_spacing_is_the_same_request() {
        let of = |topic: &str, question: &str| Fingerprint::new("ana@example.com", &Topic::new(topic), question);
        assert_eq!(of("Sales", "How much?"), of("💶 sales ", " how   MUCH?\n"));
        assert_ne!(of("Sales", "How much?"), of("Pricing", "How much?"));
        assert_ne!(of("Sales", "How much?"), of("Sales", "How many?"));
        assert_ne!(of("Sales", ""), Fingerprint::new("eva@example.com", &Topic::new("Sales"), ""));
    }
}
