//! Customers' addresses that nothing is sent to any more, and why.

use super::words::words;
use super::{EmailAddress, Timestamp};

words!(
    /// Why nothing is sent to a customer's address any more.
    SuppressionCause, "cause", "bounced, unsubscribed" {
        /// A mail server said that nobody is there.
        Bounced = "bounced",
        /// The customer asked for it.
        Unsubscribed = "unsubscribed",
    }
);

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
