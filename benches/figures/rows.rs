//! One function for each group of rows: start the program, load it, read the clock.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::load::{Connection, End, Latencies, Load, Loaded, Request, Success};
use crate::server::{Place, Settings};
use crate::sinks::{Protocol, Sink};
use crate::table::{Series, Table, number};
use crate::{Options, claim, ledger, machine};

/// What every measurement needs.
pub(crate) struct Bench {
    options: Options,
    program: PathBuf,
    dir: PathBuf,
    smtp: Sink,
    http: Sink,
}

impl Bench {
    /// With both sinks running.
    pub(crate) fn new(options: Options) -> Result<Self> {
        let program = options.program.clone().unwrap_or_else(|| env!("CARGO_BIN_EXE_umishop").into());
        let dir = options.dir.clone().unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into());
        Ok(Self { options, program, dir, smtp: Sink::start(Protocol::Smtp)?, http: Sink::start(Protocol::Http)? })
    }

    /// Where the databases are.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    fn place(&self) -> Result<Place> {
        Place::new(&self.program, &self.dir)
    }

    fn settings(&self, welcome_delay: &'static str, route: &'static str) -> Settings {
        Settings { welcome_delay, smtp: self.smtp.address(), http: self.http.address(), route }
    }

    /// Registrations per second, over many connections and over one, beside what the disk allows in the same minute,
    /// and beside another server's, if one was named.
    pub(crate) fn intake(&self, table: &mut Table) -> Result<()> {
        let peer = self.options.peer.as_deref().map(address_of).transpose()?;
        let many = self.options.connections;
        let (mut disk, mut commits) = (Series::default(), Series::default());
        let (mut busy, mut single) = (Intake::default(), Intake::default());
        let (mut peer_busy, mut peer_single) = (Intake::default(), Intake::default());
        let mut memory = Series::default();
        for round in 0..self.options.runs {
            disk.push(machine::fdatasync_rate(&self.dir, Duration::from_secs(1))?);
            commits.push(machine::commit_rate(&self.dir, Duration::from_secs(2))?);
            // Each on a database of its own, so that no customer of one shares a phone with one of the other.
            for (connections, intake) in [(1, &mut single), (many, &mut busy)] {
                let place = self.place()?;
                let (server, _) = place.start(&self.settings("1h", "http.sink"))?;
                intake.push(&self.register(place.address(), connections, round, Success::Umishop)?);
                if connections == many {
                    memory.push(megabytes(server.usage()?.pss));
                }
                server.stop()?;
            }
            if let Some(peer) = peer {
                peer_single.push(&self.register(peer, 1, round, Success::AnyTwoHundred)?);
                peer_busy.push(&self.register(peer, many, round, Success::AnyTwoHundred)?);
            }
        }
        let disk_rate = disk.median();
        table.row("disk: 4 KiB write + fdatasync, per second (p50)", disk.show(""), "");
        table.row("SQLite: one-row commits, WAL, synchronous=FULL, per second", commits.show(""), "");
        table.row(
            &format!("registrations, new user each, {many} connections"),
            format!("{}; {} × the disk", busy.show(), number(busy.rate.median() / disk_rate)),
            "≥ 24,000/s (≥ 4 × the disk), p99 ≤ 25 ms",
        );
        table.row(
            "registrations, new user each, 1 connection",
            format!("{}; {} % of commits", single.show(), number(single.rate.median() / commits.median() * 100.0)),
            "≥ 70 % of commits",
        );
        table.row("memory (PSS) right after that load", memory.show(" MB"), "");
        if peer.is_some() {
            table.row(&format!("the other server, {many} connections"), peer_busy.show(), "");
            table.row("the other server, 1 connection", peer_single.show(), "");
            let ratio = |ours: &Intake, theirs: &Intake| number(ours.rate.median() / theirs.rate.median());
            let figure = format!("{} × / {} ×", ratio(&busy, &peer_busy), ratio(&single, &peer_single));
            table.row(&format!("umishop against it, {many} connections / 1"), figure, "");
        }
        Ok(())
    }

    fn register(&self, address: SocketAddr, connections: usize, round: u32, success: Success) -> Result<Loaded> {
        let request = Request::registration(&unique(round, connections));
        let end = End::After(Duration::from_secs(self.options.seconds));
        sound(Load { address, request, connections, end, success }.run()?)
    }

    /// Messages per second that reach a sink, from the first to the last of a backlog.
    ///
    /// The backlog is taken in while the sink hangs, so that nothing is delivered; then the program is killed and started
    /// again with a sink that answers. Whatever was being sent is rescued: this also shows that nothing gets lost.
    pub(crate) fn relay(&self, table: &mut Table) -> Result<()> {
        let cases = [
            ("http.sink", &self.http, self.options.backlog, "≥ 8,000/s"),
            ("email.sink", &self.smtp, self.options.backlog / 2, "≥ 4,000/s over ≤ 8 connections"),
        ];
        for (route, sink, backlog, reach) in cases {
            let (mut rate, mut connections) = (Series::default(), 0);
            for round in 0..self.options.runs {
                rate.push(self.drain(route, sink, backlog, round)?);
                connections = connections.max(sink.most_connections());
            }
            let what = format!(
                "relay: backlog of {} over {}, per second",
                number(f64::from(backlog)),
                route.split('.').next().unwrap_or(route)
            );
            table.row(&what, format!("{}; over at most {connections} connections", rate.show("")), reach);
        }
        Ok(())
    }

    fn drain(&self, route: &'static str, sink: &Sink, backlog: u32, round: u32) -> Result<f64> {
        let place = self.place()?;
        let settings = self.settings("1h", route);
        sink.set_silent(true);
        let (server, _) = place.start(&settings)?;
        let request = Request::question(&unique(round, 0), "Sales");
        let end = End::Requests(backlog);
        let load = Load { address: place.address(), request, connections: 64, end, success: Success::Umishop };
        sound(load.run()?)?;
        drop(server);
        sink.set_silent(false);
        sink.forget();
        let (server, _) = place.start(&settings)?;
        let arrivals = sink.wait_for(backlog as usize)?;
        server.stop()?;
        let (first, last) = (arrivals.first().context("no message came")?, arrivals[backlog as usize - 1]);
        Ok(f64::from(backlog - 1) / (last.at - first.at).as_secs_f64())
    }

    /// How long a question takes from its posting to the sink while nothing else happens: more than from its acceptance,
    /// since the commit is in it.
    pub(crate) fn idle_request(&self, table: &mut Table) -> Result<()> {
        let place = self.place()?;
        let (server, _) = place.start(&self.settings("1h", "http.sink"))?;
        self.http.forget();
        let mut request = Request::question(&unique(0, 1), "Sales");
        let all = on_one_connection(place.address(), async |connection| {
            let mut all = Vec::new();
            for number in 1..=500_u32 {
                let sent = Instant::now();
                connection.post(request.numbered(number)).await?;
                let arrivals = self.http.wait_for(number as usize)?;
                // The first ones open connections.
                if number > 20 {
                    all.push(arrivals[number as usize - 1].at - sent);
                }
                tokio::time::sleep(Duration::from_millis(8)).await;
            }
            Ok(Latencies::new(all))
        })?;
        server.stop()?;
        table.row("one request at idle, posted → delivered", p50_and_p99(&all), "p50 ≤ 3 ms");
        Ok(())
    }

    /// How late welcome mails are that fall due at a steady 200 a second, counted from posting plus the delay: a
    /// little more than their true lateness.
    pub(crate) fn lateness(&self, table: &mut Table) -> Result<()> {
        const PER_SECOND: u32 = 200;
        const COUNT: u32 = PER_SECOND * 8;
        let place = self.place()?;
        let (server, _) = place.start(&self.settings("2s", "http.sink"))?;
        self.smtp.forget();
        let mut request = Request::registration(&unique(0, 2));
        let posted = on_one_connection(place.address(), async |connection| {
            let mut posted = Vec::new();
            let mut beat = tokio::time::interval(Duration::from_secs(1) / PER_SECOND);
            for number in 0..COUNT {
                beat.tick().await;
                posted.push(Instant::now());
                connection.post(request.numbered(number)).await?;
            }
            Ok(posted)
        })?;
        let arrivals = self.smtp.wait_for(COUNT as usize)?;
        server.stop()?;
        let late = arrivals.iter().filter_map(|arrival| {
            let posted = posted.get(arrival.number? as usize)?;
            Some(arrival.at.saturating_duration_since(*posted + Duration::from_secs(2)))
        });
        let late = Latencies::new(late.collect());
        table.row("lateness of welcome mails due at 200/s", p50_and_p99(&late), "p99 ≤ 20 ms");
        Ok(())
    }

    /// What the program uses while there is nothing to do.
    pub(crate) fn idle(&self, table: &mut Table) -> Result<()> {
        let place = self.place()?;
        let (server, _) = place.start(&self.settings("1h", "http.sink"))?;
        let mut request = Request::registration(&unique(0, 3));
        on_one_connection(place.address(), async |connection| connection.post(request.numbered(1)).await)?;
        std::thread::sleep(Duration::from_secs(3));
        let before = server.usage()?;
        std::thread::sleep(Duration::from_secs(10));
        let after = server.usage()?;
        server.stop()?;
        let mb = |kib| number(megabytes(kib));
        table.row(
            "memory at idle, one user registered: PSS / RSS",
            format!("{} / {} MB", mb(after.pss), mb(after.rss)),
            "≤ 15 MB",
        );
        let (ticks, switches) = (after.ticks - before.ticks, after.switches - before.switches);
        table.row(
            "10 s at idle: processor time, context switches",
            format!("{} ms, {switches}", ticks * 10),
            "only the clock's",
        );
        Ok(())
    }

    /// How long a start takes until the first answer: in an empty directory, and with many users stored.
    pub(crate) fn start(&self, table: &mut Table) -> Result<()> {
        let settings = self.settings("24h", "http.sink");
        let (mut first, mut later) = (Series::default(), Series::default());
        for _ in 0..5 {
            let place = self.place()?;
            for series in [&mut first, &mut later] {
                let (server, took) = place.start(&settings)?;
                series.push(took.as_secs_f64() * 1000.0);
                server.stop()?;
            }
        }
        table.row("start to first answer, no database yet", first.show(" ms"), "");
        table.row("start to first answer, empty database", later.show(" ms"), "");
        let users = self.options.users;
        if users == 0 {
            return Ok(());
        }
        let place = self.place()?;
        let (server, _) = place.start(&settings)?;
        let request = Request::registration(&unique(0, 4));
        let load = Load {
            address: place.address(),
            request,
            connections: 256,
            end: End::Requests(users),
            success: Success::Umishop,
        };
        sound(load.run()?)?;
        server.stop()?;
        let mut full = Series::default();
        for _ in 0..5 {
            let (server, took) = place.start(&settings)?;
            full.push(took.as_secs_f64() * 1000.0);
            server.stop()?;
        }
        let size = number(place.database_bytes() as f64 / 1e6);
        let what =
            format!("start to first answer, {} users and their welcomes stored ({size} MB)", number(f64::from(users)));
        table.row(&what, full.show(" ms"), "≤ 50 ms");
        Ok(())
    }

    /// How long the origin ledger takes to answer over a year.
    pub(crate) fn ledger(&self, table: &mut Table) -> Result<()> {
        if self.options.ledger == 0 {
            return Ok(());
        }
        let answers = ledger::answers(&self.dir, self.options.ledger)?;
        let customers = number(f64::from(self.options.ledger));
        let reach = "≤ 200 ms";
        table.row("origin ledger: 30 days by source, not packed yet", p50_and_p99(&answers.unpacked), "");
        let packing = format!("{:.1?}, the longest day {:.1?}", answers.packing, answers.longest);
        table.row("origin ledger: packing the year", packing, "");
        for (what, latencies) in &answers.packed {
            table.row(&format!("origin ledger of {customers} customers: {what}"), p50_and_p99(latencies), reach);
        }
        Ok(())
    }

    /// What a claim of 32 costs in a large outbox against a small one.
    pub(crate) fn claim(&self, table: &mut Table) -> Result<()> {
        if self.options.claim == 0 {
            return Ok(());
        }
        let small = claim::claims(&self.dir, 10_000)?.percentile(0.5);
        let large = claim::claims(&self.dir, self.options.claim)?.percentile(0.5);
        let what =
            format!("claim of 32, commit included: outbox of {} against 10,000", number(f64::from(self.options.claim)));
        let figure = format!("{} ms against {} ms (p50): {} ×", number(large), number(small), number(large / small));
        table.row(&what, figure, "≤ 1.2 ×");
        Ok(())
    }

    /// How large the program is.
    pub(crate) fn size(&self, table: &mut Table) -> Result<()> {
        let bytes = std::fs::read(&self.program)?;
        let (all, symbols) = (bytes.len() as f64 / 1e6, machine::symbol_bytes(&bytes).unwrap_or(0) as f64 / 1e6);
        let figure = format!("{} MB, {} MB of it symbols that a release leaves out", number(all), number(symbols));
        table.row("the program's size", figure, "≤ 15 MB");
        Ok(())
    }
}

