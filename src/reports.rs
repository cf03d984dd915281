//! Tells the product department, each day, week or month, where customers came from.
//!
//! It sends nothing itself: a report is counted when its time has come and put into the outbox, in one transaction with the
//! note of its period, so that no restart repeats it and none is forgotten. Whoever was down when it was due tells it
//! later; of several periods missed, the newest. Where nobody registered and nobody asked there is nothing to tell, unless
//! the shop wants to hear of that, too.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::domain::{
    Cadence, ChannelAddress, Context, CreditedTouch, Dimension, MessageId, NewMessage, OriginRules, Purpose, Report,
    ReportCalendar, ReportPart, ReportPeriod, ReportRow, Timeline, TimelineError, Timestamp,
};
use crate::store::{Ledger, LedgerQuery, LedgerRow, NewReport, Store, StoreError, Tally, ToldReport};
use crate::wake::Wake;

/// How many origins of the period before are known by name; of those beyond, nobody is said to have come before.
const COMPARED: usize = 5_000;

/// Whom to tell, when, and what.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The channels that hear of each cadence; none: nobody does.
    pub channels: BTreeMap<Cadence, Vec<ChannelAddress>>,
    /// At which time of day, and whose days.
    pub calendar: ReportCalendar,
    /// What a row stands for.
    pub by: Dimension,
    /// Which visit is credited.
    pub touch: CreditedTouch,
    /// How many rows; what is left is told together.
    pub rows: usize,
    /// Whether it is told, too, that nobody came.
    pub empty: bool,
}

