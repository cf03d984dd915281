//! Phone numbers: what came, and the international form when it can be told.
//!
//! People type `612 34 56 78`, WhatsApp sends `34612345678`, a form sends `+34 612…`; a message needs E.164. The rules
//! here are those of dialling (exit code, calling code, trunk prefix) on a small table, not of each country's numbering
//! plan: whether a number is assigned, or a mobile, only the network knows. The crates that carry such plans
//! (`rlibphonenumber` with 81 dependencies, `phonenumber` with its metadata) weigh more than what they would add to a
//! number that a person reads or a gateway checks anyway.
//!
//! Never refuses a customer for a phone: what has digits and cannot be understood is kept as it came.

mod calling_codes;

use std::fmt;

use serde::{Deserialize, Deserializer};

use self::calling_codes::{GLOBAL_CODES, MAIN_COUNTRIES, PLANS};
use super::{one_line, truncate};

/// A country, by its two letters (ISO 3166-1): `ES`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Country([u8; 2]);

impl Country {
    /// Reads two letters in any case; `None` when no country goes by them. `UK` is forgiven for `GB`.
    pub fn parse(text: &str) -> Option<Self> {
        let letters: [u8; 2] = text.trim().to_ascii_uppercase().as_bytes().try_into().ok()?;
        let country = Self(if letters == *b"UK" { *b"GB" } else { letters });
        PLANS.binary_search_by_key(&country.as_str(), |plan| plan.0).is_ok().then_some(country)
    }

    /// The two letters, upper case.
    pub fn as_str(&self) -> &str {
        // The letters are those of a row of the table, so they are ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Its calling code and its trunk prefix.
    fn plan(self) -> (&'static str, &'static str) {
        PLANS.iter().find(|plan| plan.0 == self.as_str()).map_or(("", ""), |plan| (plan.1, plan.2))
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Country {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            let text = truncate(&text, 40).text;
            serde::de::Error::custom(format!(
                "`{text}` is not a country: write its two letters (ISO 3166), as in \"ES\""
            ))
        })
    }
}

/// A phone number: kept as it came, beside its E.164 form when that could be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phone {
    /// As it came, on one line.
    pub raw: String,
    /// `+` and 8 to 15 digits (ITU-T E.164).
    pub e164: Option<String>,
}

impl Phone {
    /// Reads what a person typed or a platform sent; `None` when there is no digit in it.
    ///
    /// `international` says that numbers without `+` begin with their calling code all the same, as on WhatsApp;
    /// otherwise only those of 11 digits and more are taken so, and the rest are numbers of `default_country`.
    pub fn parse(raw: &str, default_country: Country, international: bool) -> Option<Self> {
        raw.chars().find_map(digit)?;
        let e164 = e164(&dialled(raw), default_country, international);
        Some(Self { raw: truncate(&one_line(raw), LONGEST_RAW).text.trim_end().to_owned(), e164 })
    }

