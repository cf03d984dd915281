//! Who is to be credited with a customer: clues -> source, medium, campaign and the rest, each with the reason why.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::text::fold;
use super::{Clues, Country, Origin, Pattern, one_line};
use known::{CLICKS, HOSTS, Kind, MEDIA, NAMES};

mod known;

/// Raised with every change of the built-in rules, so that what was told by older ones is told anew.
const BUILT_IN: u32 = 1;

/// What the ledger counts by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dimension {
    /// Who sent the customer: `google`, `newsletter`, `direct`.
    Source,
    /// By which means: `cpc`, `organic`, `email`.
    Medium,
    /// The campaign.
    Campaign,
    /// The host that linked here.
    Referrer,
    /// How the customer talked to the bot: `web`, `whatsapp`.
    Channel,
    /// The country's two letters.
    Country,
    /// The first page of the visit.
    LandingPage,
}

impl Dimension {
    /// Every one of them.
    pub const ALL: [Self; 7] =
        [Self::Source, Self::Medium, Self::Campaign, Self::Referrer, Self::Channel, Self::Country, Self::LandingPage];

    /// The word used in the API and the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Medium => "medium",
            Self::Campaign => "campaign",
            Self::Referrer => "referrer",
            Self::Channel => "channel",
            Self::Country => "country",
            Self::LandingPage => "landing_page",
        }
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The text is no dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected source, medium, campaign, referrer, channel, country or landing_page")]
pub struct UnknownDimension;

impl FromStr for Dimension {
    type Err = UnknownDimension;

    fn from_str(text: &str) -> Result<Self, UnknownDimension> {
        Self::ALL.into_iter().find(|dimension| dimension.as_str() == text).ok_or(UnknownDimension)
    }
}

/// Which of a customer's visits is credited with what happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreditedTouch {
    /// The first one.
    First,
    /// The last one, up to the event, that told a source; the first one if none did.
    Last,
}

/// The text is no touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected first or last")]
pub struct UnknownTouch;

impl FromStr for CreditedTouch {
    type Err = UnknownTouch;

    fn from_str(text: &str) -> Result<Self, UnknownTouch> {
        match text {
            "first" => Ok(Self::First),
            "last" => Ok(Self::Last),
            _ => Err(UnknownTouch),
        }
    }
}

impl fmt::Display for CreditedTouch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::First => "first",
            Self::Last => "last",
        })
    }
}

/// A value of a dimension, and why it is that one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributed {
    /// The value; empty: nothing told it.
    pub value: String,
    /// What it was made from, as it came; empty: from nothing.
    pub from: String,
    /// The rule that was followed, as in `host of a known search engine`.
    pub why: String,
}

impl Attributed {
    fn new(value: impl Into<String>, from: &str, why: impl Into<String>) -> Self {
        Self { value: value.into(), from: from.to_owned(), why: why.into() }
    }
}

/// `google.com → google: host of a known search engine`
impl fmt::Display for Attributed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text: &str| if text.is_empty() { "(none)".to_owned() } else { text.to_owned() };
        write!(f, "{} → {}: {}", shown(&self.from), shown(&self.value), self.why)
    }
}

/// What some clues mean.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attribution([Attributed; Dimension::ALL.len()]);

impl Attribution {
    /// The value of one dimension, with its reason.
    pub fn get(&self, dimension: Dimension) -> &Attributed {
        &self.0[dimension as usize]
    }

    /// The value of one dimension.
    pub fn value(&self, dimension: Dimension) -> &str {
        &self.get(dimension).value
    }
}

/// How clues are read: the built-in rules, and before them the shop's own names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginRules {
    /// A source as the shop calls it, and what stands for it.
    aliases: Vec<(String, Vec<Pattern>)>,
    version: i64,
}

impl Default for OriginRules {
    fn default() -> Self {
        Self::new(BTreeMap::new())
    }
}

