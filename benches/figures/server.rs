//! The program under test: the real binary in a directory of its own, started, looked at from outside, stopped by its pid.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long a start or a stop may take. A stop may wait 25 seconds for what is being sent.
const PATIENCE: Duration = Duration::from_secs(40);

/// What differs between the configurations that are measured.
#[derive(Clone)]
pub(crate) struct Settings {
    /// When the welcome mail is due.
    pub(crate) welcome_delay: &'static str,
    /// Where mail goes.
    pub(crate) smtp: SocketAddr,
    /// Where requests for help go over HTTP.
    pub(crate) http: SocketAddr,
    /// The channel that takes requests for help.
    pub(crate) route: &'static str,
}

/// A directory that holds a configuration and a database, for one start of the program or several.
pub(crate) struct Place {
    dir: tempfile::TempDir,
    address: SocketAddr,
    program: PathBuf,
}

impl Place {
    /// A new directory inside `within`, and a port that is free.
    pub(crate) fn new(program: &Path, within: &Path) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("umishop-bench-").tempdir_in(within)?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        Ok(Self { dir, address, program: program.to_owned() })
    }

    /// Where the program will listen.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many bytes the database and its log take.
    pub(crate) fn database_bytes(&self) -> u64 {
        let sizes = fs::read_dir(self.dir.path()).into_iter().flatten().flatten();
        sizes
            .filter(|entry| entry.file_name().to_string_lossy().contains(".db"))
            .filter_map(|entry| Some(entry.metadata().ok()?.len()))
            .sum()
    }

    /// Writes the configuration, starts the program, and returns it with the time to its first answer.
    pub(crate) fn start(&self, settings: &Settings) -> Result<(Server, Duration)> {
        fs::write(self.dir.path().join("config.toml"), self.config(settings))?;
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log())?;
        let begin = Instant::now();
        let child = Command::new(&self.program)
            .args(["serve", "--config", "config.toml"])
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        let mut server = Server { child };
        while let Err(error) = first_answer(self.address) {
            if let Some(status) = server.child.try_wait()? {
                bail!("the program ended at its start ({status}):\n{}", self.end_of_log());
            }
            if begin.elapsed() > PATIENCE {
                bail!("no answer from the program in {PATIENCE:?} ({error}):\n{}", self.end_of_log());
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok((server, begin.elapsed()))
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("program.log")
    }

    fn end_of_log(&self) -> String {
        let text = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    fn config(&self, settings: &Settings) -> String {
        let Settings { welcome_delay, smtp, http, route } = settings;
        let address = self.address;
        let from = "UmiShop <hello@shop.example.com>";
        let mut text = format!("sandbox = false\n\n[server]\nlisten = \"{address}\"\n\n[intake]\nauth = \"none\"\n\n");
        let _ = write!(text, "[store]\nurl = \"sqlite:umishop.db\"\n\n");
        let _ = write!(text, "[welcome]\ndelay = \"{welcome_delay}\"\nchannel = \"email.welcome\"\n\n");
        let _ = write!(text, "[channels.email.welcome]\nserver = \"smtp://{smtp}\"\nfrom = \"{from}\"\n\n");
        let _ = write!(
            text,
            "[channels.email.sink]\nserver = \"smtp://{smtp}\"\nfrom = \"{from}\"\nto = [\"sales@shop.example.com\"]\n\n"
        );
        let _ =
            write!(text, "[channels.http.sink]\nurl = \"http://{http}/ok\"\nprivate_networks = [\"127.0.0.1\"]\n\n");
        let _ = write!(
            text,
            "[[routes]]\ntopic = \"Sales\"\nchannels = [\"{route}\"]\n\n[[routes]]\nchannels = [\"{route}\"]\n"
        );
        text
    }
}

/// The cheapest whole answer: is anybody there?
fn first_answer(address: SocketAddr) -> Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    anyhow::ensure!(&answer == b"HTTP/1.1 200", "GET /healthz answered {}", String::from_utf8_lossy(&answer));
    Ok(())
}

/// The running program; killed when dropped.
pub(crate) struct Server {
    child: Child,
}

/// What a process uses, from `/proc`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// Resident memory, shared pages counted in part, in KiB.
    pub(crate) pss: u64,
    /// Resident memory, shared pages counted in full, in KiB.
    pub(crate) rss: u64,
    /// Clock ticks (a hundredth of a second each) of processor time, user's and system's.
    pub(crate) ticks: u64,
    /// How often its threads were put on a processor again.
    pub(crate) switches: u64,
}

impl Server {
    /// Asks it to stop (SIGTERM) and waits until it has.
    pub(crate) fn stop(mut self) -> Result<()> {
        let pid = self.child.id().to_string();
        let begin = Instant::now();
        anyhow::ensure!(Command::new("kill").args(["-TERM", &pid]).status()?.success(), "cannot signal {pid}");
        while begin.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                anyhow::ensure!(status.success(), "the program stopped with {status}");
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        bail!("the program did not stop in {PATIENCE:?}")
    }

    /// What it uses by now.
    pub(crate) fn usage(&self) -> Result<Usage> {
        let proc = PathBuf::from(format!("/proc/{}", self.child.id()));
        let rollup = fs::read_to_string(proc.join("smaps_rollup"))?;
        let stat = fs::read_to_string(proc.join("stat"))?;
        // The second field is the program's name in parentheses; user and system time are the 14th and 15th.
        let after_name = stat.rsplit_once(')').context("unreadable /proc/PID/stat")?.1;
        let ticks = after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        let mut switches = 0;
        for task in fs::read_dir(proc.join("task"))? {
            let status = fs::read_to_string(task?.path().join("status"))?;
            switches += value(&status, "voluntary_ctxt_switches:") + value(&status, "nonvoluntary_ctxt_switches:");
        }
        Ok(Usage { pss: value(&rollup, "Pss:"), rss: value(&rollup, "Rss:"), ticks, switches })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended before; either way there is nothing left to do about it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The first number after `name` at the beginning of a line.
fn value(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
