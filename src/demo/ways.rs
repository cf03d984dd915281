//! The ways that invented customers come by: who sent them, when, and how much came of it.

use std::collections::BTreeMap;

use fastrand::Rng;

use super::chance::pick;
use crate::domain::Origin;

/// One way to the shop.
pub(super) struct Way {
    /// How many come by it on an ordinary day, beside those of the other ways.
    pub(super) weight: f64,
    /// The days of the year on which anybody does, the first and the first after the last.
    pub(super) days: (usize, usize),
    /// What `utm_source` says, in the spellings that links have it in; empty: links have no tags.
    sources: &'static [&'static str],
    medium: &'static str,
    campaign: &'static str,
    /// The click id that the network adds.
    click: &'static str,
    referrers: &'static [&'static str],
    /// The shop's own referral code.
    code: &'static str,
    /// What the bot's `origin` says.
    text: &'static str,
    pages: &'static [&'static str],
    /// How they talk to the bot.
    pub(super) channel: &'static str,
    /// How many of them ask something on their first visit, of one.
    pub(super) asks: f64,
    /// How many of them gave a mail address that does not exist, of one.
    pub(super) bounces: f64,
}

const ORDINARY: Way = Way {
    weight: 0.0,
    days: (0, super::calendar::DAYS),
    sources: &[],
    medium: "",
    campaign: "",
    click: "",
    referrers: &[],
    code: "",
    text: "",
    pages: &["", "masks", "wetsuits", "kayaks", "sale"],
    channel: "web",
    asks: 0.42,
    bounces: 0.008,
};

const SEARCHED: &[&str] = &["", "masks", "wetsuits", "kayaks", "kayaks/inflatable", "guides/first-dive", "sale"];

/// Every way. The campaign `dive-in` worked; `free-goggles` brought names and hardly a question.
pub(super) const WAYS: &[Way] = &[
    Way { weight: 15.0, ..ORDINARY },
    Way {
        weight: 21.0,
        referrers: &["https://www.google.com/", "https://www.google.es/", "https://www.google.de/"],
        pages: SEARCHED,
        ..ORDINARY
    },
    Way {
        weight: 13.0,
        sources: &["google", "Google", "google.com", "GOOGLE / CPC"],
        medium: "cpc",
        campaign: "brand",
        click: "gclid",
        pages: SEARCHED,
        asks: 0.5,
        ..ORDINARY
    },
    Way {
        weight: 68.0,
        days: (302, 333),
        sources: &["instagram", "Instagram", "ig"],
        medium: "paid_social",
        campaign: "dive-in",
        click: "fbclid",
        pages: &["dive-in", "dive-in", "masks"],
        asks: 0.66,
        ..ORDINARY
    },
    Way {
        weight: 95.0,
        days: (186, 205),
        sources: &["facebook", "Facebook"],
        medium: "cpc",
        campaign: "free-goggles",
        click: "fbclid",
        pages: &["free-goggles"],
        asks: 0.03,
        bounces: 0.21,
        ..ORDINARY
    },
    Way { weight: 8.0, referrers: &["https://l.instagram.com/", "https://www.instagram.com/"], asks: 0.3, ..ORDINARY },
    Way {
        weight: 5.0,
        sources: &["newsletter", "Newsletter"],
        medium: "email",
        campaign: "monthly",
        pages: &["sale", "masks", "guides/first-dive"],
        asks: 0.5,
        ..ORDINARY
    },
    Way {
        weight: 4.0,
        referrers: &["https://coastwalks.example/where-to-snorkel", "https://paddlers.example/forum/gear"],
        pages: SEARCHED,
        asks: 0.55,
        ..ORDINARY
    },
    Way { weight: 8.0, channel: "whatsapp", pages: &[], asks: 0.8, ..ORDINARY },
    Way {
        weight: 9.0,
        days: (170, super::calendar::DAYS),
        sources: &["tiktok"],
        medium: "social",
        campaign: "reels",
        click: "ttclid",
        pages: &["masks", "sale"],
        asks: 0.2,
        bounces: 0.02,
        ..ORDINARY
    },
    Way { weight: 2.0, referrers: &["https://www.bing.com/"], pages: SEARCHED, ..ORDINARY },
    Way { weight: 3.0, code: "club", pages: &["club"], asks: 0.6, ..ORDINARY },
    Way { weight: 140.0, days: (121, 124), text: "Harbour fair", pages: &["fair"], asks: 0.7, ..ORDINARY },
    Way {
        weight: 2.5,
        days: (150, super::calendar::DAYS),
        referrers: &["https://chatgpt.com/"],
        pages: SEARCHED,
        ..ORDINARY
    },
    Way { weight: 2.0, referrers: &["https://www.youtube.com/"], pages: &["guides/first-dive"], ..ORDINARY },
];

/// The ways by which somebody who knows the shop comes back, as places in [`WAYS`].
pub(super) const WAYS_BACK: &[usize] = &[0, 0, 0, 1, 1, 6, 6, 6, 2, 5];

impl Way {
    /// How many come by it on a day of the year, beside those of the other ways.
    pub(super) fn weight_on(&self, day: usize) -> f64 {
        if !(self.days.0..self.days.1).contains(&day) {
            return 0.0;
        }
        match self.campaign {
            // It is sent once in four weeks, and opened on that day and the next.
            "monthly" => match day % 28 {
                3 => self.weight * 8.0,
                4 => self.weight * 3.0,
                _ => self.weight / 4.0,
            },
            _ => self.weight,
        }
    }

    /// What one visit by this way tells.
    pub(super) fn origin(&self, chance: &mut Rng, country: Option<&str>, landbot_customer_id: String) -> Origin {
        let mut utm = BTreeMap::new();
        if let Some(source) = pick(chance, self.sources) {
            let tags = [("utm_source", *source), ("utm_medium", self.medium), ("utm_campaign", self.campaign)];
            utm.extend(tags.map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
        let told = |text: &str| Some(text).filter(|text| !text.is_empty()).map(str::to_owned);
        let clicks = told(self.click).map(|click| (click, format!("demo-{:08x}", chance.u32(..))));
        Origin {
            utm,
            clicks: clicks.into_iter().collect(),
            referral: told(self.code),
            referrer: pick(chance, self.referrers).map(|text| (*text).to_owned()),
            landing_page: pick(chance, self.pages).map(|page| format!("https://umishop.example/{page}")),
            channel: told(self.channel),
            // A bot seldom knows it on the web.
            country: country.filter(|_| chance.f64() < 0.7).map(str::to_owned),
            landbot_customer_id: Some(landbot_customer_id),
            text: told(self.text),
            ..Origin::default()
        }
    }
}
