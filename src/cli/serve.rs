//! `umishop serve`

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio_util::sync::CancellationToken;

use super::{Global, log};
use crate::app::{App, login_link};
use crate::clock::Clock;
use crate::config::{Config, Loaded, local_url};
use crate::http;

/// How many files may be open besides the callers' connections: the database's, and those of deliveries.
const OTHER_FILES: u64 = 512;

pub(super) fn run(global: &Global, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    serve_loaded(global.load()?, out)
}

/// Serves with a configuration that was read already.
pub(super) fn serve_loaded(loaded: Loaded, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    log::start(loaded.config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start")?;
    let served = runtime.block_on(serve(loaded, out));
    // What still runs was given up or has nothing to say any more; a call that hangs must not keep the process.
    runtime.shutdown_background();
    served?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(loaded: Loaded, out: &mut dyn Write) -> anyhow::Result<()> {
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    allow_open_files(loaded.config.server.connections);
    let listen = loaded.config.server.listen;
    let listener = http::listen(listen).with_context(|| {
        format!("cannot listen on {listen}; is it in use? Write another [server] listen, or set UMISHOP_SERVER__LISTEN")
    })?;
    let banner = Banner::new(&loaded.config, listener.local_addr()?);
    let app = App::open(loaded.config, Clock::system()).await?;
    banner.write(out, app.login_code.as_deref())?;
    let shutdown = CancellationToken::new();
    tokio::spawn(stop_on_signal(shutdown.clone()));
    app.run(listener, shutdown).await?;
    tracing::info!("Stopped");
    Ok(())
}

/// Asks the system for as many file descriptors as the connections and everything else may need. Most systems start a
/// program with 1,024 and allow it far more.
fn allow_open_files(connections: usize) {
    let needed = u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(OTHER_FILES);
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return;
    }
    let current = Some(limit.maximum.map_or(needed, |maximum| maximum.min(needed)));
    let raised = setrlimit(Resource::Nofile, Rlimit { current, maximum: limit.maximum });
    if raised.is_err() || current < Some(needed) {
        tracing::warn!(
            "[server] connections = {connections} needs {needed} open files, and this process may have fewer: raise LimitNOFILE, or write a smaller number"
        );
    }
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

    fn write(&self, out: &mut dyn Write, login_code: Option<&str>) -> io::Result<()> {
        let Self { site, public_url, .. } = self;
        writeln!(out, "umishop {}", env!("CARGO_PKG_VERSION"))?;
        writeln!(out)?;
        writeln!(out, "  Page      {site}/")?;
        match login_code {
            Some(code) => writeln!(
                out,
                "  Console   {}\n            This link signs you in, once and within a day.",
                login_link(site, code)
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