    /// Whether the text is a number in its international form, as in [`Phone::e164`].
    pub fn is_e164(text: &str) -> bool {
        let digits = text.strip_prefix('+').unwrap_or_default();
        (8..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    }

    /// The international form, else what came.
    pub fn best(&self) -> &str {
        self.e164.as_deref().unwrap_or(&self.raw)
    }

    /// The country of its calling code; where several share one, the one that most of its numbers belong to. `None`
    /// when the number could not be understood, or is one of no country.
    pub fn country(&self) -> Option<Country> {
        let digits = self.e164.as_deref()?.strip_prefix('+')?;
        let main = MAIN_COUNTRIES.iter().map(|(code, country)| (*country, *code));
        let (country, _) =
            main.chain(PLANS.iter().map(|plan| (plan.0, plan.1))).find(|(_, code)| digits.starts_with(code))?;
        Country::parse(country)
    }
}

/// How much is kept of what came, in characters: any number fits, with its separators and a word beside it.
const LONGEST_RAW: usize = 50;

/// The first number in the text: its digits in ASCII, a `+` before them if there was one. Separators are dropped, and
/// whatever else comes after the first digit ends it (`ext. 12`, `or 698…`).
fn dialled(text: &str) -> String {
    let mut number = String::new();
    for character in text.chars() {
        match (digit(character), character) {
            (Some(digit), _) => number.push(digit),
            (None, '+' | '＋') if number.is_empty() => number.push('+'),
            (None, separator) if number.is_empty() || number == "+" || separates(separator) => {}
            _ => break,
        }
    }
    number
}

/// The ASCII digit for a decimal digit of any script in common use.
fn digit(character: char) -> Option<char> {
    /// Where each script's zero stands; the other nine follow it.
    #[rustfmt::skip]
    const ZEROS: &[u32] = &[
        0x30, 0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xE50, 0xED0, 0xF20,
        0x1040, 0x17E0, 0x1810, 0xFF10,
    ];
    let value = ZEROS.iter().find_map(|zero| u32::from(character).checked_sub(*zero).filter(|value| *value < 10))?;
    char::from_digit(value, 10)
}

/// Whether the character may stand inside a number: spaces, the usual punctuation, and Unicode's General Punctuation
/// (its dashes, and the invisible marks that come along when a number is copied).
fn separates(character: char) -> bool {
    let invisible_or_dash = matches!(character, '\u{2000}'..='\u{206F}' | '\u{2212}' | '\u{FEFF}');
    "()[]-./_~·'".contains(character) || character.is_whitespace() || character.is_control() || invisible_or_dash
}

fn e164(dialled: &str, default_country: Country, international: bool) -> Option<String> {
    if let Some(digits) = dialled.strip_prefix('+').or_else(|| dialled.strip_prefix("00")) {
        return from_international(digits);
    }
    let has_code = international || (dialled.len() >= 11 && !is_long_national(dialled, default_country));
    has_code.then(|| from_international(dialled)).flatten().or_else(|| from_national(dialled, default_country))
}

/// Whether digits that are long enough to be international are a national number of `country`, as people there write
/// them: 11 digits in Brazil (area code, mobile) and China (mobile), the trunk prefix 8 and 10 digits in Russia and
/// Kazakhstan. Each would else be read as a number of another country.
fn is_long_national(digits: &str, country: Country) -> bool {
    match (country.as_str(), digits.as_bytes()) {
        ("BR", [_, _, b'9', rest @ ..]) => rest.len() == 8,
        ("CN", [b'1', b'3'..=b'9', rest @ ..]) => rest.len() == 9,
        ("RU" | "KZ", [b'8', rest @ ..]) => rest.len() == 10,
        _ => false,
    }
}

fn from_international(digits: &str) -> Option<String> {
    let (code, trunk) = plan_of(digits)?;
    // People write `+44 (0)79…`.
    let national = digits[code.len()..].trim_start_matches(if trunk.starts_with('0') { trunk } else { "\0" });
    join(code, without_zeros(national, trunk))
}

fn from_national(digits: &str, country: Country) -> Option<String> {
    let (code, trunk) = country.plan();
    // The trunk prefix is left out as often as not, and then the number may still begin like one (Russia's 800 …).
    let dialled_over_trunk = digits.strip_prefix(trunk).and_then(|national| join(code, without_zeros(national, trunk)));
    dialled_over_trunk.or_else(|| join(code, without_zeros(digits, trunk)))
}

/// Where there is a trunk prefix with a 0 in it, no number begins with 0.
fn without_zeros<'a>(national: &'a str, trunk: &str) -> &'a str {
    if trunk.contains('0') { national.trim_start_matches('0') } else { national }
}

/// The calling code that the digits begin with, and the trunk prefix behind it. No code begins like another.
fn plan_of(digits: &str) -> Option<(&'static str, &'static str)> {
    let countries = PLANS.iter().map(|plan| (plan.1, plan.2));
    countries.chain(GLOBAL_CODES.iter().map(|code| (*code, ""))).find(|(code, _)| digits.starts_with(code))
}

