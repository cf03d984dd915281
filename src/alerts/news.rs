//! What is wrong now, and how to say it to a person who is woken by it: what, since when, why, and what to do.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::backups::LastBackup;
use crate::conditions::{Condition, Trouble};
use crate::domain::{ChannelAddress, Timestamp, mask_addresses, one_line, truncate};
use crate::store::{Backlog, Incidents, Troubles, Waiting};

/// How long a channel that may mend by itself is in trouble before that is news; it must have failed twice, too.
const PATIENCE: Duration = Duration::from_mins(1);

/// How much of a reason is told, in characters.
const LONGEST_REASON: usize = 300;

/// Something that an operator should know.
pub(super) struct News {
    /// What it is about, always in the same words.
    pub(super) subject: String,
    /// The channel it is about, which is not to carry it.
    pub(super) about: Option<ChannelAddress>,
    /// The same for a person, on one line.
    pub(super) headline: String,
    /// Why it happened.
    pub(super) why: String,
    /// All of it.
    pub(super) body: String,
}

/// Everything there is to see.
pub(super) struct Sight {
    pub(super) now: Timestamp,
    /// A message that has been due for longer is late.
    pub(super) late: Duration,
    pub(super) conditions: BTreeMap<ChannelAddress, Condition>,
    pub(super) troubles: Troubles,
    pub(super) backup: LastBackup,
    /// Why nothing new is accepted, when the disk has too little room.
    pub(super) full: Option<String>,
}

impl Sight {
    /// What is wrong, or has just been put right. Much of it may have been told already.
    pub(super) fn news(&self) -> Vec<News> {
        let Troubles { dead, held, waiting, unreadable, .. } = &self.troubles;
        let channels = self.conditions.iter().filter_map(|(channel, condition)| self.condition(channel, condition));
        channels
            .chain(waiting.iter().filter_map(|(channel, waiting)| self.late(channel, *waiting)))
            .chain(dead.iter().filter_map(|(channel, incidents)| self.dead(channel, incidents)))
            .chain(held.iter().filter_map(|(channel, incidents)| self.held(channel, incidents)))
            .chain(unreadable.iter().filter_map(|incidents| self.unreadable(incidents)))
            .chain(self.no_backup())
            .chain(self.no_room())
            .collect()
    }

    /// When the operator was last told of it. A time in the future was noted before the clock was set back.
    fn told(&self, subject: &str) -> Option<Timestamp> {
        self.troubles.told.get(subject).copied().filter(|told| *told <= self.now)
    }

    /// Whether this has grown since the operator was told.
    fn is_news(&self, subject: &str, incidents: &Incidents) -> bool {
        self.told(subject).is_none_or(|told| incidents.latest_at > told)
    }

    fn condition(&self, channel: &ChannelAddress, condition: &Condition) -> Option<News> {
        match &condition.trouble {
            Some(trouble) if self.is_down(condition) => Some(self.down(channel, trouble)),
            Some(_) => None,
            None => self.up(channel, condition),
        }
    }

    /// Whether the channel is in trouble that somebody should look at. A paused one is not asked to deliver.
    fn is_down(&self, condition: &Condition) -> bool {
        condition.paused_at.is_none()
            && condition.trouble.as_ref().is_some_and(|trouble| {
                trouble.lasting || (trouble.failures > 1 && self.now.since(trouble.since) >= PATIENCE)
            })
    }

    fn down(&self, channel: &ChannelAddress, trouble: &Trouble) -> News {
        let why = plain(&trouble.why);
        let what = format!("Nothing is sent over {channel} since {}.", trouble.since.to_readable());
        let mend = match (trouble.hint.as_str(), trouble.lasting) {
            ("", true) => "check the channel's settings; it does not mend by itself.".to_owned(),
            ("", false) => {
                "if the other side is down, wait: the channel is tried again by itself. Else check its settings."
                    .to_owned()
            }
            (hint, _) => format!("{hint}."),
        };
        let waiting = self.troubles.waiting.get(channel).map_or_else(
            || "No message waits for it just now.".to_owned(),
            |waiting| {
                let since = waiting.since.to_readable();
                format!("{}, the longest since {since}. Nothing is lost.", wait(waiting.count))
            },
        );
        News {
            subject: trouble_of(channel),
            about: Some(channel.clone()),
            headline: format!("{channel} delivers nothing"),
            body: letter(
                &[
                    &what,
                    &reason(&why),
                    &format!("What to do: {mend} A changed config.toml needs a restart."),
                    &waiting,
                ],
                &[&format!("umishop messages --state pending --channel {channel}")],
            ),
            why,
        }
    }

