//! The filters that several lists share.

use std::sync::Arc;

use anyhow::bail;
use clap::Args;

use crate::config::Config;
use crate::domain::{CreditedTouch, Dimension, Pattern, Timeline};
use crate::store::{self, OriginFilter};

/// A stretch of time.
#[derive(Debug, Args)]
pub(super) struct Period {
    /// Not what is older than this day or moment, as in 2026-11-24
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// Only what is older than this day or moment
    #[arg(long, value_name = "DAY")]
    to: Option<String>,
    /// The time zone of these days
    #[arg(long, default_value = "UTC", value_name = "ZONE")]
    tz: String,
}

impl Period {
    pub(super) fn read(&self) -> anyhow::Result<store::Period> {
        self.between(["from", "to"], [&self.from, &self.to])
    }

    /// The same of when something ended.
    pub(super) fn read_finished(&self, finished: &Finished) -> anyhow::Result<store::Period> {
        self.between(["finished-from", "finished-to"], [&finished.finished_from, &finished.finished_to])
    }

    fn between(&self, [first, last]: [&str; 2], [from, to]: [&Option<String>; 2]) -> anyhow::Result<store::Period> {
        let moment = |text: &Option<String>| text.as_ref().map(|text| Timeline::moment(text, &self.tz)).transpose();
        let period = store::Period { from: moment(from)?, to: moment(to)? };
        if period.from.zip(period.to).is_some_and(|(from, to)| from >= to) {
            bail!("--{last} must be later than --{first}");
        }
        Ok(period)
    }
}

/// A stretch of time in which something ended; its days are those of the same time zone.
#[derive(Debug, Args)]
pub(super) struct Finished {
    /// Only what was delivered, given up or cancelled on this day or moment or later
    #[arg(long, value_name = "DAY")]
    finished_from: Option<String>,
    /// Only what was delivered, given up or cancelled before this day or moment
    #[arg(long, value_name = "DAY")]
    finished_to: Option<String>,
}

/// Where customers came from.
#[derive(Debug, Args)]
pub(super) struct Origin {
    /// Which visit is credited: first or last
    #[arg(long, default_value_t = CreditedTouch::First)]
    touch: CreditedTouch,
    /// Only who came from there, as in source=google or campaign=summer-*; several must all hold
    #[arg(long, value_name = "NAME=VALUE", value_parser = condition)]
    only: Vec<(Dimension, Option<Pattern>)>,
}

impl Origin {
    pub(super) fn read(self, config: &Config) -> Option<OriginFilter> {
        let Self { touch, only } = self;
        (!only.is_empty()).then(|| OriginFilter { touch, only, rules: Arc::clone(&config.origins) })
    }
}

/// Reads `source=google`; nothing behind the sign stands for what was not told.
pub(super) fn condition(text: &str) -> Result<(Dimension, Option<Pattern>), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE, as in source=google")?;
    let dimension: Dimension = name.parse().map_err(|error| format!("{name}: {error}"))?;
    Ok((dimension, Pattern::new(value)))
}
