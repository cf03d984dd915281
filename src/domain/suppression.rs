//! Customers' addresses that nothing is sent to any more, and why.

use std::fmt;

use ring::hmac;

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

/// The key of the marks that stand for the addresses of erased customers who had asked for no more mail. Without it nobody
/// can try out which address a mark stands for.
#[derive(Clone, PartialEq, Eq)]
pub struct ErasureKey([u8; 32]);

impl ErasureKey {
    /// Of random bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// What stands for the address: its HMAC-SHA-256.
    pub fn mark(&self, address: &EmailAddress) -> Vec<u8> {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.0), address.as_str().as_bytes()).as_ref().to_vec()
    }
}

/// Shows nothing of it.
impl fmt::Debug for ErasureKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ErasureKey(…)")
    }
}
