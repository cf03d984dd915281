//! `[reports]`: who is told where customers came from, and when.

use std::collections::{BTreeMap, BTreeSet};

use figment::value::Value;

use super::reader::Reader;
use super::{ChannelConfig, Reports, told};
use crate::domain::{Cadence, ChannelAddress, CreditedTouch, Dimension, ReportCalendar};

/// More rows than these nobody reads in a mail.
const MOST_ROWS: u32 = 100;

/// Reads the section; `known` are the channels that there are.
pub(super) fn reports(reader: &mut Reader<'_>, known: &BTreeSet<ChannelAddress>) -> Option<Reports> {
    let channels = Cadence::ALL.iter().map(|cadence| (*cadence, told::channels(reader, list(*cadence), known)));
    let channels: BTreeMap<_, _> = channels.collect();
    let zone = reader.parse("reports.timezone", "a time zone like \"Europe/Madrid\"", "Europe/Madrid", |text| {
        ReportCalendar::new("00:00", text).is_ok().then(|| text.to_owned())
    });
    let calendar = reader.parse("reports.at", "a time of day like \"08:00\"", "08:00", |text| {
        ReportCalendar::new(text, zone.as_deref().unwrap_or("UTC")).ok()
    });
    let dimensions = "source, medium, campaign, referrer, channel, country or landing_page";
    let by = reader.parse("reports.by", dimensions, "source", |text| text.parse::<Dimension>().ok());
    let touch =
        reader.parse("reports.touch", "\"first\" or \"last\"", "first", |text| text.parse::<CreditedTouch>().ok());
    let rows = reader.number("reports.rows", 1..=MOST_ROWS, 10);
    let empty = reader.value("reports.empty").and_then(Value::to_bool).unwrap_or(false);
    Some(Reports { channels, calendar: calendar?, by: by?, touch: touch?, rows: usize::try_from(rows?).ok()?, empty })
}

/// Notes every channel for reports that writes to customers alone.
pub(super) fn refuse_without_address(reader: &mut Reader<'_>, channels: &BTreeMap<ChannelAddress, ChannelConfig>) {
    for cadence in Cadence::ALL {
        told::refuse_without_address(reader, list(*cadence), "a report", channels);
    }
}

/// The key of the channels that hear of a cadence.
const fn list(cadence: Cadence) -> &'static str {
    match cadence {
        Cadence::Daily => "reports.daily",
        Cadence::Weekly => "reports.weekly",
        Cadence::Monthly => "reports.monthly",
    }
}
