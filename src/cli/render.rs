//! `umishop render`

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::json;

use super::{Global, block_on, rights};
use crate::app;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{
    About, ChannelAddress, Context, EmailAddress, LinkKey, Message, MessageId, Origin, Purpose, Report, RequestId,
    Timestamp, Told, Topic, User, UserId, is_language,
};
use crate::preview::compose;
use crate::render::{Draft, Renderer};
use crate::store::sqlite::SqliteStore;
use crate::store::{RequestEntry, Store, UserTimeline};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// What the message is for: welcome, request, …
    purpose: Purpose,
    /// The channel that it goes over, as in slack.pricing [default: where such a message goes]
    #[arg(long)]
    channel: Option<ChannelAddress>,
    /// The language that its readers read, as in es or pt-BR [default: what is known of them]
    #[arg(long, value_parser = language)]
    language: Option<String>,
    /// Say what is known of this customer, by their id, mail address or phone, and what they asked last
    #[arg(long, value_name = "CUSTOMER", conflicts_with = "message")]
    user: Option<String>,
    /// Say what this request says, and what has become of it
    #[arg(long, value_name = "ID", conflicts_with_all = ["user", "message"])]
    request: Option<RequestId>,
    /// Say what this message says
    #[arg(long, value_name = "ID")]
    message: Option<MessageId>,
    /// Write nothing but the text in the channel's own notation, HTML for mail
    #[arg(long, conflicts_with = "out")]
    html: bool,
    /// Write the bytes as they go over the wire to this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// What the message is about, real or made up.
struct Subject {
    id: MessageId,
    created_at: Timestamp,
    about: About,
    said: Context,
    /// The channel that it was made for.
    channel: Option<ChannelAddress>,
    key: LinkKey,
}