impl OriginRules {
    /// The built-in rules under the shop's `aliases`: each name with what stands for it, in `utm_source`, referral codes,
    /// texts and hosts alike. Of several names that fit the first in the alphabet is taken.
    pub fn new(aliases: BTreeMap<String, Vec<Pattern>>) -> Self {
        let aliases: Vec<_> = aliases.into_iter().map(|(name, patterns)| (folded(&name), patterns)).collect();
        let mut context = ring::digest::Context::new(&ring::digest::SHA256);
        context.update(&BUILT_IN.to_be_bytes());
        for (name, patterns) in &aliases {
            for text in std::iter::once(name.as_str()).chain(patterns.iter().map(Pattern::as_str)) {
                context.update(text.as_bytes());
                context.update(&[0]);
            }
            context.update(&[1]);
        }
        let mut version = [0; 8];
        version.copy_from_slice(&context.finish().as_ref()[..8]);
        // Never 0, which no rules have.
        Self { aliases, version: i64::from_be_bytes(version) | 1 }
    }

    /// What tells these rules from others, across restarts.
    pub const fn version(&self) -> i64 {
        self.version
    }

    /// What the clues mean.
    pub fn attribute(&self, clues: &Clues) -> Attribution {
        let (source, medium) = self.source_and_medium(clues);
        let medium = if clues.medium.is_empty() { medium } else { medium_of(&clues.medium) };
        Attribution([
            source,
            medium,
            tidied(&clues.campaign, "utm_campaign without case and accents"),
            referrer(&clues.referrer),
            tidied(&clues.channel, "as the bot told it"),
            country(clues),
            landing_page(&clues.landing_page),
        ])
    }

    /// The source, and the medium if no tag tells it. Looks at `utm_source`, click ids, `ref`, `origin` and the referrer,
    /// in this order.
    fn source_and_medium(&self, clues: &Clues) -> (Attributed, Attributed) {
        if !clues.source.is_empty() {
            // Some write both into one: `GOOGLE / CPC`.
            let (source, medium) = clues.source.split_once(" / ").unwrap_or((&clues.source, ""));
            let medium = medium.split(" / ").next().unwrap_or_default();
            let (value, why) = self.name(source).unwrap_or_else(|| (folded(source), "utm_source".to_owned()));
            return (Attributed::new(value, &clues.source, why), medium_of(medium));
        }
        if let Some((click, source, medium)) = CLICKS.iter().find(|(click, ..)| clues.clicks.contains(*click)) {
            let why = format!("{click} is the click id of {source}");
            let (value, _) = self.name(source).unwrap_or_else(|| ((*source).to_owned(), String::new()));
            return (Attributed::new(value, click, why.clone()), Attributed::new(*medium, click, why));
        }
        for (text, what) in [(&clues.referral, "the shop's referral code"), (&clues.text, "what came as origin")] {
            if !text.is_empty() {
                let (value, why) = self.name(text).unwrap_or_else(|| (folded(text), what.to_owned()));
                return (Attributed::new(value, text, why), Attributed::new("referral", text, what));
            }
        }
        self.by_referrer(&clues.referrer)
    }

    fn by_referrer(&self, host: &str) -> (Attributed, Attributed) {
        if host.is_empty() {
            let direct = Attributed::new(Origin::DIRECT, "", "nothing tells who sent the customer");
            return (direct, Attributed::new("", "", "nothing tells the medium"));
        }
        let bare = bare_host(host);
        let known = known_host(&bare);
        let (value, why) = self.name(host).unwrap_or_else(|| (bare.clone(), "the referrer's host".to_owned()));
        let (medium, because) = known.map_or_else(
            || ("referral", "another site linked here".to_owned()),
            |(_, kind)| (kind.medium(), format!("host of {}", kind.described())),
        );
        (Attributed::new(value, host, why), Attributed::new(medium, host, because))
    }

