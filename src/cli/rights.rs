//! `umishop users export` and `umishop users erase`: what a customer may ask for.

use std::io::{self, BufRead as _, IsTerminal as _, Write};

use anyhow::bail;
use clap::Args;
use serde_json::json;

use super::{Global, channels, record};
use crate::app;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{User, UserId};
use crate::http::{export_json, is_meant};
use crate::render::Renderer;
use crate::store::sqlite::SqliteStore;
use crate::store::{Erased, Page, Store as _, UserFilter};

/// How many customers are looked at whose address begins as the one that was named.
const LOOKED_AT: usize = 500;

#[derive(Debug, Args)]
pub(super) struct Whom {
    /// The customer: their id, mail address or phone, as it came or in international form
    #[arg(value_name = "ID|MAIL|PHONE")]
    customer: String,
}

#[derive(Debug, Args)]
pub(super) struct Erase {
    #[command(flatten)]
    whom: Whom,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// Writes everything that is kept about the customer, always as JSON.
pub(super) async fn export(
    config: &Config,
    store: &SqliteStore,
    whom: &Whom,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let id = find(store, &whom.customer).await?.id;
    let Some(export) = store.export_user(id).await? else { bail!("there is no such customer") };
    record(store, "user.export", id, "").await?;
    let renderer = Renderer::new(app::texts(config, Some(app::link_key(store).await?)))?;
    let document = export_json(&export, &renderer, &channels(config), Clock::system().now());
    writeln!(out, "{}", serde_json::to_string_pretty(&document)?)?;
    Ok(())
}

pub(super) async fn erase(
    global: &Global,
    store: &SqliteStore,
    erase: &Erase,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let user = find(store, &erase.whom.customer).await?;
    if !erase.yes && !confirmed(&user)? {
        bail!("nobody was erased");
    }
    let Some(erased) = store.erase_user(user.id, Clock::system().now()).await? else {
        bail!("there is no such customer")
    };
    record(store, "user.erase", user.id, "").await?;
    let Erased { at, was_erased, messages, inbox, log_emptied } = erased;
    if global.json {
        let answer = json!({
            "erased": true, "id": user.id.to_string(), "erased_at": at, "messages": messages, "inbox": inbox,
            "log_emptied": log_emptied,
        });
        writeln!(out, "{answer}")?;
        return Ok(());
    }
    if was_erased {
        writeln!(out, "Customer {} was erased at {}.", user.id, at.to_readable())?;
    } else {
        writeln!(out, "Customer {} is erased, with {messages} messages and {inbox} unreadable webhooks.", user.id)?;
    }
    if !log_emptied {
        writeln!(
            out,
            "A backup or another program reads an old state of the database, so its log still holds what was erased.\nRun this again with the id when that is done."
        )?;
    }
    writeln!(
        out,
        "What was sent stays where it went, and backups keep what they hold: see docs/privacy.md.\nA backup that is restored here has this customer erased again."
    )?;
    Ok(())
}

/// The one customer that `text` names.
pub(super) async fn find(store: &SqliteStore, text: &str) -> anyhow::Result<User> {
    let found: Vec<User> = if let Ok(id) = text.parse::<UserId>() {
        store.user(id).await?.map(|timeline| timeline.user).into_iter().collect()
    } else {
        let page = Page { limit: LOOKED_AT, before: None };
        let filter = UserFilter { search: Some(text.trim().to_owned()), ..UserFilter::default() };
        let users = store.users(filter, page).await?;
        users.into_iter().filter(|user| is_meant(user, text)).collect()
    };
    match &found[..] {
        [user] => Ok(user.clone()),
        [] => {
            bail!(
                "there is no customer whose id, mail address or phone is {text}; `umishop users` looks for parts of them"
            )
        }
        several => {
            let ids: Vec<_> = several.iter().map(|user| user.id.to_string()).collect();
            bail!("several customers have this phone; name one of them by id: {}", ids.join(", "))
        }
    }
}

/// Asks on a terminal. A script must have said yes already.
fn confirmed(user: &User) -> anyhow::Result<bool> {
    let who = [Some(user.name.clone()), user.email.as_ref().map(ToString::to_string), Some(user.id.to_string())];
    let who: Vec<_> = who.into_iter().flatten().filter(|text| !text.is_empty()).collect();
    let who = who.join(", ");
    if !io::stdin().is_terminal() {
        bail!("customer {} would be erased for good; say --yes if they are to be", user.id);
    }
    write!(io::stderr(), "{who} will be erased for good. Go on? [y/N] ")?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
