//! The ways to reach people: whether their credentials are right.

use super::clock::Told;
use super::finding::{self, Area, Finding};
use super::{Examination, settings};
use crate::channel::{Channel, Checked};
use crate::config::Config;
use crate::domain::{ChannelAddress, Outcome};

/// What asking one channel has shown.
pub(super) struct Seen {
    pub(super) findings: Vec<Finding>,
    /// What the clocks of its servers said.
    pub(super) clocks: Vec<Told>,
}

/// Whether messages are sent at all.
pub(super) fn mode(config: &Config) -> Option<Finding> {
    let what = "on: messages are kept and none is sent, whatever the channels say";
    config.sandbox.then(|| finding::ok(Area::Channels, "sandbox", what))
}

/// The channel has not answered in time.
pub(super) fn late(examination: &Examination<'_>, address: &ChannelAddress) -> Finding {
    let what = format!("no answer within {}", humantime::format_duration(examination.deadline));
    let mend = "see that this machine may reach its server: network, firewall, a proxy on the way; or give it longer \
                with --timeout";
    Finding::new(Area::Channels, address.as_str(), examination.when_it_sends(), what, mend)
}

/// Asks the channel's servers whether they would take a message.
pub(super) async fn look(examination: &Examination<'_>, address: &ChannelAddress, channel: &dyn Channel) -> Seen {
    let lacks = settings::lacks(examination.loaded.missing.iter().filter(|lack| lack.channels.contains(address)));
    if !lacks.is_empty() {
        // What it was lent in their place is an example, and nobody's server is asked about that.
        let what = format!("not set: {lacks}");
        let mend = "before you go live, set it in the environment or in a file .env beside your config.toml";
        return Seen {
            findings: vec![finding::warning(Area::Channels, address.as_str(), what, mend)],
            clocks: Vec::new(),
        };
    }
    let before = examination.clock.now();
    let checked = channel.check().await;
    let after = examination.clock.now();
    if checked.is_empty() {
        let sandbox = if examination.loaded.config.sandbox { "once sandbox = false, " } else { "" };
        let mend = format!("{sandbox}`umishop send-test {address}` sends one");
        let what = "cannot be asked without sending a message";
        return Seen {
            findings: vec![finding::unknown(Area::Channels, address.as_str(), what, mend)],
            clocks: Vec::new(),
        };
    }
    let told = |checked: &Checked| {
        checked.date.map(|date| Told { by: checked.what.clone(), date, asked_at: before, answered_at: after })
    };
    let clocks = checked.iter().filter_map(told).collect();
    Seen { findings: checked.iter().map(|checked| found(examination, address, checked)).collect(), clocks }
}

fn found(examination: &Examination<'_>, address: &ChannelAddress, checked: &Checked) -> Finding {
    let server = &checked.what;
    let bad = examination.when_it_sends();
    match &checked.outcome {
        Outcome::Delivered { reference, .. } if reference.is_empty() => {
            finding::ok(Area::Channels, address.as_str(), format!("{server} takes the credentials"))
        }
        Outcome::Delivered { reference, .. } => {
            finding::ok(Area::Channels, address.as_str(), format!("{server} takes the credentials: {reference}"))
        }
        Outcome::Retry { after: Some(_), why, .. } => {
            finding::warning(Area::Channels, address.as_str(), format!("{server}: {why}"), "ask again in a while")
        }
        Outcome::Retry { why, .. } => {
            let mend = "see that this machine may reach it (network, firewall), and whether it is down for others, too";
            Finding::new(Area::Channels, address.as_str(), bad, format!("{server}: {why}"), mend)
        }
        Outcome::Dead { why, hint, .. } => {
            let mend = if hint.is_empty() {
                format!("`umishop kinds {}` says what its answers mean", address.kind())
            } else {
                hint.clone()
            };
            Finding::new(Area::Channels, address.as_str(), bad, format!("{server}: {why}"), mend)
        }
        Outcome::Unknown { why } => {
            finding::unknown(Area::Channels, address.as_str(), format!("{server}: {why}"), "ask again in a while")
        }
    }
}