/// The two parts as E.164, when they have 8 to 15 digits together. The two plans that share a one-digit code have
/// national numbers of ten digits, North America's beginning with 2 to 9.
fn join(code: &str, national: &str) -> Option<String> {
    let fits = match code {
        "1" => national.len() == 10 && !national.starts_with(['0', '1']),
        "7" => national.len() == 10,
        _ => (8..=15).contains(&(code.len() + national.len())),
    };
    fits.then(|| format!("+{code}{national}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_tells_its_country_by_its_calling_code() {
        for (number, country) in [
            ("+34612345678", Some("ES")),
            ("+351912345678", Some("PT")),
            ("+14155550132", Some("US")),
            ("+447911123456", Some("GB")),
            ("+80012345678", None),
        ] {
            let phone = Phone { raw: number.into(), e164: Some(number.into()) };
            assert_eq!(phone.country(), country.and_then(Country::parse), "{number}");
        }
        assert_eq!(Phone { raw: "12".into(), e164: None }.country(), None);
    }

    #[test]
    fn one_country_stands_for_each_calling_code_that_several_share() {
        let shared = |code: &str| PLANS.iter().filter(|plan| plan.1 == code).count() > 1;
        for (country, code, _) in PLANS {
            let main: Vec<_> = MAIN_COUNTRIES.iter().filter(|main| main.0 == *code).collect();
            assert_eq!(main.len(), usize::from(shared(code)), "{country} {code}");
        }
    }

    fn e164_in(country: &str, raw: &str) -> Option<String> {
        Phone::parse(raw, Country::parse(country).unwrap(), false).unwrap().e164
    }

    #[test]
    fn a_number_is_understood_however_it_is_written() {
        for (country, e164, ways) in [
            (
                "ES",
                "+34612345678",
                &[
                    "612 34 56 78",
                    "612-345-678",
                    "+34 612 345 678",
                    "(+34) 612.34.56.78",
                    "0034 612345678",
                    "34612345678",
                    "+ 34/612/345/678",
                ][..],
            ),
            (
                "US",
                "+14155550132",
                &["(415) 555-0132", "1-415-555-0132", "+1 415 555 0132", "001 415 555 0132", "14155550132"],
            ),
            ("PT", "+351912345678", &["912 345 678", "+351 912 345 678", "00351912345678", "351912345678"]),
            (
                "IL",
                "+972541234567",
                &[
                    "054-123-4567",
                    "54 123 4567",
                    "+972 54-123-4567",
                    "+972 (0)54 123 4567",
                    "00972541234567",
                    "972541234567",
                ],
            ),
            (
                "GB",
                "+447911123456",
                &["07911 123456", "+44 (0)7911 123456", "+44 07911 123456", "0044 7911 123456", "447911123456"],
            ),
            (
                "BR",
                "+5511987654321",
                &[
                    "(11) 98765-4321",
                    "011 98765-4321",
                    "11987654321",
                    "+55 11 98765-4321",
                    "0055 11 98765 4321",
                    "5511987654321",
                ],
            ),
            ("RU", "+79123456789", &["8 (912) 345-67-89", "912 345-67-89", "+7 912 345-67-89", "79123456789"]),
            ("CN", "+8613812345678", &["138 1234 5678", "+86 138 1234 5678", "8613812345678"]),
            ("HU", "+36301234567", &["06 30 123 4567", "+36 (06) 30 123 4567", "301234567"]),
            ("IT", "+390612345678", &["06 1234 5678", "+39 06 1234 5678", "0039 06 12345678", "390612345678"]),
        ] {
            for way in ways {
                assert_eq!(e164_in(country, way).as_deref(), Some(e164), "{way:?} in {country}");
            }
        }
    }

    #[test]
    fn a_number_of_another_country_keeps_its_calling_code() {
        for (raw, e164) in [
            ("+351 912 345 678", "+351912345678"),
            ("5511987654321", "+5511987654321"),
            ("00447911123456", "+447911123456"),
        ] {
            assert_eq!(e164_in("ES", raw).as_deref(), Some(e164), "{raw}");
        }
        assert_eq!(e164_in("BR", "14155550132").as_deref(), Some("+14155550132"));
    }

    #[test]
    fn whatsapp_sends_the_calling_code_without_a_plus() {
        let whatsapp =
            |country: &str, raw: &str| Phone::parse(raw, Country::parse(country).unwrap(), true).unwrap().e164;
        assert_eq!(
            whatsapp("ES", "298123456").as_deref(),
            Some("+298123456"),
            "the Faroe Islands have nine digits in all"
        );
        assert_eq!(
            whatsapp("BR", "51987654321").as_deref(),
            Some("+51987654321"),
            "Peru, though it could be Porto Alegre"
        );
        assert_eq!(e164_in("BR", "51987654321").as_deref(), Some("+5551987654321"));
        assert_eq!(whatsapp("GB", "07911 123456").as_deref(), Some("+447911123456"), "no calling code begins with 0");
    }

    #[test]
    fn digits_of_any_script_and_the_words_around_a_number_do_no_harm() {
        for raw in [
            "٦١٢٣٤٥٦٧٨",
            "６１２ ３４５ ６７８",
            "＋３４ ６１２３４５６７８",
            "\u{202A}+34 612 34 56 78\u{202C}",
            "mi móvil: 612345678 (tardes)",
            "612345678 ext. 12",
            "612 345 678, 698 765 432",
        ] {
            assert_eq!(e164_in("ES", raw).as_deref(), Some("+34612345678"), "{raw:?}");
        }
    }

    #[test]
    fn what_cannot_be_understood_is_kept_as_it_came() {
        for raw in ["123", "+999 123 456 789", "00", "612345678901234567890", "+1 123 456 7890", "+346"] {
            let phone = Phone::parse(raw, Country::parse("ES").unwrap(), false).unwrap();
            assert_eq!((phone.best(), &phone.e164), (raw, &None));
        }
        assert_eq!(Phone::parse("prefer mail", Country::parse("ES").unwrap(), false), None);
        let long = format!("call me\r\n{}", "1 ".repeat(90));
        let phone = Phone::parse(&long, Country::parse("ES").unwrap(), false).unwrap();
        assert!(
            phone.raw.starts_with("call me 1 1") && (48..=50).contains(&phone.raw.chars().count()),
            "{}",
            phone.raw
        );
    }

    #[test]
    fn a_country_is_two_letters_that_the_world_knows() {
        assert_eq!(Country::parse(" es ").unwrap().to_string(), "ES");
        assert_eq!(Country::parse("uk"), Country::parse("GB"));
        for bad in ["", "E", "ESP", "ZZ", "Spain", "ñ", "34"] {
            assert_eq!(Country::parse(bad), None, "{bad}");
        }
        assert_eq!(serde_json::from_str::<Country>("\"pt\"").unwrap().as_str(), "PT");
        let error = serde_json::from_str::<Country>("\"Spain\"").unwrap_err().to_string();
        assert!(error.starts_with("`Spain` is not a country: write its two letters"), "{error}");
    }

    #[test]
    fn the_table_is_sorted_and_no_code_begins_like_another() {
        assert!(PLANS.is_sorted_by_key(|plan| plan.0));
        let mut codes: Vec<&str> = PLANS.iter().map(|plan| plan.1).chain(GLOBAL_CODES.iter().copied()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert!(codes.windows(2).all(|pair| !pair[1].starts_with(pair[0])));
    }

    proptest! {
        #[test]
        fn any_text_gives_e164_or_none_and_e164_gives_itself(raw in "\\PC*|[+0-9() .-]{0,24}", row in 0..PLANS.len(), other in 0..PLANS.len(), international: bool) {
            let country = |row: usize| Country::parse(PLANS[row].0).unwrap();
            let phone = Phone::parse(&raw, country(row), international);
            prop_assert_eq!(phone.is_none(), !raw.chars().any(|c| digit(c).is_some()));
            if let Some(e164) = phone.and_then(|phone| phone.e164) {
                let digits = e164.strip_prefix('+').unwrap();
                prop_assert!((8..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0'));
                prop_assert_eq!(Phone::parse(&e164, country(other), !international).unwrap().e164, Some(e164));
            }
        }
    }
}
