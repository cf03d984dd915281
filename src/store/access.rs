//! Tokens, sessions, login links and the record of changes: what a store is asked for, and what it answers.

use async_trait::async_trait;

use super::{Page, StoreError};
use crate::domain::{Actor, AuditEntry, AuditId, SecretHash, Timestamp, TokenId};

/// A token that opens the API and the console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its name for programs.
    pub id: TokenId,
    /// Its name for people, and what it may do.
    pub actor: Actor,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// When it was used last, to the hour; `None`: never.
    pub last_used_at: Option<Timestamp>,
    /// Until when it works; `None`: until it is revoked.
    pub expires_at: Option<Timestamp>,
}

/// A token to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    /// The token, never used.
    pub token: Token,
    /// The hash of its secret.
    pub hash: SecretHash,
}

/// A login link to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLoginLink {
    /// The hash of its code.
    pub hash: SecretHash,
    /// Who signs in by it.
    pub actor: Actor,
    /// Until when it works.
    pub expires_at: Timestamp,
}

/// What somebody shows to begin a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The code of a login link, which is used up by that.
    LoginLink(SecretHash),
    /// A token.
    Token(SecretHash),
    /// The token of the configuration, which the caller has compared: the store does not know whose it is.
    Configured(SecretHash, Actor),
}

/// A session of the console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Who signed in.
    pub actor: Actor,
    /// When it was used last, to the minute.
    pub seen_at: Timestamp,
    /// When it ends, however much it is used.
    pub expires_at: Timestamp,
}

/// The part of a [`Store`](super::Store) that knows who may come in and what they did.
#[async_trait]
pub trait AccessStore: Send + Sync {
    /// Makes a token, for its owner, of the one that an earlier version kept in the settings, if it did.
    async fn adopt_first_token(&self, now: Timestamp) -> Result<(), StoreError>;

    /// Whether there is a token, or somebody has ever signed in.
    async fn has_access(&self) -> Result<bool, StoreError>;

    /// Keeps a token. `false`: another one has this name.
    async fn create_token(&self, token: NewToken) -> Result<bool, StoreError>;

    /// The tokens that are not revoked, oldest first.
    async fn tokens(&self) -> Result<Vec<Token>, StoreError>;

    /// The token with this hash, if it works at `now`. Notes its use, unless that was noted within the hour.
    async fn use_token(&self, hash: SecretHash, now: Timestamp) -> Result<Option<Token>, StoreError>;

    /// Revokes the token and ends the sessions that it began. `None`: there is none of this id.
    async fn revoke_token(&self, id: TokenId, now: Timestamp) -> Result<Option<Token>, StoreError>;

    /// Keeps a login link.
    async fn create_login_link(&self, link: NewLoginLink) -> Result<(), StoreError>;

    /// Begins a session that is known by `hash`, by what `proof` allows. `None`: it allows nothing at `now`.
    async fn begin_session(
        &self,
        hash: SecretHash,
        proof: Proof,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError>;

    /// The session with this hash, if it has not expired at `now` and the token that began it still works; `configured` is
    /// the hash of the configuration's.
    async fn session(
        &self,
        hash: SecretHash,
        configured: Option<SecretHash>,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError>;

    /// Notes that the session was used at `now`.
    async fn see_session(&self, hash: SecretHash, now: Timestamp) -> Result<(), StoreError>;

    /// Ends the session.
    async fn end_session(&self, hash: SecretHash) -> Result<(), StoreError>;

    /// Ends every session, and says how many there were.
    async fn end_sessions(&self) -> Result<u64, StoreError>;

    /// Keeps that somebody changed something.
    async fn record(&self, entry: AuditEntry) -> Result<(), StoreError>;

    /// What was changed, newest first.
    async fn audit(&self, page: Page<AuditId>) -> Result<Vec<AuditEntry>, StoreError>;
}
