//! Identifiers: UUIDv7, so that they sort by the time they were made and say nothing else.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use uuid::{NoContext, Uuid};

use super::Timestamp;

/// The text is not an identifier that umishop made.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an id: expected 36 characters like 01936f7e-2a4c-7d31-9c55-0c8e5b1f2a3d")]
pub struct IdError(String);

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// A fresh identifier, made at `now`.
            pub fn new(now: Timestamp) -> Self {
                let millis = u64::try_from(now.as_millis()).unwrap_or(0);
                let seconds = millis / 1000;
                let nanos = u32::try_from(millis % 1000).unwrap_or(0) * 1_000_000;
                Self(Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, seconds, nanos)))
            }

            /// The sixteen bytes that a store keeps.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// From the sixteen bytes that a store kept.
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Uuid::try_parse(text).map(Self).map_err(|_| IdError(super::truncate(text, 40).text.to_owned()))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

id!(
    /// Names a user.
    UserId
);
id!(
    /// Names a request for help.
    RequestId
);
id!(
    /// Names a message; travels as Message-ID and as idempotency key.
    MessageId
);
id!(
    /// Names one unreadable webhook in the inbox.
    InboxId
);
id!(
    /// Names a token of the API.
    TokenId
);
id!(
    /// Names one change that somebody made.
    AuditId
);
id!(
    /// Names one call over HTTP whose caller did not name it.
    CallId
);
id!(
    /// Names one start of the program, so that a later start knows what an earlier one left behind.
    BootId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_the_time_they_were_made() {
        let earlier = UserId::new(Timestamp::from_millis(1_000));
        let later = UserId::new(Timestamp::from_millis(2_000));
        assert!(earlier < later);
        assert_eq!(earlier.to_string().parse(), Ok(earlier));
    }

    #[test]
    fn other_text_is_refused_with_an_example() {
        let error = "42".parse::<MessageId>().unwrap_err();
        assert!(error.to_string().starts_with("`42` is not an id"), "{error}");
    }
}
