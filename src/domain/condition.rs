//! What a route asks of a request beside its topic: where the customer came from, where they are, what they speak.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt;

use super::text::fold;
use super::{Country, Origin, Phone, Topic, languages_for, one_line};

/// What one call told, as far as routes look at it. Nothing in it was known before: the same call always takes the same
/// route.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// What the customer asks about.
    pub topic: &'a Topic,
    /// Where they came from this time.
    pub origin: &'a Origin,
    /// Their phone.
    pub phone: Option<&'a Phone>,
    /// Their language tag; empty when unknown.
    pub language: &'a str,
}

impl<'a> Told<'a> {
    /// What a condition about `aspect` is compared with; empty when it was not told.
    pub fn value(&self, aspect: Aspect) -> Cow<'a, str> {
        let tag = |name: &str| self.origin.utm.get(name).map(String::as_str).unwrap_or_default().into();
        match aspect {
            Aspect::Source => self.origin.sender(),
            Aspect::Medium => tag("utm_medium"),
            Aspect::Campaign => tag("utm_campaign"),
            Aspect::Channel => self.origin.channel.as_deref().unwrap_or_default().into(),
            Aspect::Country => {
                let told = self.origin.country.as_deref().and_then(Country::parse);
                let country = told.or_else(|| self.phone.and_then(Phone::country));
                country.map_or("".into(), |country| country.to_string().into())
            }
            Aspect::Language => self.language.into(),
        }
    }
}

/// What a condition looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aspect {
    /// [`Origin::sender`].
    Source,
    /// `utm_medium`.
    Medium,
    /// `utm_campaign`.
    Campaign,
    /// How the customer talks to the bot: `web`, `whatsapp`.
    Channel,
    /// Two letters: as the bot told it, else the country of the phone.
    Country,
    /// The language tag that the bot told.
    Language,
}

impl Aspect {
    /// Every one of them.
    pub const ALL: [Self; 6] =
        [Self::Source, Self::Medium, Self::Campaign, Self::Channel, Self::Country, Self::Language];

    /// Its key in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Medium => "medium",
            Self::Campaign => "campaign",
            Self::Channel => "channel",
            Self::Country => "country",
            Self::Language => "language",
        }
    }
}

impl fmt::Display for Aspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text to compare with: case and accents do not count, and `*` stands for any characters, none included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    written: String,
    folded: String,
}

impl Pattern {
    /// Takes any text; `None` when there is nothing in it to compare with.
    pub fn new(text: &str) -> Option<Self> {
        let written = one_line(text);
        let folded: String = fold(&written).collect();
        (!folded.is_empty()).then_some(Self { written, folded })
    }

    /// Whether it fits any text, the empty one included.
    pub fn is_anything(&self) -> bool {
        self.folded.bytes().all(|byte| byte == b'*')
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// A text that it fits and that no other pattern does but those that fit every text of this one: `unheard` takes
    /// the places of the stars, and stands in no pattern.
    pub(super) fn narrowest(&self, unheard: &str) -> String {
        self.folded.replace('*', unheard)
    }

    /// Whether it fits a text.
    pub fn matches(&self, text: &str) -> bool {
        self.fits(&fold(text).collect::<String>())
    }

    /// Whether it fits a text that is without case and accents already.
    pub(super) fn fits(&self, folded: &str) -> bool {
        let Some((start, rest)) = self.folded.split_once('*') else { return self.folded == folded };
        let Some(mut left) = folded.strip_prefix(start) else { return false };
        let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
        // Each part takes its first place, which leaves the most to those behind it.
        for part in middle.split('*') {
            let Some(at) = left.find(part) else { return false };
            left = &left[at + part.len()..];
        }
        left.ends_with(end)
    }
}

/// One of a route's conditions. Of several patterns any may fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// What it looks at.
    pub aspect: Aspect,
    /// What it is compared with.
    pub any_of: Vec<Pattern>,
}

impl Condition {
    fn holds(&self, folded: &str) -> bool {
        let fits = |text: &str| self.any_of.iter().any(|pattern| pattern.fits(text));
        // `es` is `es-MX`, too.
        fits(folded) || (self.aspect == Aspect::Language && languages_for(folded).any(|broader| fits(&broader)))
    }
}

