//! Who may come in, and what they changed.
//!
//! A secret is looked up by its SHA-256. How long that takes may tell something of a hash, and nothing of the 256 random
//! bits behind it.

use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::{SqliteStore, rows};
use crate::domain::{Actor, AuditEntry, AuditId, Role, SecretHash, Timestamp, TokenId};
use crate::store::{AccessStore, NewLoginLink, NewToken, Page, Proof, Session, StoreError, Token};

/// How long a token's use is not noted again.
const USE_NOTED: Duration = Duration::from_hours(1);

/// What the token is called that earlier versions made on the first start.
const FIRST_TOKEN: &str = "first token";

#[async_trait]
impl AccessStore for SqliteStore {
    async fn adopt_first_token(&self, now: Timestamp) -> Result<(), StoreError> {
        self.writer()?.write_patiently(move |connection| adopt_first_token(connection, now)).await
    }

    async fn has_access(&self) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM tokens WHERE revoked_at IS NULL)
                       OR EXISTS (SELECT 1 FROM settings WHERE name = 'first_signed_in_at')";
        self.readers.read(move |connection| Ok(connection.query_row(sql, [], |row| row.get(0))?)).await
    }

    async fn create_token(&self, token: NewToken) -> Result<bool, StoreError> {
        self.writer()?.write(move |connection| create_token(connection, &token)).await
    }

    async fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        let sql = "SELECT id, name, role, created_at, created_by, last_used_at, expires_at FROM tokens
                    WHERE revoked_at IS NULL ORDER BY id";
        self.readers.read(move |connection| rows::collect(connection, sql, [], token)).await
    }

    async fn use_token(&self, hash: SecretHash, now: Timestamp) -> Result<Option<Token>, StoreError> {
        let found = self.readers.read(move |connection| Ok(token_of(connection, &hash, now)?)).await?;
        let is_noted = |token: &Token| token.last_used_at.is_some_and(|noted| now.since(noted) < USE_NOTED);
        if let Some(token) = found.as_ref().filter(|token| !is_noted(token)) {
            let id = token.id;
            let noted = self.writer()?.write(move |connection| note_use(connection, id, now)).await;
            warn_of(noted, "that a token was used");
        }
        Ok(found)
    }

    async fn revoke_token(&self, id: TokenId, now: Timestamp) -> Result<Option<Token>, StoreError> {
        self.writer()?.write(move |connection| revoke_token(connection, id, now)).await
    }

    async fn create_login_link(&self, link: NewLoginLink) -> Result<(), StoreError> {
        let sql = "INSERT INTO login_links (hash, name, role, expires_at) VALUES (?1, ?2, ?3, ?4)";
        let keep = move |connection: &Connection| {
            let NewLoginLink { hash, actor, expires_at } = &link;
            connection.prepare_cached(sql)?.execute((
                &hash[..],
                &actor.name,
                actor.role.as_str(),
                expires_at.as_millis(),
            ))?;
            Ok(())
        };
        self.writer()?.write_patiently(keep).await
    }

    async fn begin_session(
        &self,
        hash: SecretHash,
        proof: Proof,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError> {
        // Whoever guesses shall not take the writer's time from the webhooks.
        let shown = proof.clone();
        if !self.readers.read(move |connection| Ok(works(connection, &shown, now)?)).await? {
            return Ok(None);
        }
        let begin = move |connection: &Connection| begin_session(connection, &hash, &proof, expires_at, now);
        self.writer()?.write(begin).await
    }

    async fn session(
        &self,
        hash: SecretHash,
        configured: Option<SecretHash>,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError> {
        self.readers.read(move |connection| Ok(session(connection, &hash, configured.as_ref(), now)?)).await
    }

    async fn see_session(&self, hash: SecretHash, now: Timestamp) -> Result<(), StoreError> {
        let see = move |connection: &Connection| {
            let sql = "UPDATE sessions SET seen_at = ?2 WHERE hash = ?1";
            connection.prepare_cached(sql)?.execute((&hash[..], now.as_millis()))?;
            Ok(())
        };
        warn_of(self.writer()?.write(see).await, "that a session is in use");
        Ok(())
    }

    async fn end_session(&self, hash: SecretHash) -> Result<(), StoreError> {
        let end = move |connection: &Connection| {
            connection.prepare_cached("DELETE FROM sessions WHERE hash = ?1")?.execute([&hash[..]])?;
            Ok(())
        };
        self.writer()?.write(end).await
    }

    async fn end_sessions(&self) -> Result<u64, StoreError> {
        self.writer()?.write(|connection| Ok(connection.execute("DELETE FROM sessions", [])? as u64)).await
    }

    async fn record(&self, entry: AuditEntry) -> Result<(), StoreError> {
        self.writer()?.write_patiently(move |connection| record(connection, &entry)).await
    }

    async fn audit(&self, page: Page<AuditId>) -> Result<Vec<AuditEntry>, StoreError> {
        let sql = "SELECT id, at, who, role, action, target, detail FROM audit
                    WHERE ?1 IS NULL OR id < ?1 ORDER BY id DESC LIMIT ?2";
        let limit = i64::try_from(page.limit).unwrap_or(i64::MAX);
        let before = page.before.map(|id| id.as_bytes().to_vec());
        self.readers.read(move |connection| rows::collect(connection, sql, (before, limit), audit_entry)).await
    }
}

/// What is noted for people to read later must not keep anybody out who may come in: the disk may be full.
fn warn_of(noted: Result<(), StoreError>, what: &str) {
    if let Err(error) = noted {
        tracing::warn!(%error, "It could not be noted {what}");
    }
}

fn adopt_first_token(connection: &Connection, now: Timestamp) -> Result<(), StoreError> {
    let kept: Option<SecretHash> = connection
        .query_row("SELECT value FROM settings WHERE name = 'admin_token_hash'", [], |row| row.get(0))
        .optional()?;
    let Some(hash) = kept else { return Ok(()) };
    let token = Token {
        id: TokenId::new(now),
        actor: Actor { name: FIRST_TOKEN.to_owned(), role: Role::Owner },
        created_at: now,
        created_by: "an earlier version".to_owned(),
        last_used_at: None,
        expires_at: None,
    };
    create_token(connection, &NewToken { token, hash })?;
    connection.execute("DELETE FROM settings WHERE name = 'admin_token_hash'", [])?;
    Ok(())
}

fn create_token(connection: &Connection, new: &NewToken) -> Result<bool, StoreError> {
    let NewToken { token, hash } = new;
    let made = connection
        .prepare_cached(
            "INSERT INTO tokens (id, name, role, hash, created_at, created_by, expires_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (name) WHERE revoked_at IS NULL DO NOTHING",
        )?
        .execute((
            &token.id.as_bytes()[..],
            &token.actor.name,
            token.actor.role.as_str(),
            &hash[..],
            token.created_at.as_millis(),
            &token.created_by,
            token.expires_at.map(Timestamp::as_millis),
        ))?;
    Ok(made == 1)
}

fn token(row: &Row<'_>) -> rusqlite::Result<Token> {
    Ok(Token {
        id: TokenId::from_bytes(row.get(0)?),
        actor: Actor { name: row.get(1)?, role: rows::word(row, 2)? },
        created_at: rows::time(row, 3)?,
        created_by: row.get(4)?,
        last_used_at: row.get::<_, Option<i64>>(5)?.map(Timestamp::from_millis),
        expires_at: row.get::<_, Option<i64>>(6)?.map(Timestamp::from_millis),
    })
}

fn token_of(connection: &Connection, hash: &SecretHash, now: Timestamp) -> rusqlite::Result<Option<Token>> {
    let sql = "SELECT id, name, role, created_at, created_by, last_used_at, expires_at FROM tokens
                WHERE hash = ?1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?2)";
    connection.prepare_cached(sql)?.query_row((&hash[..], now.as_millis()), token).optional()
}

