//! A disk that fails, and one that is full, under the program itself.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::client;
use crate::process::{Process, command};
use crate::support::{ADMIN_TOKEN, left_out};

fn configure(directory: &Path, more: &str) {
    let config = format!("[server]\nlisten = \"127.0.0.1:0\"\n[admin]\ntoken = \"{ADMIN_TOKEN}\"\n{more}\n");
    std::fs::write(directory.join("config.toml"), config).unwrap();
}

/// The status of a registration.
async fn register(address: SocketAddr, email: &str) -> u16 {
    let body = json!({ "name": "Ana", "email": email }).to_string();
    client::send(address, "POST", "/umishop_api/user", &[], body.as_bytes()).await.status
}

/// `umishop serve` whose `when`-th sync fails, as strace makes it; `None`: there is no strace here.
fn failing_sync(directory: &Path, when: usize) -> Option<Command> {
    if !Command::new("strace").arg("-V").output().is_ok_and(|output| output.status.success()) {
        left_out("there is no strace, so that no sync can be made to fail");
        return None;
    }
    let serve = command(directory, &["serve"]);
    let mut traced = Command::new("strace");
    // -D: the program is our child, and strace a stranger.
    traced.args(["-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e"]);
    traced.arg(format!("inject=fdatasync:error=EIO:when={when}"));
    traced.arg(serve.get_program()).args(serve.get_args()).current_dir(directory);
    for (name, _) in serve.get_envs() {
        traced.env_remove(name);
    }
    Some(traced)
}

#[tokio::test(flavor = "multi_thread")]
async fn whichever_sync_fails_the_process_ends_and_nothing_that_was_answered_is_lost() {
    // More than the start syncs: strace counts the syncs of each thread, and every migration brings one.
    const CUSTOMERS: usize = 24;
    let mut ended_while_serving = 0;
    for when in 1.. {
        let directory = tempfile::tempdir().unwrap();
        configure(directory.path(), "");
        let Some(command) = failing_sync(directory.path(), when) else { return };
        let (mut accepted, mut refused) = (Vec::new(), None);
        let status = match Process::begin(command) {
            Err(status) => status,
            Ok(mut process) => {
                for number in 0..CUSTOMERS {
                    let email = format!("customer{number}@example.com");
                    match register(process.address, &email).await {
                        200 => accepted.push(email),
                        status => {
                            assert_eq!(status, 503);
                            refused = Some(email);
                            break;
                        }
                    }
                }
                if refused.is_some() { process.ended() } else { process.terminate() }
            }
        };
        if refused.is_some() {
            ended_while_serving += 1;
            assert_eq!(status.code(), Some(74), "sync {when}");
        }
        assert!(refused.is_none() || !status.success());
        let process = Process::start(directory.path());
        let mut users = process.items("/api/users", ADMIN_TOKEN).await;
        users.retain(|user| refused.as_deref() != user["email"].as_str());
        assert_eq!(users.len(), accepted.len(), "sync {when}: {users:?}");
        if status.success() && accepted.len() == CUSTOMERS {
            break;
        }
        assert!(!status.success(), "sync {when} failed and nobody noticed");
        assert!(when < 100, "there is no end of syncs");
    }
    assert!(ended_while_serving >= 3, "{ended_while_serving}");
}

/// A server whose database lies on a disk of its own, of 16 MiB.
struct SmallDisk {
    process: Process,
    directory: tempfile::TempDir,
}

impl SmallDisk {
    /// `None`: no disk can be mounted here.
    fn start(keep_free: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let disk = directory.path().join("disk");
        std::fs::create_dir(&disk).unwrap();
        configure(directory.path(), &format!("[store]\nurl = \"sqlite:disk/umishop.db\"\nkeep_free = \"{keep_free}\""));
        let serve = command(directory.path(), &["serve"]);
        // In a mount namespace of its own, which ends with the process.
        let script = "mount -t tmpfs -o size=16m umishop disk && exec \"$0\" serve";
        let mut unshare = Command::new("unshare");
        unshare.args(["-m", "sh", "-c", script]).arg(serve.get_program()).current_dir(directory.path());
        for (name, _) in serve.get_envs() {
            unshare.env_remove(name);
        }
        match Process::begin(unshare) {
            Ok(process) => Some(Self { process, directory }),
            Err(status) => {
                left_out(&format!("no small disk can be mounted here: {status}"));
                None
            }
        }
    }

