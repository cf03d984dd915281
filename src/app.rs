//! Puts the parts together, and takes them apart again in the right order.
//!
//! The one module that knows everybody. It holds no rule of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::FutureExt as _;
use poem::Server;
use secrecy::ExposeSecret;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::alerts::{self, Alerts};
use crate::backups::{BackupStatus, Backups, Directory};
use crate::channel::{Capture, Channel};
use crate::clock::Clock;
use crate::conditions::Conditions;
use crate::config::{self, Auth, Config, StoreUrl};
use crate::domain::{ChannelAddress, LinkKey, OriginRules};
use crate::housekeeping::Housekeeping;
use crate::http::{
    self, AccessRules, ConnectionLimits, EventStreams, Gate, IntakeAuth, IntakeRules, Proxies, RecentCalls,
    TcpAcceptor, Web, Welcome,
};
use crate::metrics::Metrics;
use crate::relay::{Relay, Served};
use crate::render::{Renderer, Texts};
use crate::reports::{self, Reports};
use crate::store::sqlite::SqliteStore;
use crate::store::{Retention, Store};
use crate::wake::Wake;

mod login;
mod shown;
mod start;

pub use login::{login_code, login_link};
pub use shown::landbot_setup;

/// How long requests that are being answered may take when the server stops.
const FINISH_REQUESTS: Duration = Duration::from_secs(10);

/// How long answers may take when the store has broken.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// How long messages that are on their way may take when the server stops.
const DRAIN: Duration = Duration::from_secs(25);

/// The program, ready to run.
pub struct App {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// What delivers.
    pub relay: Arc<Relay>,
    /// What tells the operator about trouble.
    pub alerts: Arc<Alerts>,
    /// What tells where customers came from.
    pub reports: Arc<Reports>,
    /// The code of a login link, while nobody could come in without one.
    pub login_code: Option<String>,
    web: Web,
    connections: ConnectionLimits,
    clock: Clock,
    retention: Retention,
    prune_at: String,
    origins: Arc<OriginRules>,
    backup: Option<(String, Arc<Backups>)>,
}

impl App {
    /// Opens the store, and rescues what an earlier start was sending when it died.
    pub async fn open(config: Config, clock: Clock) -> anyhow::Result<Self> {
        let StoreUrl::Sqlite(path) = &config.store;
        let store = SqliteStore::open(path).with_context(|| format!("cannot open the database {}", path.display()))?;
        if !config.sandbox && store.is_invented().await? {
            store.close().await?;
            anyhow::bail!(
                "{} holds the invented customers of `umishop demo`, and nobody writes to them: set sandbox = true, or [store] url to another file",
                path.display()
            );
        }
        let store = store.keeping_free(config.keep_free);
        Self::with_store(config, clock, Arc::new(store)).await
    }

    /// Puts the program together over `store`.
    pub async fn with_store(config: Config, clock: Clock, store: Arc<dyn Store>) -> anyhow::Result<Self> {
        let login_code = login::first_login_code(&config, &*store, clock.now()).await?;
        let link_key = link_key(&*store).await?;
        let renderer = Arc::new(Renderer::new(texts(&config, Some(link_key.clone())))?);
        let served = served(&config);
        let wake = Wake::new(served.iter().map(|served| &served.address));
        let channels = served.iter().map(|served| (served.address.clone(), Arc::clone(&served.channel))).collect();
        let conditions = start::conditions(&*store, &served).await?;
        let metrics = Metrics::new(served.iter().map(|served| &served.address), clock.now());
        let relay = Relay::new(
            Arc::clone(&store),
            Arc::clone(&renderer),
            clock.clone(),
            &wake,
            conditions.clone(),
            &metrics,
            served,
        );
        start::tell_rescued(relay.rescue().await?);
        start::check_clock(&*store, &clock).await?;
        start::tell_unconfigured(&*store, &config).await?;
        let retention = retention(&config.retention);
        let prune_at = config.retention.prune.clone();
        let origins = Arc::clone(&config.origins);
        let connections = connections(&config.server);
        let backup_status = BackupStatus::default();
        let backup = backup(&config, &store, &clock, &backup_status);
        let backups = backup.as_ref().map(|(_, backups)| Arc::clone(backups));
        let reach = Reach { wake, conditions, metrics, channels, backup: backup_status, backups };
        let alerts = alerts(&config, &store, &clock, &reach);
        let reports = Arc::new(reports(&config, &store, &clock, Some(&reach.wake)));
        let known = (link_key, RecentCalls::new(store.count_erased().await?));
        let web = web(config, Arc::clone(&store), clock.clone(), renderer, reach, Arc::clone(&reports), known);
        Ok(Self {
            store,
            relay: Arc::new(relay),
            alerts: Arc::new(alerts),
            reports,
            login_code,
            web,
            connections,
            clock,
            retention,
            prune_at,
            origins,
            backup,
        })
    }

