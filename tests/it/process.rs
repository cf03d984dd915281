//! The program itself, as a process that is started, killed and told to stop.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use serde_json::Value;

use crate::client;

/// A running `umishop serve`. It is killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
    /// Kept open, as by a terminal.
    _output: BufReader<ChildStdout>,
    /// What it printed when it started.
    pub(crate) banner: String,
}

impl Process {
    /// Starts it in `directory`, whose `config.toml` should listen on port 0.
    pub(crate) fn start(directory: &Path) -> Self {
        Self::begin(command(directory, &["serve"])).unwrap_or_else(|status| panic!("it ended at once: {status}"))
    }

    /// Starts it in `directory`; what it logs is in the file `log` there.
    pub(crate) fn start_logged(directory: &Path) -> Self {
        let log = std::fs::File::create(directory.join("log")).unwrap();
        Self::spawn(command(directory, &["serve"]).stderr(log)).unwrap_or_else(|status| panic!("it ended: {status}"))
    }

    /// Starts what `command` says, which is `umishop serve` in the end; an error if that ends before it serves.
    pub(crate) fn begin(mut command: Command) -> Result<Self, ExitStatus> {
        Self::spawn(command.stderr(Stdio::null()))
    }

    fn spawn(command: &mut Command) -> Result<Self, ExitStatus> {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut banner = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        while !banner.contains("umishop landbot") {
            if lines.read_line(&mut banner).unwrap() == 0 {
                return Err(child.wait().unwrap());
            }
        }
        let address = banner.split("http://").nth(1).unwrap().split('/').next().unwrap().parse().unwrap();
        Ok(Self { child, address, _output: lines, banner })
    }

    /// The process's id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// As the kernel does it when memory runs out.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// As systemd does it.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.ask_to_stop();
        self.ended()
    }

    /// Sends SIGTERM and does not wait.
    pub(crate) fn ask_to_stop(&self) {
        let killed = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
    }

    /// Waits until it has ended by itself.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    pub(crate) async fn items(&self, path: &str, token: &str) -> Vec<Value> {
        let token = format!("Bearer {token}");
        let answer = client::send(self.address, "GET", path, &[("Authorization", &token)], b"").await;
        answer.json()["items"].as_array().unwrap().clone()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// `umishop` with these arguments, and nothing of this process's environment that it would understand.
pub(crate) fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_umishop"));
    command.args(arguments).current_dir(directory).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("UMISHOP_") {
            command.env_remove(name);
        }
    }
    command
}
