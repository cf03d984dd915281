//! Requests and what becomes of them: what a store is asked for, and what it answers.

use crate::domain::{
    ChannelAddress, Message, Origin, Phone, Request, RequestChange, RequestEdit, RequestId, RequestState, Timestamp,
    Topic, User,
};

/// A request and who asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestEntry {
    /// The request.
    pub request: Request,
    /// Who asked, when they can be known.
    pub user: Option<User>,
}

/// A request with what routes look at, and where it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutedRequest {
    /// The request.
    pub id: RequestId,
    /// When it came.
    pub created_at: Timestamp,
    /// What it is about.
    pub topic: Topic,
    /// Where the customer came from that time.
    pub origin: Origin,
    /// The customer's phone, as it is known now.
    pub phone: Option<Phone>,
    /// The customer's language tag, as it is known now; empty when unknown.
    pub language: String,
    /// The channels that its messages were made for, whoever took over from them; without those of pruned messages.
    pub channels: Vec<ChannelAddress>,
}

/// A request with everything that happened to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHistory {
    /// The request and who asked.
    pub entry: RequestEntry,
    /// Every change of its state, oldest first.
    pub changes: Vec<RequestChange>,
    /// Every change of what is noted beside it, oldest first.
    pub edits: Vec<RequestEdit>,
    /// Every message that carried its question or what became of it, oldest first.
    pub messages: Vec<Message>,
}

/// Whether an operator's word changed a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestChanged {
    /// It did; follow-ups are due now over these channels.
    Yes(Vec<ChannelAddress>),
    /// The request is in this state already, or past the one that was asked for.
    NotFrom(RequestState),
    /// There is no such request.
    NotFound,
}

/// Whether what is noted beside a request became another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestEdited {
    /// It is what it was to become.
    Yes,
    /// It was not what was expected, but this, and has stayed so.
    Otherwise(String),
    /// There is no such request.
    NotFound,
}