pub(super) fn run(global: &Global, arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let config = global.load()?.config;
    let mut subject = subject(&config, arguments)?;
    let address = match (&arguments.channel, subject.channel.take()) {
        (Some(asked), _) => asked.clone(),
        (None, Some(own)) => own,
        (None, None) => usual(&config, arguments.purpose, &subject.said)?,
    };
    let settings = config.channels.get(&address).with_context(|| {
        let known: Vec<_> = config.channels.keys().map(ToString::to_string).collect();
        format!("there is no channel {address}; the configured ones are {}", known.join(", "))
    })?;
    let mut texts = app::texts(&config, Some(subject.key));
    if let Some(language) = &arguments.language {
        // Whoever reads it: the customer, or the people behind the channel.
        subject.said.language.clone_from(language);
        texts.channels.insert(address.clone(), language.clone());
    }
    let (renderer, markup) = (Renderer::new(texts)?, settings.channel.markup());
    let Subject { id, created_at, about, ref said, .. } = subject;
    let draft = Draft { id, created_at, purpose: arguments.purpose, about, context: said };
    if arguments.html {
        // Also of what could not be sent.
        out.write_all(renderer.render(draft, &address, markup)?.rich.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let template = renderer.template(draft, &address, markup);
    let (message, composed) = compose(draft, &renderer, &address, &*settings.channel).map_err(anyhow::Error::msg)?;
    let text = String::from_utf8_lossy(&composed);
    if let Some(file) = &arguments.out {
        std::fs::write(file, &composed).with_context(|| format!("cannot write {}", file.display()))?;
        writeln!(out, "Wrote {} bytes to {}", composed.len(), file.display())?;
    } else if global.json {
        let shown = json!({ "channel": address, "template": template, "subject": message.subject, "text": text });
        writeln!(out, "{}", serde_json::to_string_pretty(&shown)?)?;
    } else {
        writeln!(out, "Channel   {address}\nTemplate  {template}\nSubject   {}\n\n{text}", message.subject)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn language(text: &str) -> Result<String, String> {
    if is_language(text) { Ok(text.to_owned()) } else { Err("write it like es or pt-BR".to_owned()) }
}

/// What is asked for, from the store; without a wish, something made up.
fn subject(config: &Config, arguments: &Arguments) -> anyhow::Result<Subject> {
    let (purpose, now) = (arguments.purpose, Clock::system().now());
    match (arguments.message, arguments.request, &arguments.user) {
        (Some(id), ..) => known(config, async |store, key| of_message(store, id, purpose, key).await),
        (None, Some(id), _) => known(config, async |store, key| of_request(store, id, purpose, now, key).await),
        (None, None, Some(user)) => {
            known(config, async |store, key| of_user(&find(store, user).await?, purpose, now, key))
        }
        (None, None, None) => Ok(made_up(config, purpose, now)),
    }
}

/// What `find` finds in the store.
fn known(
    config: &Config,
    find: impl AsyncFnOnce(&SqliteStore, LinkKey) -> anyhow::Result<Subject>,
) -> anyhow::Result<Subject> {
    block_on(async {
        let store = Global::open_store(config)?;
        let key = app::link_key(&store).await?;
        let subject = find(&store, key).await?;
        store.close().await?;
        Ok(subject)
    })
}

async fn of_message(store: &SqliteStore, id: MessageId, purpose: Purpose, key: LinkKey) -> anyhow::Result<Subject> {
    let found = store.message(id).await?.context("there is no such message; it may have been pruned")?.message;
    if found.purpose != purpose {
        bail!("message {id} is a {}: umishop render {0} --message {id}", found.purpose);
    }
    let about = About { user: found.user_id, request: found.request_id };
    let Message { created_at, context: said, channel, .. } = found;
    Ok(Subject { id, created_at, about, said, channel: Some(channel), key })
}

async fn of_request(
    store: &SqliteStore,
    id: RequestId,
    purpose: Purpose,
    now: Timestamp,
    key: LinkKey,
) -> anyhow::Result<Subject> {
    let found = store.request(id).await?.context("there is no such request")?;
    let RequestEntry { request, user } = found.entry;
    let change = found.changes.iter().find(|change| Purpose::of(change.state) == Some(purpose));
    let said = match (change, purpose.is_follow_up()) {
        (Some(change), _) => Context::of_change(user.as_ref(), &request, change),
        (None, true) => bail!("this request is not {purpose} yet"),
        (None, false) => Context::of_request(user.as_ref(), &request),
    };
    let about = About { user: request.user_id, request: Some(id) };
    Ok(Subject { id: MessageId::new(now), created_at: now, about, said, channel: None, key })
}

async fn find(store: &SqliteStore, user: &str) -> anyhow::Result<UserTimeline> {
    let id = rights::find(store, user).await?.id;
    store.user(id).await?.with_context(|| format!("there is no customer {user}"))
}

fn of_user(timeline: &UserTimeline, purpose: Purpose, now: Timestamp, key: LinkKey) -> anyhow::Result<Subject> {
    let User { id, .. } = timeline.user;
    let last = timeline.requests.last();
    let (said, request) = match (purpose, last) {
        (Purpose::Welcome, _) => (Context::of_user(&timeline.user), None),
        (_, Some(request)) => (Context::of_request(Some(&timeline.user), request), Some(request.id)),
        (_, None) => bail!("this customer has asked nothing yet"),
    };
    let about = About { user: Some(id), request };
    Ok(Subject { id: MessageId::new(now), created_at: now, about, said, channel: None, key })
}

/// About nobody.
fn made_up(config: &Config, purpose: Purpose, now: Timestamp) -> Subject {
    let topic = config.routes.topics().next().map_or("Sales", Topic::as_str).to_owned();
    let mut said = Context {
        name: "Ana Ruíz".to_owned(),
        email: EmailAddress::parse("ana@example.com").ok(),
        phone: "+34600123456".to_owned(),
        topic,
        question: "Do you deliver on Saturdays?\nAnd what does it cost?".to_owned(),
        source: "google / cpc".to_owned(),
        ..Context::default()
    };
    if purpose == Purpose::Report {
        said = Context { report: Some(Box::new(Report::example())), ..Context::default() };
    }
    if purpose == Purpose::Welcome {
        // Few have asked by then.
        (said.topic, said.question) = (String::new(), String::new());
    }
    let about = About { user: Some(UserId::new(now)), request: None };
    // Its links lead nowhere, as there is nobody for them to be about.
    let key = LinkKey::new([0; 32]);
    Subject { id: MessageId::new(now), created_at: now, about, said, channel: None, key }
}

/// Where such a message goes.
fn usual(config: &Config, purpose: Purpose, said: &Context) -> anyhow::Result<ChannelAddress> {
    let topic = Topic::new(&said.topic);
    let told = Told { topic: &topic, origin: &Origin::default(), phone: None, language: &said.language };
    let found = match purpose {
        Purpose::Welcome => config.welcome.channel.clone(),
        Purpose::Alert => config.alerts.channels.first().cloned(),
        Purpose::Report => config.reports.channels.values().flatten().next().cloned(),
        _ => config.routes.decide(told).destinations().first().map(|to| to.channel.clone()),
    };
    found.with_context(|| format!("no channel is named for the purpose {purpose}: name one with --channel"))
}
