//! Which entries of a list are asked for. What is left open leaves nothing out.

use std::sync::Arc;

use crate::domain::{
    ChannelAddress, CreditedTouch, Dimension, OriginRules, Pattern, Purpose, RequestId, RequestState, State, Timestamp,
    TopicKey, UserId,
};

/// From a moment up to, and without, another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Period {
    /// The first moment that belongs to it.
    pub from: Option<Timestamp>,
    /// The first moment that does not any more.
    pub to: Option<Timestamp>,
}

impl Period {
    /// Whether it has neither beginning nor end.
    pub const fn is_always(&self) -> bool {
        self.from.is_none() && self.to.is_none()
    }
}

/// Where customers came from, as the ledger counts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginFilter {
    /// Which visit is credited.
    pub touch: CreditedTouch,
    /// The values that must hold, every one of them. `None`: it was not told.
    pub only: Vec<(Dimension, Option<Pattern>)>,
    /// What origins mean.
    pub rules: Arc<OriginRules>,
}

/// Which messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageFilter {
    /// Only those in this state.
    pub state: Option<State>,
    /// Only those over this channel.
    pub channel: Option<ChannelAddress>,
    /// Only those to or about this user.
    pub user: Option<UserId>,
    /// Only those that carry this request, or what became of it.
    pub request: Option<RequestId>,
    /// Only those for this purpose.
    pub purpose: Option<Purpose>,
    /// Only those that were made in this period.
    pub made: Period,
    /// Only those that came to rest in this period: were delivered, given up or cancelled.
    pub finished: Period,
}

/// Which users.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserFilter {
    /// Only those whose mail address begins with it, or whose name or phone holds it.
    pub search: Option<String>,
    /// Only those who registered in this period; then those who did last come first.
    pub registered: Period,
    /// Only those who came from there.
    pub origin: Option<OriginFilter>,
}

/// Which requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestFilter {
    /// Only those in this state.
    pub state: Option<RequestState>,
    /// Only those about one of these topics; without any: about whatever.
    pub topics: Vec<TopicKey>,
    /// Only those of this user.
    pub user: Option<UserId>,
    /// Only those that this person looks after; the empty text: those that nobody does.
    pub assignee: Option<String>,
    /// Only those that came in this period.
    pub came: Period,
    /// Only those of customers who came from there.
    pub origin: Option<OriginFilter>,
}
