//! How a link in a mail says whose it is.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

use super::UserId;

/// How long an id is, in bytes.
const ID: usize = 16;

/// The key that the tokens of unsubscribe links are signed with. It is made once: the links in old mails must go on
/// working.
#[derive(Clone, PartialEq, Eq)]
pub struct UnsubscribeKey([u8; 32]);

impl UnsubscribeKey {
    /// Of random bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The customer's token: their id and its HMAC-SHA-256, so that nobody can make one up. Always the same, so that a
    /// mail stays the same on every attempt.
    pub fn token(&self, user: UserId) -> String {
        let mut bytes = user.as_bytes().to_vec();
        bytes.extend_from_slice(hmac::sign(&self.hmac(), user.as_bytes()).as_ref());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Whose token it is; `None`: nobody's. Takes the same time for any token of the right length.
    pub fn user(&self, token: &str) -> Option<UserId> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (id, signature) = bytes.split_at_checked(ID)?;
        hmac::verify(&self.hmac(), id, signature).ok()?;
        Some(UserId::from_bytes(id.try_into().ok()?))
    }

    fn hmac(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.0)
    }
}

/// Shows nothing of it.
impl fmt::Debug for UnsubscribeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UnsubscribeKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;

    #[test]
    fn a_token_is_one_customers_and_cannot_be_made_up_or_changed() {
        let key = UnsubscribeKey::new([7; 32]);
        let user = UserId::new(Timestamp::from_millis(1_795_509_000_123));
        let token = key.token(user);
        assert_eq!((key.user(&token), key.token(user)), (Some(user), token.clone()));
        assert!(token.len() == 64 && token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        assert_eq!(UnsubscribeKey::new([8; 32]).user(&token), None);
        for at in 0..token.len() {
            let mut other = token.clone().into_bytes();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(key.user(std::str::from_utf8(&other).unwrap()), None, "changed at {at}");
        }
        for nobodys in ["", "x", &token[..63], &format!("{token}A"), &format!("{token}="), "../admin"] {
            assert_eq!(key.user(nobodys), None, "{nobodys}");
        }
    }
}
