//! What a list, a table or the ledger was asked for: the parameters that several of them take.
//!
//! Each operation names its parameters itself, as the framework wants it, and what they mean is read here.

use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;

use poem_openapi::param::Query;

use super::super::Web;
use super::super::errors::ApiError;
use super::super::schemas::TouchText;
use super::parse;
use crate::domain::{CreditedTouch, Dimension, Pattern, Timeline};
use crate::store::{OriginFilter, Period};

/// A parameter as it came.
pub(super) type Told<Text = String> = Query<Option<Text>>;

/// The parameter's text; `None`: it was not told. Forms send what nobody filled in as an empty text.
pub(super) fn told<Text: Deref<Target = str>>(parameter: &Told<Text>) -> Option<&str> {
    parameter.0.as_deref().filter(|text| !text.is_empty())
}

/// The parameter that is called `name`, if it was told.
pub(super) fn told_as<T: FromStr, Text: Deref<Target = str>>(
    name: &str,
    parameter: &Told<Text>,
) -> Result<Option<T>, ApiError>
where
    T::Err: std::fmt::Display,
{
    told(parameter).map(|text| parse(name, text)).transpose()
}

/// A period: days of a time zone, or times.
pub(super) struct Days {
    pub(super) from: Told,
    pub(super) to: Told,
    pub(super) tz: Told,
}

impl Days {
    /// Whose days they are.
    pub(super) fn zone(&self) -> &str {
        told(&self.tz).unwrap_or("UTC")
    }

    /// Whether an end of it is there and empty.
    pub(super) fn is_blank(&self) -> bool {
        is_blank(&self.from) || is_blank(&self.to)
    }

    /// Its ends, whichever comes first.
    pub(super) fn ends(&self) -> Result<Period, ApiError> {
        ends([("from", &self.from), ("to", &self.to)], self.zone())
    }

    /// The period.
    pub(super) fn period(&self) -> Result<Period, ApiError> {
        in_order(self.ends()?, "to")
    }
}

/// A period in which something ended, beside the one in which it began; its days are those of the same time zone.
pub(super) struct Finished {
    pub(super) from: Told,
    pub(super) to: Told,
}

impl Finished {
    /// Whether an end of it is there and empty.
    pub(super) fn is_blank(&self) -> bool {
        is_blank(&self.from) || is_blank(&self.to)
    }

    /// The period.
    pub(super) fn period(&self, zone: &str) -> Result<Period, ApiError> {
        in_order(ends([("finished_from", &self.from), ("finished_to", &self.to)], zone)?, "finished_to")
    }
}

fn is_blank(end: &Told) -> bool {
    end.0.as_deref() == Some("")
}

/// What the two ends of a period say, each with its name.
fn ends([from, to]: [(&str, &Told); 2], zone: &str) -> Result<Period, ApiError> {
    let moment = |(name, end): (&str, &Told)| {
        let read = told(end).map(|text| Timeline::moment(text, zone)).transpose();
        read.map_err(|error| ApiError::bad_request(format!("{name}: {error}")))
    };
    Ok(Period { from: moment(from)?, to: moment(to)? })
}

/// The period, if it ends after it begins; `name` is what its end is called.
fn in_order(period: Period, name: &str) -> Result<Period, ApiError> {
    if period.from.zip(period.to).is_some_and(|(from, to)| from >= to) {
        return Err(ApiError::bad_request(format!("{name}: the period must end after it begins")));
    }
    Ok(period)
}

/// The values that must hold, by their dimensions; here an empty text says something: those of whom it was not told.
pub(super) struct Only {
    pub(super) source: Told,
    pub(super) medium: Told,
    pub(super) campaign: Told,
    pub(super) referrer: Told,
    pub(super) channel: Told,
    pub(super) country: Told,
    pub(super) landing_page: Told,
}

impl Only {
    /// The patterns of the dimensions that were named.
    pub(super) fn patterns(&self) -> Vec<(Dimension, Option<Pattern>)> {
        let pattern = |dimension: Dimension| {
            let named = match dimension {
                Dimension::Source => &self.source,
                Dimension::Medium => &self.medium,
                Dimension::Campaign => &self.campaign,
                Dimension::Referrer => &self.referrer,
                Dimension::Channel => &self.channel,
                Dimension::Country => &self.country,
                Dimension::LandingPage => &self.landing_page,
            };
            named.0.as_deref().map(|text| (dimension, Pattern::new(text)))
        };
        Dimension::ALL.into_iter().filter_map(pattern).collect()
    }

    /// Those whom the ledger counts by these values; `None`: no dimension was named.
    pub(super) fn filter(&self, web: &Web, touch: &Told<TouchText>) -> Result<Option<OriginFilter>, ApiError> {
        let (touch, only) = (credited(touch)?, self.patterns());
        Ok((!only.is_empty()).then(|| OriginFilter { touch, only, rules: Arc::clone(&web.origins) }))
    }
}

/// Which visit is credited: the first one unless said otherwise.
pub(super) fn credited(touch: &Told<TouchText>) -> Result<CreditedTouch, ApiError> {
    Ok(told_as("touch", touch)?.unwrap_or(CreditedTouch::First))
}
