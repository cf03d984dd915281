//! `umishop serve`

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use super::Global;
use crate::app::App;
use crate::clock::Clock;
use crate::config::{Config, Loaded, Log, LogFormat, local_url};

pub(super) fn run(global: &Global, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let loaded = global.load()?;
    start_log(loaded.config.log)?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start")?
        .block_on(serve(loaded, out))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(loaded: Loaded, out: &mut dyn Write) -> anyhow::Result<()> {
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let listen = loaded.config.server.listen;
    let listener = TcpListener::bind(listen).await.with_context(|| {
        format!("cannot listen on {listen}; is it in use? Write another [server] listen, or set UMISHOP_SERVER__LISTEN")
    })?;
    let banner = Banner::new(&loaded.config, listener.local_addr()?);
    let app = App::open(loaded.config, Clock::system()).await?;
    banner.write(out, app.new_admin_token.as_deref())?;
    let shutdown = CancellationToken::new();
    tokio::spawn(stop_on_signal(shutdown.clone()));
    app.run(listener, shutdown).await?;
    tracing::info!("Stopped");
    Ok(())
}

fn start_log(log: Log) -> anyhow::Result<()> {
    // The libraries below tell at `info` what we tell ourselves, or what nobody asked.
    let filter = match std::env::var("UMISHOP_LOG") {
        Ok(filter) => {
            EnvFilter::try_new(&filter).with_context(|| format!("UMISHOP_LOG: cannot understand `{filter}`"))?
        }
        Err(_) => EnvFilter::new(format!("warn,umishop={}", log.level)),
    };
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        // It would tell of a line that cannot be written on the very same standard error, and panic.
        .log_internal_errors(false);
    match log.format {
        LogFormat::Text => lines.with_target(false).init(),
        LogFormat::Json => lines.json().init(),
    }
    Ok(())
}

/// Stops on Ctrl-C or SIGTERM; a second one does not wait for anything.
async fn stop_on_signal(shutdown: CancellationToken) {
    let mut terminate = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(terminate) => terminate,
        Err(error) => {
            tracing::error!(%error, "SIGTERM will not stop this process in good order");
            return;
        }
    };
    let mut signal = async || {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
    };
    signal().await;
    tracing::info!("Stopping: finishing what is on its way. Once more to stop at once");
    shutdown.cancel();
    signal().await;
    tracing::warn!("Stopped at once; the next start sends again what was on its way");
    std::process::exit(1);
}

/// What a person wants to know when the server starts.
struct Banner {
    site: String,
    public_url: Option<String>,
    sandbox: bool,
}

impl Banner {
    fn new(config: &Config, address: std::net::SocketAddr) -> Self {
        Self { site: local_url(address), public_url: config.server.public_url.clone(), sandbox: config.sandbox }
    }

    fn write(&self, out: &mut dyn Write, new_admin_token: Option<&str>) -> io::Result<()> {
        let Self { site, public_url, .. } = self;
        writeln!(out, "umishop {}", env!("CARGO_PKG_VERSION"))?;
        writeln!(out)?;
        writeln!(out, "  Page      {site}/")?;
        match new_admin_token {
            Some(token) => writeln!(
                out,
                "  Console   {site}/admin#token={token}\n            Open it now: this link is shown only once."
            )?,
            None => writeln!(out, "  Console   {site}/admin")?,
        }
        writeln!(out, "  API       {site}/docs")?;
        match public_url {
            Some(url) => writeln!(out, "  Landbot   {url}/umishop_api/user and {url}/umishop_api/topic")?,
            None => writeln!(
                out,
                "  Landbot   https://YOUR-PUBLIC-ADDRESS/umishop_api/user and …/topic (set [server] public_url)"
            )?,
        }
        writeln!(out, "            `umishop landbot` prints what to paste.")?;
        writeln!(out)?;
        if self.sandbox {
            writeln!(out, "  Sandbox: nothing leaves this machine. Every message is kept; read it in the console.")?;
            writeln!(out)?;
        }
        out.flush()
    }
}
