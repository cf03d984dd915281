//! From `config.toml` to values that mean something.
//!
//! Three layers are laid over each other: the compiled-in `config.toml`, the shop's own file, and `UMISHOP_*` from the
//! environment. The compiled-in file is documentation, default and schema in one: a key that is not in it does not
//! exist, and a value of another form is a mistake. What comes out is valid, so that nobody has to look again; what is
//! wrong is told all at once, each with its file, line and mend. Channels are opened here, because only their kind
//! knows their keys; whether they send or merely keep what they would send is decided by whoever uses them.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use secrecy::SecretString;
use tracing::level_filters::LevelFilter;

use crate::channel::Channel;
use crate::domain::{
    Cadence, ChannelAddress, ContactField, Country, CreditedTouch, Dimension, Follower, OriginRules, Rate,
    ReportCalendar, RoutingTable, Rules,
};

mod alerts;
mod channels;
mod conditions;
mod effective;
mod environment;
mod layers;
mod load;
mod open;
mod origins;
mod pasted;
mod problems;
mod reader;
mod references;
mod reports;
mod routes;
mod rules;
mod sections;
mod server;
mod shape;
mod told;
mod tree;

#[cfg(test)]
mod tests;

pub use effective::Setting;
pub use layers::Written;
pub use load::load;
pub use problems::{Place, Problem, Problems};
pub use references::{MissingReference, Reference};

/// The configuration that is compiled in: every key, its default, one sentence.
pub const SHIPPED: &str = include_str!("../../config.toml");

/// Where the configuration comes from.
// No Debug: the environment holds secrets.
#[derive(Clone)]
pub struct Sources {
    /// The file that was named; `None`: `config.toml` in `directory`, if there is one.
    pub file: Option<PathBuf>,
    /// Where `config.toml` and `.env` are looked for.
    pub directory: PathBuf,
    /// The variables of the process.
    pub environment: Vec<(String, String)>,
}

/// A valid configuration, and what is worth a word about it.
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// The file that was read, if any.
    pub origin: Option<PathBuf>,
    /// What is odd without being wrong.
    pub warnings: Vec<Problem>,
    /// References to what is not set. The sandbox does without them.
    pub missing: Vec<MissingReference>,
}

/// Everything that can be configured, valid.
pub struct Config {
    /// Whether messages are kept instead of sent.
    pub sandbox: bool,
    /// `[server]`
    pub server: Server,
    /// `[intake]`
    pub intake: Intake,
    /// `[admin]`
    pub admin: Admin,
    /// `[store] url`
    pub store: StoreUrl,
    /// `[store] keep_free`, in bytes
    pub keep_free: u64,
    /// `[welcome]`
    pub welcome: Welcome,
    /// `[templates]`
    pub templates: Templates,
    /// `[landbot]`
    pub landbot: Landbot,
    /// `[alerts]`
    pub alerts: Alerts,
    /// `[reports]`
    pub reports: Reports,
    /// `[retention]`
    pub retention: Retention,
    /// `[origins]`
    pub origins: Arc<OriginRules>,
    /// `[backup]`
    pub backup: Backup,
    /// `[log]`
    pub log: Log,
    /// `[channels.<kind>.<name>]`: those that are used, and those that the shop wrote itself.
    pub channels: BTreeMap<ChannelAddress, ChannelConfig>,
    /// `[[routes]]`; every channel they name is in `channels`.
    pub routes: RoutingTable,
    /// Where each of them stands, in the order of [`RoutingTable::routes`].
    pub route_places: Vec<Place>,
    /// The file that was read, if any.
    pub file: Option<PathBuf>,
    /// Every key that counts, to be shown.
    pub settings: Vec<Setting>,
}

impl Config {
    /// The address of the site, without a slash at its end: what visitors use, else what this machine does.
    pub fn site_url(&self) -> String {
        self.server.public_url.clone().unwrap_or_else(|| local_url(self.server.listen))
    }