fn note_use(connection: &Connection, id: TokenId, now: Timestamp) -> Result<(), StoreError> {
    let sql = "UPDATE tokens SET last_used_at = ?2 WHERE id = ?1";
    connection.prepare_cached(sql)?.execute((&id.as_bytes()[..], now.as_millis()))?;
    Ok(())
}

fn revoke_token(connection: &Connection, id: TokenId, now: Timestamp) -> Result<Option<Token>, StoreError> {
    let sql = "UPDATE tokens SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL
               RETURNING id, name, role, created_at, created_by, last_used_at, expires_at";
    let mut statement = connection.prepare_cached(sql)?;
    let revoked = statement.query_row((&id.as_bytes()[..], now.as_millis()), token).optional()?;
    let sql = "DELETE FROM sessions WHERE token = (SELECT hash FROM tokens WHERE id = ?1)";
    connection.prepare_cached(sql)?.execute([&id.as_bytes()[..]])?;
    Ok(revoked)
}

/// As in the trait. What has expired is of no use any more, and goes.
fn works(connection: &Connection, proof: &Proof, now: Timestamp) -> rusqlite::Result<bool> {
    match proof {
        Proof::LoginLink(code) => {
            let sql =
                "SELECT EXISTS (SELECT 1 FROM login_links WHERE hash = ?1 AND used_at IS NULL AND expires_at > ?2)";
            connection.prepare_cached(sql)?.query_row((&code[..], now.as_millis()), |row| row.get(0))
        }
        Proof::Token(token) => Ok(token_of(connection, token, now)?.is_some()),
        Proof::Configured(..) => Ok(true),
    }
}

