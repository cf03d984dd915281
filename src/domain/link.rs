//! How a link in a message says whose it is.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

use super::UserId;

/// How long an id is, in bytes.
const ID: usize = 16;

/// What a link is for. A token of one is nobody's for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// To the page where customers say that they want no more mail.
    Unsubscribe,
    /// From a welcome back to the shop's page, where the chat is.
    Welcome,
}

impl Link {
    /// What is signed before the id. Ids are of one length, so nothing that is signed for one is signed for another. Links
    /// to unsubscribe came first, with nothing there, and those in old mails go on working.
    const fn mark(self) -> &'static [u8] {
        match self {
            Self::Unsubscribe => b"",
            Self::Welcome => b"welcome",
        }
    }
}

/// The key that the tokens of links are signed with. It is made once: the links in old mails must go on working.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkKey([u8; 32]);

impl LinkKey {
    /// Of random bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The customer's token: their id and its HMAC-SHA-256, so that nobody can make one up. Always the same, so that a
    /// mail stays the same on every attempt.
    pub fn token(&self, link: Link, user: UserId) -> String {
        let id = user.as_bytes();
        let signature = hmac::sign(&self.hmac(), &[link.mark(), id].concat());
        URL_SAFE_NO_PAD.encode([id, signature.as_ref()].concat())
    }

    /// Whose token it is; `None`: nobody's. Takes the same time for any token of the right length.
    pub fn user(&self, link: Link, token: &str) -> Option<UserId> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (id, signature) = bytes.split_at_checked(ID)?;
        hmac::verify(&self.hmac(), &[link.mark(), id].concat(), signature).ok()?;
        Some(UserId::from_bytes(id.try_into().ok()?))
    }

    fn hmac(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.0)
    }
}

/// Shows nothing of it.
impl fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;

    const LINKS: [Link; 2] = [Link::Unsubscribe, Link::Welcome];

    fn ana() -> UserId {
        UserId::new(Timestamp::from_millis(1_795_509_000_123))
    }

    #[test]
    fn a_token_is_one_customers_and_cannot_be_made_up_or_changed() {
        let (key, user) = (LinkKey::new([7; 32]), ana());
        for link in LINKS {
            let token = key.token(link, user);
            assert_eq!((key.user(link, &token), key.token(link, user)), (Some(user), token.clone()));
            assert!(token.len() == 64 && token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
            assert_eq!(LinkKey::new([8; 32]).user(link, &token), None);
            for at in 0..token.len() {
                let mut other = token.clone().into_bytes();
                other[at] = if other[at] == b'A' { b'B' } else { b'A' };
                assert_eq!(key.user(link, std::str::from_utf8(&other).unwrap()), None, "changed at {at}");
            }
            for nobodys in ["", "x", &token[..63], &format!("{token}A"), &format!("{token}="), "../admin"] {
                assert_eq!(key.user(link, nobodys), None, "{nobodys}");
            }
        }
    }

    #[test]
    fn a_token_of_one_link_is_nobodys_for_another() {
        let key = LinkKey::new([7; 32]);
        for link in LINKS {
            for other in LINKS.into_iter().filter(|other| *other != link) {
                assert_eq!(key.user(other, &key.token(link, ana())), None, "{link:?} as {other:?}");
            }
        }
    }

    #[test]
    fn the_links_of_mails_that_were_sent_before_there_were_others_go_on_working() {
        let (key, user) = (LinkKey::new([7; 32]), ana());
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]), user.as_bytes());
        let token = URL_SAFE_NO_PAD.encode([user.as_bytes(), signature.as_ref()].concat());
        assert_eq!(key.user(Link::Unsubscribe, &token), Some(user));
    }
}