/// Why there is no report.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReportError {
    /// No channel is told of this cadence.
    #[error("no channel hears of it: name some under [reports] {0}")]
    NoChannel(Cadence),
    /// The clock shows a time that no calendar knows.
    #[error("the clock shows a time that no calendar knows")]
    Calendar,
    /// The period cannot be cut.
    #[error(transparent)]
    Timeline(#[from] TimelineError),
    /// It could not be counted or kept.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Tells where customers came from.
pub struct Reports {
    store: Arc<dyn Store>,
    clock: Clock,
    wake: Wake,
    rules: Arc<OriginRules>,
    settings: Settings,
}

impl Reports {
    /// Counts in `store` by `rules`; `wake` hears of what is put into the outbox.
    pub const fn new(
        store: Arc<dyn Store>,
        clock: Clock,
        wake: Wake,
        rules: Arc<OriginRules>,
        settings: Settings,
    ) -> Self {
        Self { store, clock, wake, rules, settings }
    }

    /// How it is set up.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The channels that hear of a cadence.
    pub fn channels(&self, cadence: Cadence) -> &[ChannelAddress] {
        self.settings.channels.get(&cadence).map_or(&[], Vec::as_slice)
    }

    /// Whether anybody is told anything.
    pub fn is_wanted(&self) -> bool {
        Cadence::ALL.iter().any(|cadence| !self.channels(*cadence).is_empty())
    }

    /// Looks once, and tells what is due. Says of how many periods that was. What goes wrong with one cadence keeps nobody
    /// else waiting, and is said at the end.
    pub async fn look(&self) -> Result<usize, ReportError> {
        let (now, told) = (self.clock.now(), self.store.told_reports().await?);
        let (mut count, mut failed) = (0, None);
        for cadence in Cadence::ALL.iter().copied().filter(|cadence| !self.channels(*cadence).is_empty()) {
            let newest = told.iter().find(|told| told.cadence == cadence).map(|told| told.first_day.as_str());
            match self.look_at(cadence, newest, now).await {
                Ok(was_told) => count += usize::from(was_told),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(count), Err)
    }

    /// `newest` is the first day of the period that was told last.
    async fn look_at(&self, cadence: Cadence, newest: Option<&str>, now: Timestamp) -> Result<bool, ReportError> {
        let calendar = &self.settings.calendar;
        let due = calendar.due(cadence, now).ok_or(ReportError::Calendar)?;
        let over = calendar.over(cadence, now).ok_or(ReportError::Calendar)?;
        match newest {
            // Told by a clock that was ahead: that period is told when it is over.
            Some(newest) if *newest > *over.first_day => self.note(cadence, &due, true, now).await.map(|()| false),
            Some(newest) if *newest >= *due.first_day => Ok(false),
            Some(_) => self.tell(cadence, &due, now).await,
            // Whoever starts with reports now is not told of what was due before.
            None => self.note(cadence, &due, false, now).await.map(|()| false),
        }
    }

    /// When the next report of a cadence comes by itself: after `now`, and after what was told already; `None`: nobody
    /// hears of it.
    pub fn next_at(&self, cadence: Cadence, told: &[ToldReport], now: Timestamp) -> Option<Timestamp> {
        let calendar = &self.settings.calendar;
        let next = calendar.next(cadence, now).filter(|_| !self.channels(cadence).is_empty())?;
        let is_told = told.iter().any(|told| told.cadence == cadence && told.first_day == next.first_day);
        if is_told { Some(calendar.next(cadence, next.due_at)?.due_at) } else { Some(next.due_at) }
    }

    /// Tells now of the newest period that is over, whether that was done already or not, and if nobody came as well.
    pub async fn send(&self, cadence: Cadence) -> Result<Vec<MessageId>, ReportError> {
        let now = self.clock.now();
        if self.channels(cadence).is_empty() {
            return Err(ReportError::NoChannel(cadence));
        }
        let period = self.settings.calendar.over(cadence, now).ok_or(ReportError::Calendar)?;
        let report = self.report(cadence, &period).await?;
        let messages = self.messages(cadence, now);
        let ids = messages.iter().map(|message| message.id).collect();
        self.put(&period, report, messages, true, now).await?;
        Ok(ids)
    }

    /// What would be told now of the newest period that is over, and which that is.
    pub async fn preview(&self, cadence: Cadence) -> Result<(ReportPeriod, Report), ReportError> {
        let period = self.settings.calendar.over(cadence, self.clock.now()).ok_or(ReportError::Calendar)?;
        let report = self.report(cadence, &period).await?;
        Ok((period, report))
    }

    async fn tell(&self, cadence: Cadence, due: &ReportPeriod, now: Timestamp) -> Result<bool, ReportError> {
        let report = self.report(cadence, due).await?;
        if !report.complete {
            tracing::debug!("The {cadence} report waits until all that is older than the ledger is counted");
            return Ok(false);
        }
        if report.is_empty() && !self.settings.empty {
            self.note(cadence, due, false, now).await?;
            tracing::info!("There is no {cadence} report: nobody registered or asked, see [reports] empty");
            return Ok(false);
        }
        let messages = self.messages(cadence, now);
        self.put(due, report, messages, false, now).await
    }

    /// Notes that `due` is done with, though nobody was told.
    async fn note(&self, cadence: Cadence, due: &ReportPeriod, again: bool, now: Timestamp) -> Result<(), ReportError> {
        let nothing = Report { cadence, ..Report::default() };
        self.put(due, nothing, Vec::new(), again, now).await.map(drop)
    }

    async fn put(
        &self,
        period: &ReportPeriod,
        report: Report,
        messages: Vec<NewMessage>,
        again: bool,
        now: Timestamp,
    ) -> Result<bool, ReportError> {
        let (cadence, count) = (report.cadence, messages.len());
        let channels: Vec<ChannelAddress> = messages.iter().map(|message| message.channel.clone()).collect();
        let context = Context { report: Some(Box::new(report)), ..Context::default() };
        let new = NewReport { cadence, first_day: period.first_day.clone(), context, messages, again };
        let was_put = self.store.put_report(new, now).await?;
        if was_put && count > 0 {
            tracing::info!(count, "The {cadence} report of {} goes out over {count} channels", period.first_day);
            for channel in &channels {
                self.wake.at(channel, now);
            }
        }
        Ok(was_put)
    }

    fn messages(&self, cadence: Cadence, now: Timestamp) -> Vec<NewMessage> {
        let message = |channel: &ChannelAddress| NewMessage {
            id: MessageId::new(now),
            channel: channel.clone(),
            purpose: Purpose::Report,
            due_at: now,
            fallback: None,
        };
        self.channels(cadence).iter().map(message).collect()
    }

    /// Counts a period, and the one before it to compare.
    async fn report(&self, cadence: Cadence, period: &ReportPeriod) -> Result<Report, ReportError> {
        let calendar = &self.settings.calendar;
        let timeline = calendar.timeline(cadence, period)?;
        let names = timeline.starts.iter().map(|start| calendar.part_names(cadence, *start)).collect::<Vec<_>>();
        let before = calendar.before(cadence, period).ok_or(ReportError::Calendar)?;
        let whole = Timeline { from: before.from, to: before.to, starts: vec![before.from] };
        let before = self.count(whole, COMPARED).await?;
        let ledger = self.count(timeline, self.settings.rows).await?;
        let compared: BTreeMap<&str, u64> =
            before.rows.iter().map(|(name, row)| (name.as_str(), row.whole.registrations)).collect();
        let came = |name: &str| compared.get(name).copied().unwrap_or(0);
        Ok(Report {
            cadence,
            first_day: period.first_day.clone(),
            last_day: period.last_day.clone(),
            end_day: period.end_day.clone(),
            timezone: calendar.zone().to_owned(),
            by: self.settings.by.to_string(),
            touch: self.settings.touch.to_string(),
            rows: ledger.rows.iter().map(|(name, row)| told(name, &row.whole, came(name))).collect(),
            others: ledger.others.as_ref().map(|row| told("", &row.whole, 0)),
            total: told("", &ledger.total.whole, before.total.whole.registrations),
            parts: parts(names, &ledger.total),
            complete: ledger.complete,
        })
    }

    async fn count(&self, timeline: Timeline, limit: usize) -> Result<Ledger, StoreError> {
        let Settings { by, touch, .. } = self.settings;
        let query = LedgerQuery { by, touch, timeline, only: Vec::new(), limit };
        self.store.ledger(query, Arc::clone(&self.rules)).await
    }
}

fn told(name: &str, tally: &Tally, before: u64) -> ReportRow {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    ReportRow {
        name: name.to_owned(),
        registrations: tally.registrations,
        before,
        welcomed: tally.welcomed,
        bounced: tally.bounced,
        opened: tally.opened,
        requests: tally.requests,
        answered: tally.answered,
        to_answer_ms: tally.to_answer.map(millis),
    }
}

fn parts(names: Vec<(String, String)>, total: &LedgerRow) -> Vec<ReportPart> {
    let part = |((day, name), tally): ((String, String), &Tally)| ReportPart {
        day,
        name,
        registrations: tally.registrations,
        requests: tally.requests,
    };
    names.into_iter().zip(&total.parts).map(part).collect()
}