    /// The channel works again, if the operator was told that it did not. An answer proves it: a restart alone does not.
    fn up(&self, channel: &ChannelAddress, condition: &Condition) -> Option<News> {
        let subject = format!("recovery of {channel}");
        let down_at = self.told(&trouble_of(channel))?;
        let is_told = self.told(&subject).is_some_and(|told| told >= down_at);
        let answered_at = condition.answered_at.filter(|answered| *answered >= down_at && !is_told)?;
        let waiting = self.troubles.waiting.get(channel).map_or_else(
            || "Nothing waits for it any more.".to_owned(),
            |waiting| format!("{}; they are going out.", wait(waiting.count)),
        );
        let why = format!("it answered at {}", answered_at.to_readable());
        let what = format!("{channel} delivers again: {why}.");
        Some(News {
            subject,
            about: Some(channel.clone()),
            headline: format!("{channel} works again"),
            body: letter(&[&what, &waiting, "There is nothing to do."], &[]),
            why,
        })
    }

    /// A message is late, and not because of trouble that is told anyway.
    fn late(&self, channel: &ChannelAddress, waiting: Waiting) -> Option<News> {
        let condition = self.conditions.get(channel);
        let age = self.now.since(waiting.since);
        if age <= self.late || condition.is_some_and(|condition| self.is_down(condition)) {
            return None;
        }
        let (why, mend) = match condition {
            None => (
                format!("{channel} is no longer configured"),
                format!(
                    "write [channels.{channel}] into config.toml again and restart; or cancel what must not be sent."
                ),
            ),
            Some(Condition { paused_at: Some(paused_at), .. }) => (
                format!("{channel} is paused by an operator since {}", paused_at.to_readable()),
                format!("resume it: POST /api/channels/{channel}/resume with an operator's token."),
            ),
            Some(Condition { trouble: Some(trouble), .. }) => {
                (plain(&trouble.why), format!("nothing yet: it is tried again at {}.", trouble.probe_at.to_readable()))
            }
            Some(_) => (
                format!("more comes in than {channel} takes, or its receiver is slow"),
                "if that goes on, raise the channel's rate or concurrency in config.toml.".to_owned(),
            ),
        };
        let long = how_long(age);
        let what = format!(
            "{}, the longest since {}, which is {long}.",
            wait_for(waiting.count, channel),
            waiting.since.to_readable()
        );
        Some(News {
            subject: format!("lateness of {channel}"),
            about: Some(channel.clone()),
            headline: format!("messages over {channel} are {long} late"),
            body: letter(
                &[&what, &reason(&why), &format!("What to do: {mend}")],
                &[&format!("umishop messages --state pending --channel {channel}"), "umishop messages cancel ID"],
            ),
            why,
        })
    }

    fn dead(&self, channel: &ChannelAddress, incidents: &Incidents) -> Option<News> {
        let subject = format!("dead letters of {channel}");
        self.is_news(&subject, incidents).then(|| {
            let (why, given_up) = (plain(&incidents.why), counted(incidents.count, "dead letter"));
            let what = format!(
                "{channel} has {given_up} of the last 7 days: given up, but kept. The latest is of {}.",
                incidents.latest_at.to_readable()
            );
            News {
                subject,
                about: Some(channel.clone()),
                headline: format!("{given_up} of {channel}"),
                body: letter(
                    &[&what, &reason(&why), "What to do: mend the cause, then retry them."],
                    &[&format!("umishop messages --state dead --channel {channel}"), "umishop messages retry ID"],
                ),
                why,
            }
        })
    }

    fn held(&self, channel: &ChannelAddress, incidents: &Incidents) -> Option<News> {
        let subject = format!("held messages of {channel}");
        self.is_news(&subject, incidents).then(|| {
            let (why, held) = (plain(&incidents.why), counted(incidents.count, "held message"));
            let what = format!(
                "{channel} has {held}: nobody knows whether they arrived. The latest is of {}.",
                incidents.latest_at.to_readable()
            );
            News {
                subject,
                about: Some(channel.clone()),
                headline: format!("{held} of {channel}"),
                body: letter(
                    &[
                        &what,
                        &reason(&why),
                        "What to do: look whether they arrived. Cancel those that did, retry the others.",
                    ],
                    &[
                        &format!("umishop messages --state held --channel {channel}"),
                        "umishop messages cancel ID",
                        "umishop messages retry ID",
                    ],
                ),
                why,
            }
        })
    }

