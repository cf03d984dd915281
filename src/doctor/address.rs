//! Where others reach the server: the address that it is known under, and whether it is umishop that answers there.

use std::time::Duration;

use url::Url;

use super::Examination;
use super::finding::{self, Area, Finding};
use crate::channel::web_agent;
use crate::config::local_url;

/// What `/healthz` says.
const LIVES: &str = "ok";

/// More of an answer is not read.
const LONGEST_ANSWER: u64 = 1024;

/// What one call has shown.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Umishop,
    /// With this status.
    SomethingElse(u16),
    /// Why.
    Nobody(String),
}

pub(super) async fn look(examination: &Examination<'_>) -> Vec<Finding> {
    let server = &examination.loaded.config.server;
    let here = local_url(server.listen);
    let public = server.public_url.as_deref();
    // Half of the time, so that an answer of the DNS still fits in.
    let within = examination.deadline / 2;
    let there = async {
        match public {
            Some(url) => Some((url, ask(url.to_owned(), within).await)),
            None => None,
        }
    };
    let (here_answer, there) = futures_util::join!(ask(here.clone(), within), there);
    let runs = here_answer == Answer::Umishop;
    let mut findings = vec![match here_answer {
        Answer::Umishop => finding::ok(Area::Address, "server", format!("umishop runs at {here}")),
        Answer::Nobody(_) => finding::ok(Area::Address, "server", format!("does not run now at {here}")),
        Answer::SomethingElse(status) => finding::warning(
            Area::Address,
            "server",
            format!("something else answers at {here} (HTTP {status})"),
            "stop it, or let umishop listen at another port: [server] listen",
        ),
    }];
    if let Some((url, answer)) = there {
        findings.push(of_public(examination, url, answer, runs).await);
    }
    findings
}

async fn of_public(examination: &Examination<'_>, url: &str, answer: Answer, runs: bool) -> Finding {
    let subject = "public address";
    match answer {
        Answer::Umishop => finding::ok(Area::Address, subject, format!("umishop answers at {url}")),
        _ if !runs => finding::unknown(
            Area::Address,
            subject,
            format!("{url} cannot be tried while umishop does not run here"),
            "start it, and ask again",
        ),
        Answer::SomethingElse(status) => finding::warning(
            Area::Address,
            subject,
            format!("{url} answers with HTTP {status}, and it is not umishop"),
            "see where the name leads, and where the proxy passes it on to; from inside some networks it leads elsewhere, so try it from outside, too",
        ),
        Answer::Nobody(why) => match name_of(url) {
            Some(name) => match examination.dns.addresses(&name).await {
                Ok(addresses) if addresses.is_empty() && examination.dns.prove_known().await.is_ok() => Finding::new(
                    Area::Address,
                    subject,
                    examination.when_it_sends(),
                    format!("{name} has no address in the DNS"),
                    "give it one (an A or AAAA record), or correct [server] public_url",
                ),
                _ => unreached(url, &why),
            },
            None => unreached(url, &why),
        },
    }
}

fn unreached(url: &str, why: &str) -> Finding {
    let what = format!("{url} cannot be reached from here: {why}");
    let mend = "try it from outside, as with a telephone: some routers lead nobody from inside to their own address";
    finding::warning(Area::Address, "public address", what, mend)
}

/// The name in an address, unless it is a number.
fn name_of(url: &str) -> Option<String> {
    Url::parse(url).ok()?.domain().map(str::to_owned)
}

/// Asks whether umishop lives at `base`.
async fn ask(base: String, within: Duration) -> Answer {
    let call = move || {
        let agent = web_agent(base.starts_with("https://"), within);
        let mut response = agent.get(format!("{base}/healthz")).call().map_err(|error| error.to_string())?;
        let body = response.body_mut().with_config().limit(LONGEST_ANSWER).read_to_string();
        // An answer that cannot be read is not ours.
        let lives = response.status() == 200 && body.is_ok_and(|body| body.trim() == LIVES);
        Ok(if lives { Answer::Umishop } else { Answer::SomethingElse(response.status().as_u16()) })
    };
    match tokio::task::spawn_blocking(call).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(why)) => Answer::Nobody(why),
        Err(_) => Answer::Nobody("the call broke off inside umishop".to_owned()),
    }
}
