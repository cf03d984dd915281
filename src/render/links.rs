//! The addresses that messages name.

use super::{Draft, Renderer};
use crate::domain::{Link, Purpose};

/// The addresses that a message's words may name; `None`: there is no such.
#[derive(Clone, Copy)]
pub(super) struct Links<'a> {
    pub(super) chat: Option<&'a str>,
    pub(super) unsubscribe: Option<&'a str>,
    pub(super) chart: Option<&'a str>,
}

impl Renderer {
    /// Where a customer says that they want no more mail, if they are known and get any.
    pub(super) fn unsubscribe_url(&self, draft: Draft<'_>) -> Option<String> {
        let page = self.texts.unsubscribe_page.as_ref().filter(|_| draft.context.email.is_some())?;
        Some(format!("{page}/{}", self.token(Link::Unsubscribe, draft)?))
    }

    /// The shop's page, by a link of its own in a welcome to a customer who is known.
    pub(super) fn welcome_url(&self, draft: Draft<'_>) -> String {
        let page = &self.texts.public_url;
        match self.token(Link::Welcome, draft).filter(|_| !page.is_empty()) {
            Some(token) => format!("{page}/?welcome={token}"),
            None => page.clone(),
        }
    }

    /// What says in a welcome's link whose it is.
    fn token(&self, link: Link, draft: Draft<'_>) -> Option<String> {
        let (key, user) = (self.texts.link_key.as_ref()?, draft.about.user?);
        (draft.purpose == Purpose::Welcome).then(|| key.token(link, user))
    }
}

/// Opens a chat in Landbot's console, if this can be a chat's name.
pub fn chat_url(uuid: &str) -> Option<String> {
    let plain = (8..=64).contains(&uuid.len()) && uuid.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    plain.then(|| format!("https://app.landbot.io/gui/chats_v4/{uuid}"))
}
