//! Is all well? Looks at everything that a shop depends on, and says of each thing how it is and what would mend it.
//!
//! Nothing is sent and nothing is changed, whether the server runs or has never been started. The looks go on side by
//! side, each no longer than it is given, so that one that nobody answers keeps nobody waiting. What cannot be known
//! from here is told as such: it is no problem.

use std::time::Duration;

use futures_util::future::join_all;

use crate::backups::Directory;
use crate::clock::Clock;
use crate::config::Loaded;
use crate::render::Texts;

mod address;
mod channels;
mod clock;
mod disk;
mod dkim;
mod dmarc;
mod dns;
mod exposure;
mod finding;
mod mail;
mod providers;
mod settings;
mod spf;

pub use dns::Dns;
pub use finding::{Area, Finding, Severity};
pub use settings::refused;

/// What is looked at, and how.
pub struct Examination<'a> {
    /// The configuration that is in force.
    pub loaded: &'a Loaded,
    /// What its messages are made from.
    pub texts: Texts,
    /// Where its backups are made, if they are.
    pub backups: Option<Directory>,
    /// This machine's clock.
    pub clock: Clock,
    /// Whom to ask about domains.
    pub dns: Dns,
    /// How long each look may take.
    pub deadline: Duration,
    /// Whether all of the database is read, however long that takes.
    pub deep: bool,
}

impl Examination<'_> {
    /// Looks at everything.
    pub async fn run(&self) -> Vec<Finding> {
        let config = &self.loaded.config;
        let channels = join_all(config.channels.iter().map(|(address, settings)| {
            let late = channels::late(self, address);
            async move {
                let look = channels::look(self, address, &*settings.channel);
                match tokio::time::timeout(self.deadline, look).await {
                    Ok(seen) => seen,
                    Err(_) => channels::Seen { findings: vec![late], clocks: Vec::new() },
                }
            }
        }));
        let mail = join_all(mail::domains(config).into_iter().map(|(domain, hosts)| async move {
            let late = finding::unknown(Area::Mail, &domain, "the DNS did not answer in time", mail::ASK_ELSEWHERE);
            self.within(late, mail::look(self, &domain, &hosts)).await
        }));
        let late = finding::unknown(Area::Address, "public address", "it did not answer in time", "ask again");
        let address = self.within(late, address::look(self));
        let (seen, mail, address, disk) = futures_util::join!(channels, mail, address, disk::look(self));
        let (disk, newest) = disk;
        let (findings, clocks): (Vec<_>, Vec<_>) = seen.into_iter().map(|seen| (seen.findings, seen.clocks)).unzip();
        let mut all = settings::look(self.loaded);
        all.extend(channels::mode(config));
        all.extend(findings.into_iter().flatten());
        all.extend(mail.into_iter().flatten());
        all.extend(address);
        all.extend(clock::look(self, &clocks.concat(), newest));
        all.extend(disk);
        all.extend(exposure::look(self));
        all
    }

    /// What `look` finds, or `late` when it takes too long.
    async fn within(&self, late: Finding, look: impl Future<Output = Vec<Finding>>) -> Vec<Finding> {
        tokio::time::timeout(self.deadline, look).await.unwrap_or_else(|_| vec![late])
    }

    /// How bad it is that messages will not arrive: in the sandbox none is sent.
    fn when_it_sends(&self) -> Severity {
        if self.loaded.config.sandbox { Severity::Warning } else { Severity::Problem }
    }
}