    /// Serves and delivers until `shutdown`. Then it stops accepting, finishes the requests that are being answered and
    /// the messages that are on their way, and closes the store. When the store breaks, it ends at once with
    /// [`StoreError::Broken`](crate::store::StoreError::Broken).
    pub async fn run(mut self, listener: TcpListener, shutdown: CancellationToken) -> anyhow::Result<()> {
        let housekeeping = self.housekeeping().await.context("cannot start housekeeping")?;
        let relay = tokio::spawn({
            let (relay, shutdown) = (Arc::clone(&self.relay), shutdown.clone());
            async move { relay.run(shutdown).await }
        });
        let alerts = tokio::spawn({
            let (alerts, shutdown) = (Arc::clone(&self.alerts), shutdown.clone());
            async move { alerts.run(shutdown).await }
        });
        let drained = tokio::spawn(drain(relay, self.clock.clone(), shutdown.clone()));
        let (store, clock) = (Arc::clone(&self.store), self.clock.clone());
        let served = tokio::select! {
            served = self.serve(listener, shutdown.clone()) => served,
            () = refuse_the_rest(&*store, &clock, &shutdown) => Ok(()),
        };
        if let Some(error) = store.broken().now_or_never() {
            // Nothing that could be waited for can be recorded any more; the next start takes it up from the disk.
            return Err(error.into());
        }
        // Also when serving failed: what was accepted is still to be delivered by the next start, and in good order.
        shutdown.cancel();
        housekeeping.stop().await;
        let (drained, alerts) = (drained.await, alerts.await);
        store.close().await?;
        drained.context("the relay ended badly")?;
        alerts.context("telling the operator ended badly")?;
        served
    }

    async fn housekeeping(&mut self) -> anyhow::Result<Housekeeping> {
        let housekeeping = Housekeeping::start().await?;
        housekeeping.prune(&self.prune_at, Arc::clone(&self.store), self.clock.clone(), self.retention).await?;
        housekeeping.tend_ledger(Arc::clone(&self.store), self.clock.clone(), Arc::clone(&self.origins)).await?;
        housekeeping.mend_times(Arc::clone(&self.store), self.clock.clone());
        if self.reports.is_wanted() {
            housekeeping.report(Arc::clone(&self.reports)).await?;
        }
        if let Some((at, backups)) = self.backup.take() {
            housekeeping.back_up(&at, backups).await?;
        }
        Ok(housekeeping)
    }

    /// Serves HTTP alone, until `shutdown`.
    pub async fn serve(self, listener: TcpListener, shutdown: CancellationToken) -> anyhow::Result<()> {
        let acceptor =
            TcpAcceptor::new(listener, self.clock, self.connections, Arc::clone(&self.web.metrics.connections));
        let draining = self.web.draining.clone();
        let stop = async move {
            shutdown.cancelled().await;
            draining.cancel();
        };
        Server::new_with_acceptor(acceptor)
            .run_with_graceful_shutdown(http::site(self.web), stop, Some(FINISH_REQUESTS))
            .await
            .context("cannot serve")
    }
}

/// Waits until the store is broken, lets nobody in any more, and gives those who wait for an answer a moment to hear it.
async fn refuse_the_rest(store: &dyn Store, clock: &Clock, shutdown: &CancellationToken) {
    store.broken().await;
    shutdown.cancel();
    clock.sleep_until(None, LAST_ANSWERS).await;
}

/// Waits for the relay to end; once `shutdown` has come, only so long.
async fn drain(relay: JoinHandle<()>, clock: Clock, shutdown: CancellationToken) {
    let too_long = async {
        shutdown.cancelled().await;
        clock.sleep_until(None, DRAIN).await;
    };
    tokio::select! {
        ended = relay => if let Err(error) = ended {
            tracing::error!(%error, "The relay ended badly; nothing is delivered until a restart");
        },
        () = too_long => {
            tracing::warn!("Some messages are still on their way after {DRAIN:?}; the next start sends them again");
        }
    }
}

fn retention(kept: &config::Retention) -> Retention {
    Retention {
        delivered: kept.delivered,
        dead: kept.dead,
        inbox: kept.inbox,
        captures: kept.captures,
        attempts: kept.attempts,
        questions: kept.questions,
        touches: kept.touches,
        customers: kept.customers,
        audit: kept.audit,
    }
}

fn connections(server: &config::Server) -> ConnectionLimits {
    ConnectionLimits {
        header_timeout: server.header_timeout,
        request_timeout: server.request_timeout,
        idle_timeout: server.idle_timeout,
        connections: server.connections,
        connections_per_address: server.connections_per_address,
        proxies: Proxies::new(server.trusted_proxies.clone()),
    }
}

/// Where backups are made, if the configuration says so.
pub fn backup_directory(config: &Config) -> Option<Directory> {
    let StoreUrl::Sqlite(database) = &config.store;
    config.backup.directory.clone().map(|path| Directory::new(path, database))
}

/// When backups are due, and what makes them.
fn backup(
    config: &Config,
    store: &Arc<dyn Store>,
    clock: &Clock,
    status: &BackupStatus,
) -> Option<(String, Arc<Backups>)> {
    let directory = backup_directory(config)?;
    let backups = Backups::new(Arc::clone(store), clock.clone(), directory, config.backup.keep, status.clone());
    Some((config.backup.at.clone(), Arc::new(backups)))
}