/// `country = ES or PT`
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let patterns: Vec<_> = self.any_of.iter().map(Pattern::as_str).collect();
        write!(f, "{} = {}", self.aspect, patterns.join(" or "))
    }
}

/// What was told, made ready for comparing when it is first asked for.
pub(super) struct Values<'a> {
    told: Told<'a>,
    folded: [OnceCell<String>; Aspect::ALL.len()],
}

impl<'a> Values<'a> {
    pub(super) fn of(told: Told<'a>) -> Self {
        Self { told, folded: Default::default() }
    }

    /// Which of the conditions do not hold.
    pub(super) fn unmet(&self, conditions: &[Condition]) -> Vec<Aspect> {
        conditions.iter().filter(|condition| !self.meets(condition)).map(|condition| condition.aspect).collect()
    }

    fn meets(&self, condition: &Condition) -> bool {
        let aspect = condition.aspect;
        condition.holds(self.folded[aspect as usize].get_or_init(|| fold(&self.told.value(aspect)).collect()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn holds(aspect: Aspect, pattern: &str, value: &str) -> bool {
        let folded: String = fold(value).collect();
        Condition { aspect, any_of: vec![Pattern::new(pattern).unwrap()] }.holds(&folded)
    }

    #[test]
    fn a_star_stands_for_any_characters_and_case_and_accents_do_not_count() {
        for (pattern, fitting, others) in [
            ("Google", &["google", "GOOGLE", "góogle"][..], &["google ads", "", "goog"][..]),
            ("summer-*", &["summer-", "Summer-24"], &["summer", "a summer-"]),
            ("*-24", &["x-24", "-24", "x-24-24"], &["x-24b"]),
            ("a*b*c", &["abc", "a1b2c", "abbcc"], &["ac", "ab", "abcd"]),
            ("ab*ba", &["abba", "ab-ba"], &["aba"]),
            ("a*bc*bc", &["abcbc", "a-bc-bc"], &["abc"]),
            ("*", &["", "x"], &[]),
            ("**", &["", "x"], &[]),
        ] {
            for value in fitting {
                assert!(holds(Aspect::Campaign, pattern, value), "{pattern} {value}");
            }
            for value in others {
                assert!(!holds(Aspect::Campaign, pattern, value), "{pattern} {value}");
            }
        }
        assert!(Pattern::new(" \u{301}\n").is_none());
    }

    #[test]
    fn a_language_is_its_regions_too_and_a_region_is_not_its_language() {
        for (pattern, value, fits) in [
            ("es", "es-MX", true),
            ("es", "ES", true),
            ("es", "est", false),
            ("es-MX", "es", false),
            ("zh-Hant", "zh-Hant-TW", true),
            ("zh", "zh-Hant-TW", true),
            ("es", "es_MX", true),
            ("es", "", false),
        ] {
            assert_eq!(holds(Aspect::Language, pattern, value), fits, "{pattern} {value}");
        }
        assert!(!holds(Aspect::Campaign, "es", "es-MX"));
    }

    #[test]
    fn the_country_is_what_the_bot_told_else_the_phones() {
        let spanish = Phone { raw: "612".into(), e164: Some("+34612345678".into()) };
        let country = |told: &str, phone| {
            let origin = Origin { country: Some(told.into()), ..Origin::default() };
            Told { topic: &Topic::default(), origin: &origin, phone, language: "" }.value(Aspect::Country).into_owned()
        };
        assert_eq!(country("pt", Some(&spanish)), "PT");
        assert_eq!(country("Spain", Some(&spanish)), "ES", "two letters are all that can be compared");
        assert_eq!(country("Spain", None), "");
    }

    proptest! {
        #[test]
        fn a_pattern_fits_what_it_becomes_when_its_stars_are_filled_in(
            parts in proptest::collection::vec("[ab]{0,3}", 2..5),
            fillings in proptest::collection::vec("[ab]{0,3}", 4),
        ) {
            let pattern = parts.join("*");
            let mut value = parts[0].clone();
            for (filling, part) in fillings.iter().zip(&parts[1..]) {
                value.push_str(filling);
                value.push_str(part);
            }
            prop_assert!(holds(Aspect::Source, &pattern, &value), "{pattern} {value}");
        }
    }
}