/// Rates and latencies of several runs.
#[derive(Default)]
struct Intake {
    rate: Series,
    p50: Series,
    p99: Series,
}

impl Intake {
    fn push(&mut self, loaded: &Loaded) {
        self.rate.push(loaded.per_second);
        self.p50.push(loaded.latencies.percentile(0.5));
        self.p99.push(loaded.latencies.percentile(0.99));
    }

    fn show(&self) -> String {
        format!("{}, p50 {} ms, p99 {} ms", self.rate.show("/s"), number(self.p50.median()), number(self.p99.median()))
    }
}

fn megabytes(kib: u64) -> f64 {
    kib as f64 * 1024.0 / 1e6
}

fn p50_and_p99(all: &Latencies) -> String {
    format!("p50 {} ms, p99 {} ms", number(all.percentile(0.5)), number(all.percentile(0.99)))
}

/// The run, if every answer was a success.
fn sound(loaded: Loaded) -> Result<Loaded> {
    let why = loaded.failure.as_deref().unwrap_or_default();
    anyhow::ensure!(
        loaded.failed == 0,
        "{} of {} requests failed, first: {why}",
        loaded.failed,
        loaded.failed + loaded.accepted
    );
    Ok(loaded)
}

/// Keeps the customers of one run apart from those of every other, also across processes.
fn unique(round: u32, what: usize) -> String {
    let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
    format!("{seconds:x}-{round}-{what}")
}

/// `http://host:port`, resolved.
fn address_of(url: &str) -> Result<SocketAddr> {
    let host = url.trim_start_matches("http://").trim_end_matches('/');
    host.to_socket_addrs()?.next().with_context(|| format!("`{url}` has no address: write http://HOST:PORT"))
}

/// Runs one conversation on this thread.
fn on_one_connection<T>(
    address: SocketAddr,
    conversation: impl AsyncFnOnce(&mut Connection) -> Result<T>,
) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut connection = Connection::open(address).await?;
        conversation(&mut connection).await
    })
}