    /// The addresses that a welcome can reach a customer at: over its channel, or over the one that takes over from it.
    pub fn welcome_reaches(&self) -> Vec<ContactField> {
        let first = self.welcome.channel.as_ref().and_then(|channel| self.channels.get(channel));
        let second = first.and_then(|first| self.channels.get(first.rules.fallback.channel.as_ref()?));
        first.into_iter().chain(second).filter_map(|found| found.channel.writes_to()).collect()
    }

    /// The channels that hear what becomes of a request.
    pub fn followers(&self) -> Vec<Follower> {
        let following = self.channels.iter().filter(|(_, settings)| settings.channel.follows());
        let followers = following.map(|(address, _)| {
            let others = self.channels.iter();
            let relieved = others.filter(|(_, other)| other.rules.fallback.channel.as_ref() == Some(address));
            Follower {
                channel: address.clone(),
                stands_in_for: relieved.map(|(other, _)| other.clone()).collect(),
                known: self.channels.keys().cloned().collect(),
            }
        });
        followers.collect()
    }

    /// Where customers say that they want no more mail, without the token at its end. Mail may only name an address that
    /// they reach, and RFC 8058 wants https; this machine's own will do for trying it out.
    pub fn unsubscribe_page(&self) -> Option<String> {
        let site = match &self.server.public_url {
            Some(url) => url.clone(),
            None if self.sandbox => self.site_url(),
            None => return None,
        };
        let host = site.strip_prefix("http://").map(|rest| rest.split('/').next().unwrap_or_default());
        let is_here = |host: &str| {
            let name = host.rsplit_once(':').map_or(host, |(name, _)| name).trim_matches(['[', ']']);
            name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
        };
        (site.starts_with("https://") || host.is_some_and(is_here)).then(|| format!("{site}/unsubscribe"))
    }
}

/// What this machine calls to reach a server that listens at `address`.
pub fn local_url(mut address: SocketAddr) -> String {
    // Nobody can open 0.0.0.0 in a browser.
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    format!("http://{address}")
}

/// Where umishop listens, and what others call it.
#[derive(Clone, Debug)]
pub struct Server {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The address that visitors use, without a slash at its end.
    pub public_url: Option<String>,
    /// The proxies whose word is taken for whom they speak for.
    pub trusted_proxies: Vec<IpNet>,
    /// How long a request's head may take to arrive.
    pub header_timeout: Duration,
    /// How long a request may take to arrive and its answer to be taken; not shorter than `header_timeout`.
    pub request_timeout: Duration,
    /// How long a connection may rest between two requests.
    pub idle_timeout: Duration,
    /// How many connections there may be, at least one.
    pub connections: usize,
    /// How many connections there may be from one address, at least one.
    pub connections_per_address: usize,
}

/// What the webhooks ask for.
#[derive(Clone, Debug)]
pub struct Intake {
    /// Who may call them.
    pub auth: Auth,
    /// Where phone numbers without a country code are at home.
    pub default_country: Country,
    /// How many calls one address may make; `None`: as many as it likes.
    pub rate: Option<Rate>,
}

/// Who may call the webhooks.
#[derive(Clone, Debug)]
pub enum Auth {
    /// Whoever knows the secret; `None`, which only the sandbox allows: it is not set yet.
    Secret(Option<SecretString>),
    /// Anybody.
    None,
}

/// Who may see the console.
#[derive(Clone, Debug)]
pub struct Admin {
    /// The token, when the shop chose one itself.
    pub token: Option<SecretString>,
    /// A token that reads `/metrics` and nothing else; `None`: only other tokens do.
    pub metrics_token: Option<SecretString>,
    /// How long a session of the console lasts that nobody uses.
    pub idle_timeout: Duration,
    /// How long a session lasts, however much it is used.
    pub session_lifetime: Duration,
}

/// Which store, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// The built-in database, in this file.
    Sqlite(PathBuf),
}

/// The mail that greets a customer.
#[derive(Clone, Debug)]
pub struct Welcome {
    /// How long after the registration.
    pub delay: Duration,
    /// The channel that carries it, which is in `channels`; `None`: no welcome.
    pub channel: Option<ChannelAddress>,
}