fn begin_session(
    connection: &Connection,
    hash: &SecretHash,
    proof: &Proof,
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<Option<Session>, StoreError> {
    let (token, actor) = match proof {
        Proof::LoginLink(code) => (None, use_login_link(connection, code, now)?),
        Proof::Token(token) => (Some(token), token_of(connection, token, now)?.map(|token| token.actor)),
        Proof::Configured(token, actor) => (Some(token), Some(actor.clone())),
    };
    let Some(actor) = actor else { return Ok(None) };
    connection.execute("DELETE FROM sessions WHERE expires_at <= ?1", [now.as_millis()])?;
    connection.execute("DELETE FROM login_links WHERE expires_at <= ?1", [now.as_millis()])?;
    connection
        .prepare_cached(
            "INSERT INTO sessions (hash, token, name, role, created_at, seen_at, expires_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6)",
        )?
        .execute((
            &hash[..],
            token.map(|token| &token[..]),
            &actor.name,
            actor.role.as_str(),
            now.as_millis(),
            expires_at.as_millis(),
        ))?;
    let sql = "INSERT INTO settings (name, value) VALUES ('first_signed_in_at', ?1) ON CONFLICT DO NOTHING";
    connection.prepare_cached(sql)?.execute([&now.as_millis().to_be_bytes()[..]])?;
    Ok(Some(Session { actor, seen_at: now, expires_at }))
}

fn use_login_link(connection: &Connection, code: &SecretHash, now: Timestamp) -> Result<Option<Actor>, StoreError> {
    let sql = "UPDATE login_links SET used_at = ?2 WHERE hash = ?1 AND used_at IS NULL AND expires_at > ?2
               RETURNING name, role";
    let actor = |row: &Row<'_>| Ok(Actor { name: row.get(0)?, role: rows::word(row, 1)? });
    Ok(connection.prepare_cached(sql)?.query_row((&code[..], now.as_millis()), actor).optional()?)
}

fn session(
    connection: &Connection,
    hash: &SecretHash,
    configured: Option<&SecretHash>,
    now: Timestamp,
) -> rusqlite::Result<Option<Session>> {
    let sql = "SELECT name, role, seen_at, expires_at FROM sessions
                WHERE hash = ?1 AND expires_at > ?3
                  AND (token IS NULL OR token = ?2
                       OR EXISTS (SELECT 1 FROM tokens WHERE tokens.hash = sessions.token AND revoked_at IS NULL
                                     AND (tokens.expires_at IS NULL OR tokens.expires_at > ?3)))";
    let read = |row: &Row<'_>| {
        Ok(Session {
            actor: Actor { name: row.get(0)?, role: rows::word(row, 1)? },
            seen_at: rows::time(row, 2)?,
            expires_at: rows::time(row, 3)?,
        })
    };
    let parameters = (&hash[..], configured.map(|hash| &hash[..]), now.as_millis());
    connection.prepare_cached(sql)?.query_row(parameters, read).optional()
}

fn record(connection: &Connection, entry: &AuditEntry) -> Result<(), StoreError> {
    let AuditEntry { id, at, actor, action, target, detail } = entry;
    connection
        .prepare_cached(
            "INSERT INTO audit (id, at, who, role, action, target, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute((&id.as_bytes()[..], at.as_millis(), &actor.name, actor.role.as_str(), action, target, detail))?;
    Ok(())
}

fn audit_entry(row: &Row<'_>) -> rusqlite::Result<AuditEntry> {
    Ok(AuditEntry {
        id: AuditId::from_bytes(row.get(0)?),
        at: rows::time(row, 1)?,
        actor: Actor { name: row.get(2)?, role: rows::word(row, 3)? },
        action: row.get(4)?,
        target: row.get(5)?,
        detail: row.get(6)?,
    })
}
