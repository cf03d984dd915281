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

/// Whether `text` is a language with or without its country: `es`, `pt-BR` (RFC 5646).
pub fn is_language(text: &str) -> bool {
    let (language, country) = text.split_once('-').unwrap_or((text, "XX"));
    let letters = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphabetic());
    (2..=3).contains(&language.len()) && letters(language) && (2..=4).contains(&country.len()) && letters(country)
}

/// What does for `tag`, best first: the tag itself, then the language without its country. In lower case.
pub fn languages_for(tag: &str) -> impl Iterator<Item = String> {
    let tag = tag.to_ascii_lowercase().replace('_', "-");
    let language = tag.split('-').next().unwrap_or_default().to_owned();
    let is_general = language == tag;
    [tag, if is_general { String::new() } else { language }].into_iter().filter(|tag| !tag.is_empty())
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
    fn a_country_is_left_off_when_nothing_is_written_for_it() {
        assert_eq!(languages_for("es_MX").collect::<Vec<_>>(), ["es-mx", "es"]);
        assert_eq!(languages_for("es").collect::<Vec<_>>(), ["es"]);
        assert_eq!(languages_for("").count(), 0);
    }
}