/// Landbot's widget on the page.
#[derive(Clone, Debug)]
pub struct Landbot {
    /// The bot's own configuration, `https://…/index.json`; `None`: the built-in demo chat.
    pub config_url: Option<String>,
    /// How it is shown.
    pub display: Display,
    /// How tall a container is, as CSS has it.
    pub height: String,
}

/// How Landbot's widget is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Display {
    /// A bubble that opens a chat.
    Livechat,
    /// A window over the page.
    Popup,
    /// A part of the page.
    Container,
    /// The whole page.
    Fullpage,
}

/// Whom to tell that something is wrong, and when.
#[derive(Clone, Debug)]
pub struct Alerts {
    /// The channels that reach the operator, which are in [`Config::channels`] and have an address of their own.
    pub channels: Vec<ChannelAddress>,
    /// The operator is not told again of the same subject within this time.
    pub every: Duration,
    /// A message that has been due for longer is late.
    pub late: Duration,
}

/// Who is told where customers came from, and when.
#[derive(Clone, Debug)]
pub struct Reports {
    /// The channels that hear of each cadence, which are in [`Config::channels`] and have an address of their own.
    pub channels: BTreeMap<Cadence, Vec<ChannelAddress>>,
    /// At which time of day, and whose days.
    pub calendar: ReportCalendar,
    /// What a row stands for.
    pub by: Dimension,
    /// Which visit is credited.
    pub touch: CreditedTouch,
    /// How many rows, at least one; what is left is told together.
    pub rows: usize,
    /// Whether it is told, too, that nobody came.
    pub empty: bool,
}

/// How long what is finished is kept.
#[derive(Clone, Debug)]
pub struct Retention {
    /// Delivered and cancelled messages.
    pub delivered: Duration,
    /// Dead letters.
    pub dead: Duration,
    /// Unreadable webhooks.
    pub inbox: Duration,
    /// What a sandboxed channel kept; `None`: as long as its message.
    pub captures: Option<Duration>,
    /// What came of each attempt; `None`: as long as its message.
    pub attempts: Option<Duration>,
    /// The words of closed requests; here and below `None`: for good.
    pub questions: Option<Duration>,
    /// What was told of visits.
    pub touches: Option<Duration>,
    /// Customers of whom nothing was heard.
    pub customers: Option<Duration>,
    /// The list of changes.
    pub audit: Option<Duration>,
    /// When to prune: six or seven fields, seconds first, as our scheduler reads them.
    pub prune: String,
}

/// Where backups are made, and when.
#[derive(Clone, Debug)]
pub struct Backup {
    /// Where; `None`: none are made.
    pub directory: Option<PathBuf>,
    /// When: as [`Retention::prune`].
    pub at: String,
    /// How many are kept.
    pub keep: usize,
}

/// What is logged, and how.
#[derive(Clone, Copy, Debug)]
pub struct Log {
    /// The form of a line.
    pub format: LogFormat,
    /// What is too unimportant.
    pub level: LevelFilter,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// A channel, opened.
#[derive(Clone)]
pub struct ChannelConfig {
    /// The way to reach people.
    pub channel: Arc<dyn Channel>,
    /// How its messages are treated.
    pub rules: Rules,
    /// The language that its people read; empty: the shop's.
    pub language: String,
}

/// Message texts.
#[derive(Clone, Debug)]
pub struct Templates {
    /// Where the shop's own are.
    pub directory: Option<PathBuf>,
    /// What is written to whom no language is known of; empty: the texts for everybody.
    pub language: String,
}

/// Reads a file of at most `longest` bytes. The error is without the file's name.
fn read_text(file: &Path, longest: u64) -> io::Result<String> {
    let opened = std::fs::File::open(file)?;
    let mut text = String::new();
    if opened.metadata()?.is_dir() {
        return Err(io::Error::other("it is a directory"));
    }
    opened.take(longest + 1).read_to_string(&mut text)?;
    if text.len() as u64 > longest {
        return Err(io::Error::other(format!("it is longer than {longest} bytes")));
    }
    Ok(text)
}

/// A path of the configuration, from where its file is.
fn beside(base: &Path, file: &str) -> PathBuf {
    if base == Path::new(".") { PathBuf::from(file) } else { base.join(file) }
}