    /// What we call a source, if anything tells: the shop's aliases, known names, known hosts.
    fn name(&self, text: &str) -> Option<(String, String)> {
        let text = folded(text);
        let bare = bare_host(&text);
        let alias = |(name, patterns): &(String, Vec<Pattern>)| {
            let fits = |pattern: &&Pattern| pattern.fits(&text) || pattern.fits(&bare);
            let written = patterns.iter().find(fits)?.as_str();
            Some((name.clone(), format!("[origins] aliases has {written:?} for it")))
        };
        if let Some(found) = self.aliases.iter().find_map(alias) {
            return Some(found);
        }
        if let Some((_, name)) = NAMES.iter().find(|(other, _)| *other == text) {
            return Some(((*name).to_owned(), "another name of it".to_owned()));
        }
        let (name, kind) = known_host(&bare)?;
        Some((name.to_owned(), format!("host of {}", kind.described())))
    }
}

fn referrer(host: &str) -> Attributed {
    let bare = bare_host(host);
    let why = match (host.is_empty(), bare == host) {
        (true, _) => "no referrer was told",
        (false, true) => "the referrer's host",
        (false, false) => "the referrer's host without what redirects",
    };
    Attributed::new(bare, host, why)
}

/// On one line, without case and accents.
fn folded(text: &str) -> String {
    fold(&one_line(text)).collect()
}

fn tidied(text: &str, why: &str) -> Attributed {
    match folded(text) {
        value if value.is_empty() => Attributed::new("", text, "it was not told"),
        value => Attributed::new(value, text, why),
    }
}

fn medium_of(text: &str) -> Attributed {
    let medium = folded(text);
    match MEDIA.iter().find(|(other, _)| *other == medium) {
        Some((_, name)) => Attributed::new(*name, text, "another name of it"),
        None if medium.is_empty() => Attributed::new("", text, "no tag tells the medium"),
        None => Attributed::new(medium, text, "utm_medium"),
    }
}

fn country(clues: &Clues) -> Attributed {
    if let Some(country) = Country::parse(&clues.country) {
        return Attributed::new(country.as_str(), &clues.country, "as the bot told it");
    }
    if clues.phone_country.is_empty() {
        return Attributed::new("", &clues.country, "neither two letters nor a phone tell it");
    }
    Attributed::new(&clues.phone_country, &clues.phone_country, "the phone's calling code")
}

fn landing_page(page: &str) -> Attributed {
    let value = page.strip_prefix("www.").unwrap_or(page);
    let why = if page.is_empty() { "it was not told" } else { "its address without www. and query" };
    Attributed::new(value, page, why)
}

/// A host without the parts that only redirect or name a device.
fn bare_host(host: &str) -> String {
    let mut host = host.to_lowercase();
    host.truncate(host.trim_end_matches('.').len());
    for prefix in ["www.", "lm.", "l.", "m.", "amp."] {
        if let Some(rest) = host.strip_prefix(prefix).filter(|rest| rest.contains('.')) {
            return rest.to_owned();
        }
    }
    host
}

