//! Login links: the one that lets the first owner in, and those that an owner makes.

use std::time::Duration;

use anyhow::Context as _;

use crate::config::Config;
use crate::domain::{Actor, Role, Timestamp};
use crate::http;
use crate::store::{AccessStore, NewLoginLink, Store};

/// How long a login link works.
const LOGIN_LINK: Duration = Duration::from_hours(24);

/// The code of a login link for the first owner, if without it nobody can come in: there is no token, and nobody has ever
/// signed in.
pub(super) async fn first_login_code(
    config: &Config,
    store: &dyn Store,
    now: Timestamp,
) -> anyhow::Result<Option<String>> {
    // The configuration's token has taken the place of the one that an earlier version made.
    if config.admin.token.is_some() {
        return Ok(None);
    }
    store.adopt_first_token(now).await?;
    if store.has_access().await? {
        return Ok(None);
    }
    let owner = Actor { name: "first login link".to_owned(), role: Role::Owner };
    login_code(store, owner, now).await.map(Some)
}

/// A fresh login link's code, by which `actor` signs in once within the day: see [`login_link`].
pub async fn login_code(store: &dyn AccessStore, actor: Actor, now: Timestamp) -> anyhow::Result<String> {
    let code = http::fresh_secret().context("the system has no randomness for a login link")?;
    let link = NewLoginLink { hash: http::hash(&code), actor, expires_at: now.after(LOGIN_LINK) };
    store.create_login_link(link).await?;
    Ok(code)
}

/// The address that signs in by `code`.
pub fn login_link(site: &str, code: &str) -> String {
    // Browsers keep what follows a `#` to themselves, so that no log of a proxy has it.
    format!("{site}/admin#login={code}")
}
