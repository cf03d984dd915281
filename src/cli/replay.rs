//! `umishop route --replay`: what these routes would have done with the requests that came.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Global, block_on, table};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{ChannelAddress, RequestId, RoutingTable, Timestamp, Told};
use crate::store::{Page, RoutedRequest, Store};

/// How many requests are read at once.
const PAGE: usize = 500;

/// How many requests of each change are named.
const NAMED: usize = 3;

type Channels = BTreeSet<ChannelAddress>;

/// What became of all requests.
#[derive(Default)]
struct Replay {
    /// By the topic as the shop calls it; `None`: no route names it.
    topics: BTreeMap<Option<String>, ByTopic>,
    /// How many cannot be compared, because messages of theirs may have been pruned.
    pruned: u64,
}

#[derive(Default)]
struct ByTopic {
    same: u64,
    changes: BTreeMap<(Channels, Channels), Change>,
}

#[derive(Default)]
struct Change {
    count: u64,
    /// The newest of them.
    named: Vec<RequestId>,
}

/// Reads page by page, so that a server may run beside it and a busy month fits.
pub(super) fn run(global: &Global, config: &Config, period: Duration, out: &mut dyn Write) -> anyhow::Result<()> {
    let now = Clock::system().now();
    // Of a request that is older, some messages may be deleted and others not.
    let kept_since = now.before(config.retention.delivered.min(config.retention.dead));
    let replay = block_on(async {
        let store = Global::open_store(config)?;
        let mut replay = Replay::default();
        let mut page = Page { limit: PAGE, before: None };
        loop {
            let requests = store.routed_requests(now.before(period), page).await?;
            for request in &requests {
                replay.count(&config.routes, request, kept_since);
            }
            match requests.last() {
                Some(last) if requests.len() == PAGE => page.before = Some(last.id),
                _ => break,
            }
        }
        store.close().await?;
        Ok(replay)
    })?;
    if global.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&replay.to_json())?)?;
        return Ok(());
    }
    replay.report(period, out)
}

impl Replay {
    fn count(&mut self, routes: &RoutingTable, request: &RoutedRequest, kept_since: Timestamp) {
        if request.channels.is_empty() || request.created_at < kept_since {
            self.pruned += 1;
            return;
        }
        let RoutedRequest { topic, origin, phone, language, .. } = request;
        let decision = routes.decide(Told { topic, origin, phone: phone.as_ref(), language });
        let from: Channels = request.channels.iter().cloned().collect();
        let to: Channels = decision.destinations().iter().map(|to| to.channel.clone()).collect();
        let topic = self.topics.entry(decision.topic.map(|topic| topic.as_str().to_owned())).or_default();
        if from == to {
            topic.same += 1;
            return;
        }
        let change = topic.changes.entry((from, to)).or_default();
        change.count += 1;
        if change.named.len() < NAMED {
            change.named.push(request.id);
        }
    }

    fn same(&self) -> u64 {
        self.topics.values().map(|topic| topic.same).sum()
    }

    fn changed(&self) -> u64 {
        self.topics.values().flat_map(|topic| topic.changes.values()).map(|change| change.count).sum()
    }

    fn report(&self, period: Duration, out: &mut dyn Write) -> anyhow::Result<()> {
        let mut rows = Vec::new();
        for (topic, ByTopic { same, changes }) in &self.topics {
            let topic = topic.as_deref().unwrap_or("(no route names it)");
            let none = String::new;
            if *same > 0 {
                rows.push([topic.to_owned(), same.to_string(), "as before".to_owned(), none(), none(), none()]);
            }
            for ((from, to), Change { count, named }) in changes {
                let named = named.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
                let changed = "elsewhere".to_owned();
                rows.push([topic.to_owned(), count.to_string(), changed, in_a_row(from), in_a_row(to), named]);
            }
        }
        if !rows.is_empty() {
            table::write(out, ["TOPIC", "REQUESTS", "GO", "FROM", "TO", "FOR INSTANCE"], &rows)?;
            writeln!(out)?;
        }
        writeln!(
            out,
            "Of the last {}: {} requests go as before, {} elsewhere.",
            readable(period),
            self.same(),
            self.changed()
        )?;
        if self.pruned > 0 {
            writeln!(out, "Not compared: {} requests whose messages are no longer kept.", self.pruned)?;
        }
        Ok(())
    }

    fn to_json(&self) -> Value {
        let change = |((from, to), change): (&(Channels, Channels), &Change)| json!({ "from": from, "to": to, "requests": change.count, "for_instance": change.named });
        let topics = self.topics.iter().map(|(topic, by_topic)| {
            let changes: Vec<Value> = by_topic.changes.iter().map(change).collect();
            json!({ "topic": topic, "same": by_topic.same, "changes": changes })
        });
        let topics: Vec<Value> = topics.collect();
        json!({ "same": self.same(), "changed": self.changed(), "pruned": self.pruned, "topics": topics })
    }
}

/// A period in days; one that is not whole days as humantime has it, whose months are not the calendar's.
fn readable(period: Duration) -> String {
    match (period.as_secs() / 86_400, period.as_secs() % 86_400) {
        (1, 0) => "day".to_owned(),
        (days, 0) if days > 0 => format!("{days} days"),
        _ => humantime::format_duration(period).to_string(),
    }
}

fn in_a_row(channels: &Channels) -> String {
    channels.iter().map(ChannelAddress::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Origin, Route, Topic};

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn channels(names: &[&str]) -> Vec<ChannelAddress> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn a_request_is_not_compared_when_messages_of_it_may_be_gone() {
        let catch_all = Route { channels: channels(&["email.sales", "slack.sales"]), ..Route::default() };
        let routes = RoutingTable::new(Vec::new(), catch_all);
        let mut replay = Replay::default();
        let day = Duration::from_hours(24);
        for (age, kept) in
            [(0, &["slack.sales", "email.sales"][..]), (1, &["email.sales"]), (3, &["email.sales"]), (1, &[])]
        {
            let created_at = NOW.before(age * day);
            let request = RoutedRequest {
                id: RequestId::new(created_at),
                created_at,
                topic: Topic::new("Sales"),
                origin: Origin::default(),
                phone: None,
                language: String::new(),
                channels: channels(kept),
            };
            replay.count(&routes, &request, NOW.before(2 * day));
        }
        assert_eq!((replay.same(), replay.changed(), replay.pruned), (1, 1, 2));
    }
}