    fn filler(&self) -> PathBuf {
        let inside = self.directory.path().join("disk/filler");
        Path::new("/proc").join(self.process.id().to_string()).join("root").join(inside.strip_prefix("/").unwrap())
    }

    /// Writes until nothing, or this much, is left.
    fn fill(&self, leave: usize) {
        let mut filler = std::fs::File::create(self.filler()).unwrap();
        while filler.write_all(&[1; 4096]).is_ok() {}
        let length = filler.metadata().unwrap().len();
        filler.set_len(length.saturating_sub(leave as u64)).unwrap();
    }

    fn make_room(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }

    async fn status(&self, path: &str) -> u16 {
        client::send(self.process.address, "GET", path, &[], b"").await.status
    }

    /// Registers one customer after the other until the answer is `status`; returns those who were accepted.
    async fn register_until(&self, status: u16, who: &str) -> Vec<String> {
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut accepted = Vec::new();
        for number in 0.. {
            assert!(Instant::now() < deadline, "there was never a {status}");
            let email = format!("{who}{number}@example.com");
            let answer = register(self.process.address, &email).await;
            assert!(matches!(answer, 200 | 503), "{answer}");
            if answer == 200 {
                accepted.push(email);
            }
            if answer == status {
                break;
            }
        }
        accepted
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_disk_is_full_nothing_new_is_accepted_and_what_was_begun_goes_on() {
    let Some(disk) = SmallDisk::start("4MiB") else { return };
    assert_eq!(register(disk.process.address, "before@example.com").await, 200);
    assert_eq!(disk.status("/readyz").await, 200);
    disk.fill(2 * 1024 * 1024);
    // The store looks once a second.
    let deadline = Instant::now() + Duration::from_secs(20);
    while disk.status("/readyz").await == 200 {
        assert!(Instant::now() < deadline, "it does not see that there is no room");
    }
    let ready = client::send(disk.process.address, "GET", "/readyz", &[], b"").await;
    assert!(ready.status == 503 && ready.body.contains("keep_free"), "{ready:?}");
    let body = json!({ "name": "Eva", "email": "eva@example.com" }).to_string();
    let refused = client::send(disk.process.address, "POST", "/umishop_api/user", &[], body.as_bytes()).await;
    assert!(refused.status == 503 && refused.header("retry-after").is_some(), "{refused:?}");
    let unreadable = client::send(disk.process.address, "POST", "/umishop_api/user", &[], b"{{{").await;
    assert_eq!(unreadable.status, 503, "{unreadable:?}");
    // A message becomes due now, is delivered, and that is recorded.
    let message = disk.process.items("/api/messages", ADMIN_TOKEN).await.pop().unwrap();
    let retry = format!("/api/messages/{}/retry", message["id"].as_str().unwrap());
    let token = format!("Bearer {ADMIN_TOKEN}");
    let retried = client::send(disk.process.address, "POST", &retry, &[("Authorization", &token)], b"").await;
    assert_eq!(retried.status, 200, "{retried:?}");
    let deadline = Instant::now() + Duration::from_secs(20);
    while disk.process.items("/api/messages?state=delivered", ADMIN_TOKEN).await.is_empty() {
        assert!(Instant::now() < deadline, "a delivery was not recorded");
        tokio::task::yield_now().await;
    }
    disk.make_room();
    disk.register_until(200, "after").await;
    assert_eq!(disk.status("/readyz").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_disk_that_is_full_to_the_last_byte_nothing_is_lost_and_room_is_enough_to_go_on() {
    let Some(disk) = SmallDisk::start("0") else { return };
    let mut accepted = disk.register_until(200, "before").await;
    disk.fill(0);
    accepted.extend(disk.register_until(503, "during").await);
    disk.make_room();
    accepted.extend(disk.register_until(200, "after").await);
    let mut kept: Vec<_> = disk.process.items("/api/users?limit=500", ADMIN_TOKEN).await;
    kept.retain(|user| accepted.iter().any(|email| Some(email.as_str()) == user["email"].as_str()));
    assert_eq!(kept.len(), accepted.len());
}