/// Looks at the relay's conditions, and tells what is wrong with them over the channels that work.
fn alerts(config: &Config, store: &Arc<dyn Store>, clock: &Clock, reach: &Reach) -> Alerts {
    let config::Alerts { channels, every, late } = config.alerts.clone();
    let settings = alerts::Settings { channels, every, late };
    let (wake, conditions, backup) = (reach.wake.clone(), reach.conditions.clone(), reach.backup.clone());
    Alerts::new(Arc::clone(store), clock.clone(), wake, conditions, backup, settings)
}

/// What tells where customers came from; `wake` hears of what is to be sent. Without one a server beside finds it.
pub fn reports(config: &Config, store: &Arc<dyn Store>, clock: &Clock, wake: Option<&Wake>) -> Reports {
    let config::Reports { channels, calendar, by, touch, rows, empty } = config.reports.clone();
    let wake = wake.cloned().unwrap_or_else(|| Wake::new([]));
    let settings = reports::Settings { channels, calendar, by, touch, rows, empty };
    Reports::new(Arc::clone(store), clock.clone(), wake, Arc::clone(&config.origins), settings)
}

/// The key of the links in messages, which is made on the first start.
pub async fn link_key(store: &dyn Store) -> anyhow::Result<LinkKey> {
    // The hash of something random is as random.
    let fresh = http::fresh_token().context("the system has no randomness for a key")?;
    Ok(LinkKey::new(store.link_key(http::hash(&fresh)).await?))
}

/// What the messages are made from. Without a key no link in them says whose it is.
pub fn texts(config: &Config, link_key: Option<LinkKey>) -> Texts {
    let channels = config.channels.iter().map(|(address, channel)| (address.clone(), channel.language.clone()));
    Texts {
        directory: config.templates.directory.clone(),
        public_url: config.site_url(),
        language: config.templates.language.clone(),
        unsubscribe_page: config.unsubscribe_page(),
        link_key,
        channels: channels.collect(),
    }
}

/// The channels as the relay serves them. In the sandbox none of them sends.
pub fn served(config: &Config) -> Vec<Served> {
    let served = config.channels.iter().map(|(address, settings)| Served {
        address: address.clone(),
        channel: if config.sandbox {
            Arc::new(Capture::new(Arc::clone(&settings.channel)))
        } else {
            Arc::clone(&settings.channel)
        },
        rules: settings.rules.clone(),
    });
    served.collect()
}

/// How the web reaches the channels, and what the alerts look at.
struct Reach {
    wake: Wake,
    conditions: Conditions,
    metrics: Metrics,
    channels: BTreeMap<ChannelAddress, Arc<dyn Channel>>,
    backup: BackupStatus,
    backups: Option<Arc<Backups>>,
}

fn web(
    config: Config,
    store: Arc<dyn Store>,
    clock: Clock,
    renderer: Arc<Renderer>,
    reach: Reach,
    reports: Arc<Reports>,
    (link_key, recent): (LinkKey, RecentCalls),
) -> Web {
    let Reach { wake, conditions, metrics, channels, backup, backups } = reach;
    let (setup, settings) = (shown::landbot_setup(&config, false), shown::settings(&config, clock.now()));
    let reached_at = config.welcome_reaches();
    let followers = config.followers();
    let auth = match &config.intake.auth {
        Auth::Secret(Some(secret)) if config.sandbox => IntakeAuth::Optional(secret.clone()),
        Auth::Secret(Some(secret)) => IntakeAuth::Required(secret.clone()),
        // The configuration allows a missing secret only in the sandbox.
        Auth::Secret(None) | Auth::None => IntakeAuth::Open,
    };
    // The demo chat knows no secret, so it can speak to the webhooks only where they ask for none.
    let open = matches!(auth, IntakeAuth::Open | IntakeAuth::Optional(_));
    let page = shown::page(&config, open);
    let events = EventStreams::new(store.feed(), config.server.idle_timeout);
    let gate = Gate::new(Proxies::new(config.server.trusted_proxies), config.intake.rate, clock.clone());
    let welcome = config.welcome.channel.map(|channel| Welcome { channel, delay: config.welcome.delay, reached_at });
    Web {
        store,
        wake,
        conditions,
        events,
        recent,
        metrics,
        clock,
        renderer,
        channels,
        followers,
        routes: config.routes,
        route_places: config.route_places.iter().map(ToString::to_string).collect(),
        rules: config.channels.into_iter().map(|(address, channel)| (address, channel.rules)).collect(),
        origins: config.origins,
        reports,
        gate,
        intake: IntakeRules { auth, default_country: config.intake.default_country },
        welcome,
        access: AccessRules {
            admin_token: config.admin.token.map(|token| http::hash(token.expose_secret())),
            idle_timeout: config.admin.idle_timeout,
            session_lifetime: config.admin.session_lifetime,
            public_url: config.server.public_url,
        },
        link_key,
        metrics_token_hash: config.admin.metrics_token.map(|token| http::hash(token.expose_secret())),
        page,
        setup,
        settings,
        backups,
        backup,
        draining: CancellationToken::new(),
    }
}
