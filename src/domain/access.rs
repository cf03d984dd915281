//! Who may do what, and the record of what they did.

use super::words::words;
use super::{AuditId, Timestamp, one_line};

/// Longest name of a token or a session, in characters.
const LONGEST_NAME: usize = 100;

/// Who changes something by the command line: it asks for no token, whoever may read the database may do everything.
const COMMAND_LINE: &str = "command line";

words!(
    /// What somebody may do.
    Role, "role", "owner, operator, read-only" {
        /// Everything: also tokens, erasing, backups and imports.
        Owner = "owner",
        /// What the day brings: requests, messages, channels, customers.
        Operator = "operator",
        /// Look, and change nothing.
        ReadOnly = "read-only",
    }
);

impl Role {
    /// Whether who has this role may do what takes the role `needed`.
    pub fn may(self, needed: Self) -> bool {
        let rank = |role| match role {
            Self::ReadOnly => 0,
            Self::Operator => 1,
            Self::Owner => 2,
        };
        rank(self) >= rank(needed)
    }
}

/// The SHA-256 of a secret: all that is kept of one. Secrets are random, so no salt is needed.
pub type SecretHash = [u8; 32];

/// Somebody who looks at things or changes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// What they are called: the name of their token or of their login link.
    pub name: String,
    /// What they may do.
    pub role: Role,
}

/// The text cannot be a name of somebody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActorError {
    /// It begins with nothing that can be read out.
    #[error("a name begins with a letter or a digit: it says in the list of changes who made one")]
    Nameless,
    /// There is too much in it.
    #[error("a name has at most {LONGEST_NAME} characters")]
    TooLong,
    /// It would be mistaken for somebody else.
    #[error("`{COMMAND_LINE}` is the name of changes by the command line; choose another")]
    Reserved,
}

impl Actor {
    /// Somebody with this name, in one line, and this role.
    pub fn new(name: &str, role: Role) -> Result<Self, ActorError> {
        let name = one_line(name);
        match name.trim() {
            name if !name.starts_with(|c: char| c.is_alphanumeric() || c == '_') => Err(ActorError::Nameless),
            COMMAND_LINE => Err(ActorError::Reserved),
            name if name.chars().count() > LONGEST_NAME => Err(ActorError::TooLong),
            name => Ok(Self { name: name.to_owned(), role }),
        }
    }

    /// Whoever types commands beside the database.
    pub fn command_line() -> Self {
        Self { name: COMMAND_LINE.to_owned(), role: Role::Owner }
    }
}

/// A change that somebody made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its name.
    pub id: AuditId,
    /// When it was.
    pub at: Timestamp,
    /// Who made it.
    pub actor: Actor,
    /// What was done, as `thing.verb`: `message.retry`.
    pub action: String,
    /// To what: an id, or a channel's address. Never a customer's name or address.
    pub target: String,
    /// More about it; may be empty. Neither.
    pub detail: String,
}

impl AuditEntry {
    /// Made by `actor` at `at`.
    pub fn new(at: Timestamp, actor: &Actor, action: &str, target: &str, detail: &str) -> Self {
        Self {
            id: AuditId::new(at),
            at,
            actor: actor.clone(),
            action: action.to_owned(),
            target: target.to_owned(),
            detail: detail.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_what_the_lesser_ones_may() {
        let may = |role: Role| [Role::ReadOnly, Role::Operator, Role::Owner].map(|needed| role.may(needed));
        assert_eq!(may(Role::ReadOnly), [true, false, false]);
        assert_eq!(may(Role::Operator), [true, true, false]);
        assert_eq!(may(Role::Owner), [true, true, true]);
    }

    #[test]
    fn nobody_can_pass_for_the_command_line_or_for_nobody() {
        let name = |text: &str| Actor::new(text, Role::Owner).map(|actor| actor.name);
        assert_eq!(name(" Ana\nRuiz "), Ok("Ana Ruiz".to_owned()));
        assert_eq!(name(" \n"), Err(ActorError::Nameless));
        assert_eq!(name("\u{200B}"), Err(ActorError::Nameless));
        assert_eq!(name("Évora"), Ok("Évora".to_owned()));
        assert_eq!(name("command line "), Err(ActorError::Reserved));
        assert_eq!(name(&"a".repeat(101)), Err(ActorError::TooLong));
    }
}
