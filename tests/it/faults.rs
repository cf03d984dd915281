//! A disk that fails, and one that is full, under the program itself.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::client;
use crate::process::{Process, command};
use crate::support::ADMIN_TOKEN;

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
        eprintln!("LEFT OUT: there is no strace, so that no sync can be made to fail");
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
    let mut ended_while_serving = 0;
    for when in 1.. {
        let directory = tempfile::tempdir().unwrap();
        configure(directory.path(), "");
        let Some(command) = failing_sync(directory.path(), when) else { return };
        let (mut accepted, mut refused) = (Vec::new(), None);
        let status = match Process::begin(command) {
            Err(status) => status,
            Ok(mut process) => {
                for number in 0..3 {
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
        if status.success() && accepted.len() == 3 {
            break;
        }
        assert!(!status.success(), "sync {when} failed and nobody noticed");
        assert!(when < 100, "there is no end of syncs");
    }
    assert!(ended_while_serving >= 3, "{ended_while_serving}");
}