/// What a known host is called; the longest that fits counts.
fn known_host(host: &str) -> Option<(&'static str, Kind)> {
    let fits = |known: &str| match known.strip_suffix('.') {
        // Every country's: `google.es`, `google.co.uk`, and what is below them.
        Some(name) => {
            let labels: Vec<&str> = host.split('.').collect();
            let at = labels.iter().position(|label| *label == name);
            at.is_some_and(|at| {
                let rest = &labels[at + 1..];
                let short = |label: &&str| label.len() <= 3;
                (1..=2).contains(&rest.len()) && rest.iter().all(short) && rest.last().is_some_and(|l| l.len() >= 2)
            })
        }
        None => host == known || host.strip_suffix(known).is_some_and(|below| below.ends_with('.')),
    };
    let longest = HOSTS.iter().filter(|(known, ..)| fits(known)).max_by_key(|(known, ..)| known.len());
    longest.map(|(_, name, kind)| (*name, *kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(source: &str) -> Clues {
        Clues { source: source.into(), ..Clues::default() }
    }

    fn from(host: &str) -> Clues {
        Clues { referrer: host.into(), ..Clues::default() }
    }

    fn pair(rules: &OriginRules, clues: &Clues) -> (String, String) {
        let found = rules.attribute(clues);
        (found.value(Dimension::Source).to_owned(), found.value(Dimension::Medium).to_owned())
    }

    #[test]
    fn one_source_has_one_name_however_it_is_written() {
        let rules = OriginRules::default();
        for source in
            ["google", "Google", " GÓOGLE ", "google.com", "www.google.es", "google.co.uk", "AdWords", "GOOGLE / CPC"]
        {
            assert_eq!(rules.attribute(&told(source)).value(Dimension::Source), "google", "{source}");
        }
        assert_eq!(pair(&rules, &told("GOOGLE / CPC")), ("google".into(), "cpc".into()));
        for (source, other) in
            [("google.evil.example", "google.evil.example"), ("mygoogle.com", "mygoogle.com"), ("Fair", "fair")]
        {
            assert_eq!(rules.attribute(&told(source)).value(Dimension::Source), other);
        }
    }

    #[test]
    fn a_referrers_host_says_source_and_medium() {
        let rules = OriginRules::default();
        for (host, source, medium) in [
            ("www.google.com", "google", "organic"),
            ("mail.google.com", "gmail", "email"),
            ("l.facebook.com", "facebook", "social"),
            ("m.facebook.com", "facebook", "social"),
            ("lm.facebook.com", "facebook", "social"),
            ("l.instagram.com", "instagram", "social"),
            ("t.co", "x", "social"),
            ("m.me", "messenger", "messenger"),
            ("chatgpt.com", "chatgpt", "assistant"),
            ("www.blog.example", "blog.example", "referral"),
            ("", "direct", ""),
        ] {
            assert_eq!(pair(&rules, &from(host)), (source.into(), medium.into()), "{host}");
        }
        assert_eq!(rules.attribute(&from("l.facebook.com")).value(Dimension::Referrer), "facebook.com");
    }

    #[test]
    fn a_click_id_counts_when_no_tag_says_otherwise() {
        let rules = OriginRules::default();
        let mut clues = Clues { clicks: ["gclid".to_owned()].into(), ..from("www.google.com") };
        assert_eq!(pair(&rules, &clues), ("google".into(), "cpc".into()));
        clues.referral = "ana".into();
        assert_eq!(pair(&rules, &clues).0, "google");
        clues.source = "newsletter".into();
        clues.medium = "E-Mail".into();
        assert_eq!(pair(&rules, &clues), ("newsletter".into(), "email".into()));
    }

    #[test]
    fn the_shops_own_names_go_first_and_change_the_version() {
        let pattern = |text: &str| Pattern::new(text).unwrap();
        let aliases = BTreeMap::from([("Fair".to_owned(), vec![pattern("feria*"), pattern("messe.example")])]);
        let rules = OriginRules::new(aliases);
        for clues in
            [told("Feria Madrid"), from("www.messe.example"), Clues { text: "feria".into(), ..Clues::default() }]
        {
            assert_eq!(rules.attribute(&clues).value(Dimension::Source), "fair");
        }
        assert_ne!(rules.version(), OriginRules::default().version());
        assert_eq!(rules.version(), rules.clone().version());
        assert!(rules.attribute(&told("feria")).get(Dimension::Source).to_string().contains("feria*"));
    }

    #[test]
    fn every_value_says_why() {
        let found = OriginRules::default().attribute(&Clues { country: "es".into(), ..from("google.com") });
        assert_eq!(found.get(Dimension::Source).to_string(), "google.com → google: host of a known search engine");
        assert_eq!(found.get(Dimension::Country).to_string(), "es → ES: as the bot told it");
        assert_eq!(found.get(Dimension::Campaign).to_string(), "(none) → (none): it was not told");
        for dimension in Dimension::ALL {
            assert!(!found.get(dimension).why.is_empty(), "{dimension}");
            assert_eq!(dimension.as_str().parse(), Ok(dimension));
        }
    }

    #[test]
    fn what_is_known_is_written_as_it_is_compared() {
        for (known, name, _) in HOSTS {
            assert_eq!((folded(known).as_str(), folded(name).as_str()), (*known, *name));
        }
        for (other, name) in NAMES.iter().chain(MEDIA) {
            assert_eq!((folded(other).as_str(), folded(name).as_str()), (*other, *name));
        }
    }
}
