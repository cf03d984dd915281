//! A request: a customer asks for help; and the states it passes through, by what operators say.
//!
//! ```text
//! new ─► acknowledged ─► answered ─► closed
//! ```
//!
//! Steps may be left out, none is taken back.

use std::time::Duration;

use super::words::words;
use super::{ChannelAddress, Origin, RequestId, Timestamp, Topic, UserId, one_line};

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
    /// Where it stands.
    pub state: RequestState,
    /// What is noted about it, for the shop's own people; may be empty.
    pub note: String,
    /// Who looks after it; empty: nobody was named.
    pub assignee: String,
}

words!(
    /// Where a request stands.
    RequestState, "state", "new, acknowledged, answered, closed" {
        /// Nobody has said anything about it.
        New = "new",
        /// Somebody looks after it.
        Acknowledged = "acknowledged",
        /// The customer has their answer.
        Answered = "answered",
        /// Nothing more is to be done.
        Closed = "closed",
    }
);

impl RequestState {
    /// What bringing a request to this state is called in the list of changes.
    pub const fn action(self) -> &'static str {
        match self {
            Self::New => "request.reopen",
            Self::Acknowledged => "request.acknowledge",
            Self::Answered => "request.answer",
            Self::Closed => "request.close",
        }
    }

    /// Whether `next` comes after this one.
    pub const fn may_become(self, next: Self) -> bool {
        (self as u8) < (next as u8)
    }
}

/// Longest name of who changed a request, in characters.
const LONGEST_NAME: usize = 100;

/// Longest note about a change, in characters: it has to fit into a chat.
const LONGEST_NOTE: usize = 2_000;

/// Why something cannot be said about a change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: at most {longest} characters, these are {found}")]
pub struct RequestChangeError {
    what: &'static str,
    longest: usize,
    found: usize,
}

/// A request came to another state. Kept for as long as the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestChange {
    /// When.
    pub at: Timestamp,
    /// The state it came to.
    pub state: RequestState,
    /// Who says so; may be empty.
    pub by: String,
    /// What they say about it; may be empty.
    pub note: String,
}

impl RequestChange {
    /// The request comes to `state` at `at`. `by` is made one line.
    pub fn new(state: RequestState, at: Timestamp, by: &str, note: &str) -> Result<Self, RequestChangeError> {
        for (what, text, longest) in [("by", by, LONGEST_NAME), ("note", note, LONGEST_NOTE)] {
            let found = text.chars().count();
            if found > longest {
                return Err(RequestChangeError { what, longest, found });
            }
        }
        Ok(Self { at, state, by: one_line(by), note: note.trim().to_owned() })
    }
}

words!(
    /// What is noted beside a request, whatever its state.
    RequestField, "field", "note, assignee" {
        /// A note for the shop's own people.
        Note = "note",
        /// Who looks after it.
        Assignee = "assignee",
    }
);

impl RequestField {
    /// What changing it is called in the list of changes.
    pub const fn action(self) -> &'static str {
        match self {
            Self::Note => "request.note",
            Self::Assignee => "request.assign",
        }
    }
}

/// What is noted beside a request became another. Kept for as long as the request; no channel hears of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestEdit {
    /// When.
    pub at: Timestamp,
    /// What.
    pub field: RequestField,
    /// What it is from then on; empty: nothing any more.
    pub value: String,
    /// Who says so; may be empty.
    pub by: String,
}

impl RequestEdit {
    /// `field` is `value` from `at` on. Names are made one line.
    pub fn new(field: RequestField, at: Timestamp, value: &str, by: &str) -> Result<Self, RequestChangeError> {
        let longest = if field == RequestField::Note { LONGEST_NOTE } else { LONGEST_NAME };
        for (what, text, longest) in [(field.as_str(), value, longest), ("by", by, LONGEST_NAME)] {
            let found = text.chars().count();
            if found > longest {
                return Err(RequestChangeError { what, longest, found });
            }
        }
        let value = if field == RequestField::Note { value.trim().to_owned() } else { one_line(value) };
        Ok(Self { at, field, value, by: one_line(by) })
    }
}

/// A channel that wants to hear what becomes of the requests whose questions it carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Follower {
    /// The channel.
    pub channel: ChannelAddress,
    /// The channels it takes over from, unless a message's route says otherwise: their questions may still come to it.
    pub stands_in_for: Vec<ChannelAddress>,
    /// Every channel that is configured: a fallback that a route named is passed over when it is none of them.
    pub known: Vec<ChannelAddress>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_only_moves_on_and_may_leave_steps_out() {
        use RequestState::{Acknowledged, Answered, Closed, New};
        let onward: Vec<_> = [(New, Acknowledged), (New, Answered), (New, Closed), (Acknowledged, Answered)]
            .into_iter()
            .chain([(Acknowledged, Closed), (Answered, Closed)])
            .collect();
        for from in RequestState::ALL {
            for to in RequestState::ALL {
                assert_eq!(from.may_become(*to), onward.contains(&(*from, *to)), "{from} to {to}");
            }
        }
    }

    #[test]
    fn who_and_what_is_said_of_a_change_fits_into_a_chat() {
        let at = Timestamp::from_millis(1);
        let change = RequestChange::new(RequestState::Closed, at, " Eva\r\nRuiz ", " sold\nout ").unwrap();
        assert_eq!((change.by.as_str(), change.note.as_str()), ("Eva Ruiz", "sold\nout"));
        let long = RequestChange::new(RequestState::Closed, at, "Eva", &"ñ".repeat(2_001)).unwrap_err();
        assert_eq!(long.to_string(), "note: at most 2000 characters, these are 2001");
        assert!(RequestChange::new(RequestState::Closed, at, &"ñ".repeat(101), "").is_err());
    }

    #[test]
    fn a_note_keeps_its_lines_and_a_name_has_one() {
        let at = Timestamp::from_millis(1);
        let note = RequestEdit::new(RequestField::Note, at, " call\nback ", " Eva\n").unwrap();
        assert_eq!((note.value.as_str(), note.by.as_str()), ("call\nback", "Eva"));
        assert_eq!(RequestEdit::new(RequestField::Assignee, at, "Eva\nRuiz", "").unwrap().value, "Eva Ruiz");
        let long = RequestEdit::new(RequestField::Assignee, at, &"n".repeat(101), "").unwrap_err();
        assert_eq!(long.to_string(), "assignee: at most 100 characters, these are 101");
    }

    #[test]
    fn the_same_question_in_other_spacing_is_the_same_request() {
        let of = |topic: &str, question: &str| Fingerprint::new("ana@example.com", &Topic::new(topic), question);
        assert_eq!(of("Sales", "How much?"), of("💶 sales ", " how   MUCH?\n"));
        assert_ne!(of("Sales", "How much?"), of("Pricing", "How much?"));
        assert_ne!(of("Sales", "How much?"), of("Sales", "How many?"));
        assert_ne!(of("Sales", ""), Fingerprint::new("eva@example.com", &Topic::new("Sales"), ""));
    }
}
