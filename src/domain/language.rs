//! Which language somebody is written to in.

use super::Phone;

/// Calling codes whose countries have one language that nearly everybody reads, and that language (ISO 639). Countries
/// with several, such as Belgium or Switzerland, and codes that several countries share in different languages are left
/// out: a wrong guess is worse than the shop's own language. From the official languages of Unicode's CLDR
/// (territory information, release 47).
#[rustfmt::skip]
const OF_CALLING_CODES: &[(&str, &str)] = &[
    ("20", "ar"), ("30", "el"), ("31", "nl"), ("33", "fr"), ("34", "es"), ("351", "pt"), ("353", "en"),
    ("354", "is"), ("36", "hu"), ("39", "it"), ("40", "ro"), ("420", "cs"), ("421", "sk"), ("43", "de"), ("44", "en"),
    ("45", "da"), ("46", "sv"), ("47", "nb"), ("48", "pl"), ("49", "de"), ("502", "es"), ("503", "es"), ("504", "es"),
    ("505", "es"), ("506", "es"), ("507", "es"), ("51", "es"), ("52", "es"), ("53", "es"), ("54", "es"), ("55", "pt"),
    ("56", "es"), ("57", "es"), ("58", "es"), ("591", "es"), ("593", "es"), ("598", "es"), ("61", "en"), ("64", "en"),
    ("81", "ja"), ("82", "ko"), ("84", "vi"), ("86", "zh"), ("90", "tr"), ("966", "ar"),
];

/// The language that a customer reads, as a tag: what they or their bot `told`, else what the country of their phone
/// reads; empty when neither says.
pub fn language_of<'a>(told: &'a str, phone: Option<&Phone>) -> &'a str {
    if !told.is_empty() {
        return told;
    }
    let digits = phone.and_then(|phone| phone.e164.as_deref()).unwrap_or_default().trim_start_matches('+');
    // No calling code is the beginning of another one.
    OF_CALLING_CODES.iter().find(|(code, _)| digits.starts_with(code)).map_or("", |(_, language)| language)
}

/// Whether `text` is a language, with or without its script and its region: `es`, `pt-BR`, `es-419`, `zh-Hant-TW`
/// (RFC 5646).
pub fn is_language(text: &str) -> bool {
    let letters = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphabetic());
    let region = |part: &str| part.len() == 3 && part.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = text.split('-');
    parts.next().is_some_and(|language| (2..=3).contains(&language.len()) && letters(language))
        && parts.clone().count() <= 2
        && parts.all(|part| (2..=4).contains(&part.len()) && letters(part) || region(part))
}

/// What does for `tag`, best first: the tag itself, then without its last part, and so on: `zh-hant-tw`, `zh-hant`, `zh`
/// (RFC 4647, lookup). In lower case.
pub fn languages_for(tag: &str) -> impl Iterator<Item = String> {
    let tag = tag.to_ascii_lowercase().replace('_', "-");
    let first = Some(tag).filter(|tag| !tag.is_empty());
    std::iter::successors(first, |tag| tag.rsplit_once('-').map(|(broader, _)| broader.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_counts_and_a_phone_tells_only_where_nearly_everybody_reads_one_language() {
        let of = |e164: &str| language_of("", Some(&Phone { raw: String::new(), e164: Some(e164.to_owned()) }));
        assert_eq!((of("+34600123456"), of("+5215512345678"), of("+447700900123")), ("es", "es", "en"));
        assert_eq!((of("+3225550123"), of("+12025550123"), language_of("", None)), ("", "", ""));
        let spanish = Phone { raw: String::new(), e164: Some("+34600123456".to_owned()) };
        assert_eq!(language_of("ca", Some(&spanish)), "ca");
        let codes = || OF_CALLING_CODES.iter().map(|(code, _)| *code);
        for code in codes() {
            assert!(codes().all(|other| other == code || !other.starts_with(code)), "{code} begins another code");
        }
    }

    #[test]
    fn a_language_is_written_with_or_without_its_script_and_its_region() {
        for language in ["es", "ast", "pt-BR", "es-419", "zh-Hant", "zh-Hant-TW", "sr-Latn-RS"] {
            assert!(is_language(language), "{language}");
        }
        for other in ["", "e", "spanish", "es-", "-es", "es-4190", "es-41", "es_ES", "es-1a2", "pricing", "es-ES-ES-ES"]
        {
            assert!(!is_language(other), "{other}");
        }
    }

    #[test]
    fn a_country_is_left_off_when_nothing_is_written_for_it() {
        assert_eq!(languages_for("es_MX").collect::<Vec<_>>(), ["es-mx", "es"]);
        assert_eq!(languages_for("zh-Hant-TW").collect::<Vec<_>>(), ["zh-hant-tw", "zh-hant", "zh"]);
        assert_eq!(languages_for("es").collect::<Vec<_>>(), ["es"]);
        assert_eq!(languages_for("").count(), 0);
    }
}