    fn unreadable(&self, incidents: &Incidents) -> Option<News> {
        let subject = "unreadable webhooks".to_owned();
        self.is_news(&subject, incidents).then(|| {
            let (why, unread) = (plain(&incidents.why), counted(incidents.count, "unreadable webhook"));
            let what = format!(
                "{unread} came in the last 7 days, the latest at {}. Nobody was registered by it, and nobody was asked for \
                 help; what was sent is kept in the inbox.",
                incidents.latest_at.to_readable()
            );
            let mend = "What to do: read it in the console, under Inbox, see to the customer, and mend the bot's webhook. \
                        This prints what to paste there:";
            News {
                subject,
                about: None,
                headline: unread,
                body: letter(&[&what, &reason(&why), mend], &["umishop landbot"]),
                why,
            }
        })
    }

    fn no_room(&self) -> Option<News> {
        let why = plain(self.full.as_deref()?);
        let what = "No customer is registered and no question is taken: every webhook is answered with 503. What was \
                    accepted before is delivered, and nothing of it is lost.";
        let mend = "What to do: make room on the disk of the database. Customers are accepted again by themselves.";
        Some(News {
            subject: "full disk".to_owned(),
            about: None,
            headline: "the disk is full: no customer is accepted".to_owned(),
            body: letter(&[what, &reason(&why), mend], &["df -h"]),
            why,
        })
    }

    fn no_backup(&self) -> Option<News> {
        let (failed_at, why) = self.backup.error.clone()?;
        let failure = Incidents { count: 1, latest_at: failed_at, why: plain(&why) };
        let subject = "failed backup".to_owned();
        self.is_news(&subject, &failure).then(|| {
            let newest = self.backup.success.map_or_else(
                || "There is none at all.".to_owned(),
                |success| format!("The newest is of {}.", success.to_readable()),
            );
            let what = format!("The backup of {} failed. {newest}", failed_at.to_readable());
            let mend = "What to do: mend the cause, most often a full disk or a directory that umishop may not write to. Then \
                        make one by hand:";
            News {
                subject,
                about: None,
                headline: "there is no new backup".to_owned(),
                body: letter(&[&what, &reason(&failure.why), mend], &["umishop backup"]),
                why: failure.why,
            }
        })
    }
}

fn trouble_of(channel: &ChannelAddress) -> String {
    format!("trouble of {channel}")
}

/// A text of these paragraphs, and the commands to type.
fn letter(paragraphs: &[&str], commands: &[&str]) -> String {
    let mut text = paragraphs.join("\n\n");
    if !commands.is_empty() {
        text.push('\n');
    }
    for command in commands {
        text.push_str("\n    ");
        text.push_str(command);
    }
    text
}

fn reason(why: &str) -> String {
    format!("Why: {}", if why.is_empty() { "nobody said" } else { why })
}

/// A reason on one line, without customers' addresses, not too long.
fn plain(why: &str) -> String {
    truncate(&one_line(&mask_addresses(why)), LONGEST_REASON).text.to_owned()
}

/// `18h 51m`: to the minute, or to the second where it is less than one.
fn how_long(age: Duration) -> String {
    let seconds = age.as_secs();
    let shown = if seconds < 60 { seconds } else { seconds - seconds % 60 };
    humantime::format_duration(Duration::from_secs(shown)).to_string()
}

/// `1 dead letter`, `2 dead letters`.
fn counted(count: u32, thing: &str) -> String {
    let more = if count >= Backlog::COUNTED { "at least " } else { "" };
    format!("{more}{count} {thing}{}", if count == 1 { "" } else { "s" })
}

fn wait(count: u32) -> String {
    format!("{} {}", counted(count, "message"), if count == 1 { "waits" } else { "wait" })
}

fn wait_for(count: u32, channel: &ChannelAddress) -> String {
    format!("{} for {channel}", wait(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_late_something_is_reads_as_people_say_it() {
        for (seconds, said) in [(5, "5s"), (60, "1m"), (639, "10m"), (1131 * 60 + 7, "18h 51m"), (93_784, "1day 2h 3m")]
        {
            assert_eq!(how_long(Duration::from_secs(seconds)), said);
        }
    }
}
