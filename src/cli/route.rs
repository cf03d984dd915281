//! `umishop route`: where a question goes, line by line.
//!
//! What is told on the command line is read as a bot's call is, so that the answer is the webhook's.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::check::route_json;
use super::{Global, replay, table};
use crate::config::{Config, Place};
use crate::domain::{Aspect, ChannelAddress, Decision, Destination, Step, Told, Topic, Verdict};
use crate::intake::{self, Fields, Reading, Received};

/// In the place of what the call did not tell.
const NOT_TOLD: &str = "(not told)";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    call: Call,
    /// Instead: what these routes would have done with the requests of the last days, as in 30d
    #[arg(long, value_name = "PERIOD", value_parser = humantime::parse_duration, conflicts_with = "Call")]
    replay: Option<Duration>,
}

/// What a bot's call tells; by the names that it gives to its fields.
#[derive(Debug, Args)]
struct Call {
    /// What the question is about, as the bot's button says it
    #[arg(long)]
    topic: Option<String>,
    /// Who sent the customer
    #[arg(long = "utm_source", alias = "utm-source", alias = "source", value_name = "TAG")]
    utm_source: Option<String>,
    /// By which way
    #[arg(long = "utm_medium", alias = "utm-medium", alias = "medium", value_name = "TAG")]
    utm_medium: Option<String>,
    /// With which campaign
    #[arg(long = "utm_campaign", alias = "utm-campaign", alias = "campaign", value_name = "TAG")]
    utm_campaign: Option<String>,
    /// The shop's own referral code
    #[arg(long = "ref", value_name = "CODE")]
    referral: Option<String>,
    /// Where the customer came from, in the shop's own words
    #[arg(long)]
    origin: Option<String>,
    /// The page that linked here
    #[arg(long, value_name = "URL")]
    referrer: Option<String>,
    /// How the customer talks to the bot, as in web or whatsapp
    #[arg(long)]
    channel: Option<String>,
    /// The customer's country, as in ES
    #[arg(long)]
    country: Option<String>,
    /// The customer's language, as in es or pt-BR
    #[arg(long)]
    language: Option<String>,
    /// The customer's phone
    #[arg(long)]
    phone: Option<String>,
}

impl Call {
    /// What the webhook would make of it.
    fn read(&self, config: &Config) -> anyhow::Result<Fields> {
        let given = [
            ("topic", &self.topic),
            ("utm_source", &self.utm_source),
            ("utm_medium", &self.utm_medium),
            ("utm_campaign", &self.utm_campaign),
            ("ref", &self.referral),
            ("origin", &self.origin),
            ("referrer", &self.referrer),
            ("channel", &self.channel),
            ("country", &self.country),
            ("language", &self.language),
            ("phone", &self.phone),
        ];
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(given.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))));
        let received = Received { headers: &[], query: &form.finish(), body: b"" };
        match intake::read(&received, config.intake.default_country)? {
            Reading::Fields(fields) => Ok(*fields),
            Reading::Ignored { why } => bail!("a call like this would be ignored: {why}"),
        }
    }
}

pub(super) fn run(global: &Global, arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let config = global.load()?.config;
    match arguments.replay {
        Some(period) => replay::run(global, &config, period, out)?,
        None => explain(global, &config, &arguments.call.read(&config)?, out)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn explain(global: &Global, config: &Config, fields: &Fields, out: &mut dyn Write) -> anyhow::Result<()> {
    let told = fields.told();
    let decision = config.routes.decide(told);
    if global.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&to_json(config, told, &decision))?)?;
        return Ok(());
    }
    let topic = Some(told.topic.as_str()).filter(|topic| !topic.is_empty());
    writeln!(out, "{:<9} {}", "topic", topic.unwrap_or(NOT_TOLD))?;
    for aspect in Aspect::ALL {
        writeln!(out, "{aspect:<9} {}", found(aspect, told))?;
    }
    writeln!(out)?;
    let steps = || decision.steps.iter().zip(&config.route_places);
    let end = steps().find(|(step, _)| step.verdict == Verdict::Taken && !step.route.continues);
    let end = end.map(|(_, place)| place.to_string()).unwrap_or_default();
    let row =
        |(step, place): (&Step<'_>, &Place)| [place.to_string(), step.route.to_string(), verdict(step, told, &end)];
    table::write(out, ["WHERE", "ROUTE", "VERDICT"], &steps().map(row).collect::<Vec<_>>())?;
    writeln!(out)?;
    for Destination { channel, fallback } in decision.destinations() {
        match fallback.or_else(|| config.channels.get(channel)?.rules.fallback.channel.as_ref()) {
            Some(fallback) => writeln!(out, "Goes to {channel}; {fallback} takes over what that does not deliver.")?,
            None => writeln!(out, "Goes to {channel}.")?,
        }
    }
    if decision.topic.is_none() {
        writeln!(out, "No route names this topic: the message says so.")?;
    }
    Ok(())
}

/// What a condition about `aspect` is compared with, for people.
fn found(aspect: Aspect, told: Told<'_>) -> String {
    let value = told.value(aspect);
    match &told.origin.country {
        _ if !value.is_empty() => value.into_owned(),
        Some(country) if aspect == Aspect::Country => format!("{country}, which is no country's two letters"),
        _ => NOT_TOLD.to_owned(),
    }
}

/// What became of a route; `end` is where the one stands that ended the search.
fn verdict(step: &Step<'_>, told: Told<'_>, end: &str) -> String {
    match &step.verdict {
        Verdict::Taken => {
            let channels: Vec<_> = step.route.channels.iter().map(ChannelAddress::as_str).collect();
            let then = match step.route.continues {
                true => "and the search goes on",
                false if step.route.is_catch_all() => "since nothing else ended the search",
                false => "and the search ends",
            };
            format!("taken: {}, {then}", channels.join(", "))
        }
        Verdict::OtherTopic => "not taken: another topic".to_owned(),
        Verdict::Unmet(unmet) => {
            let found = |aspect: &Aspect| match found(*aspect, told).as_str() {
                NOT_TOLD => format!("{aspect} was not told"),
                found => format!("{aspect} is {found}"),
            };
            format!("not taken: {}", unmet.iter().map(found).collect::<Vec<_>>().join("; "))
        }
        Verdict::NotTried => format!("not tried: the search ended at {end}"),
    }
}

fn to_json(config: &Config, told: Told<'_>, decision: &Decision<'_>) -> Value {
    let asked: serde_json::Map<String, Value> =
        Aspect::ALL.iter().map(|aspect| (aspect.to_string(), json!(told.value(*aspect)))).collect();
    let steps = decision.steps.iter().zip(&config.route_places).map(|(step, place)| {
        let mut item = route_json(step.route);
        item["place"] = json!(place.to_string());
        item["verdict"] = json!(match &step.verdict {
            Verdict::Taken => "taken",
            Verdict::OtherTopic => "other_topic",
            Verdict::Unmet(_) => "unmet",
            Verdict::NotTried => "not_tried",
        });
        if let Verdict::Unmet(unmet) = &step.verdict {
            item["unmet"] = json!(unmet.iter().map(|aspect| aspect.as_str()).collect::<Vec<_>>());
        }
        item
    });
    let steps: Vec<Value> = steps.collect();
    let destinations = decision.destinations().into_iter();
    let destinations: Vec<Value> =
        destinations.map(|to| json!({ "channel": to.channel, "fallback": to.fallback })).collect();
    json!({
        "topic": told.topic.as_str(),
        "known_as": decision.topic.map(Topic::as_str),
        "told": asked,
        "routes": steps,
        "destinations": destinations,
    })
}
