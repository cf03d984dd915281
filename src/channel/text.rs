//! What several kinds do to a text before they send it: fit it into the receiver's limit, and keep a stranger's `@name`
//! from calling anybody.

use std::borrow::Cow;

use crate::domain::Rendered;

/// Stands where a text was cut.
pub(super) const GOES_ON: &str = "\n\n… The text goes on; the whole of it is in umishop's console.";

/// The longest escape that a cut must not go through: `&quot;`.
const LONGEST_ESCAPE: usize = 6;

/// `text` in at most `limit` UTF-16 units, of which no text has fewer than characters; what was left out is said at its
/// end. No cut goes through a character, nor through one that is escaped by `\` or as `&…;`.
pub(super) fn fit(text: &str, limit: usize) -> Cow<'_, str> {
    fit_sized(text, limit, char::len_utf16)
}

/// The same for a receiver that counts otherwise: `size` says what a character takes.
pub(super) fn fit_sized(text: &str, limit: usize, size: fn(char) -> usize) -> Cow<'_, str> {
    if text.chars().map(size).sum::<usize>() <= limit {
        return Cow::Borrowed(text);
    }
    let room = limit.saturating_sub(GOES_ON.chars().map(size).sum());
    Cow::Owned(format!("{}{GOES_ON}", start_sized(text, room, size).trim_end()))
}

/// How many bytes a character takes in JSON as it is written here: escaped only where it must be, in UTF-8.
pub(super) const fn bytes_in_json(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{C}' => 2,
        '\0'..='\u{1F}' => 6,
        other => other.len_utf8(),
    }
}

/// `text` as HTML that shows just that.
pub(super) fn escape_html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Subject and text in at most `limit` UTF-16 units, for a receiver that shows nothing but text.
pub(super) fn whole(message: &Rendered, limit: usize) -> String {
    fit(format!("{}\n\n{}", message.subject, message.text.trim()).trim(), limit).into_owned()
}

/// How many UTF-16 units `text` has.
pub(super) fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// The start of `text`, at most `limit` UTF-16 units long, that ends between two characters as the reader sees them.
pub(super) fn start(text: &str, limit: usize) -> &str {
    start_sized(text, limit, char::len_utf16)
}

fn start_sized(text: &str, limit: usize, size: fn(char) -> usize) -> &str {
    let mut left = limit;
    let end = text.char_indices().find(|(_, character)| {
        left.checked_sub(size(*character)).is_none_or(|rest| {
            left = rest;
            false
        })
    });
    let Some((end, _)) = end else { return text };
    let cut = &text[..end];
    let backslashes = cut.len() - cut.trim_end_matches('\\').len();
    let cut = &cut[..cut.len() - backslashes % 2];
    match cut.rfind('&') {
        Some(escape) if cut.len() - escape < LONGEST_ESCAPE && !cut[escape..].contains(';') => &cut[..escape],
        _ => cut,
    }
}

/// `text` in which no `@name` calls anybody: an invisible character parts the sign from the name. The sign of a mail
/// address, which follows a letter or a digit, stays as it is, so that the address can be copied.
pub(super) fn without_mentions(text: &str) -> String {
    let mut harmless = String::with_capacity(text.len() + 16);
    let mut before = ' ';
    for character in text.chars() {
        harmless.push(character);
        if character == '@' && !before.is_ascii_alphanumeric() {
            harmless.push('\u{200B}');
        }
        before = character;
    }
    harmless
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::channel::fields::tests::saying;

    #[test]
    fn a_cut_goes_through_no_escape_and_says_that_the_text_goes_on() {
        for (text, limit, expected) in [
            ("abc", 2, "ab"),
            ("🛒🛒", 3, "🛒"),
            (r"a\*b", 2, "a"),
            (r"a\\b", 3, r"a\\"),
            ("a&amp;b", 4, "a"),
            ("a & b; c", 6, "a & b;"),
            ("abc", 3, "abc"),
        ] {
            assert_eq!(start(text, limit), expected, "{text}");
        }
        assert_eq!(fit("short", 100), "short");
        assert_eq!(fit(&"word ".repeat(50), units(GOES_ON) + 10), format!("word word{GOES_ON}"));
    }

    #[test]
    fn a_name_is_not_called_and_an_address_can_be_copied() {
        assert_eq!(
            without_mentions("@all (@here) x-@channel ñ@ana ana@example.com a@@all"),
            "@\u{200B}all (@\u{200B}here) x-@\u{200B}channel ñ@\u{200B}ana ana@example.com a@@\u{200B}all"
        );
    }

    #[test]
    fn a_subject_stands_above_its_text() {
        assert_eq!(whole(&saying("Pricing", "How much?\n"), 100), "Pricing\n\nHow much?");
        assert!(units(&whole(&saying("Pricing", &"🛒".repeat(100)), 100)) <= 100);
    }

    proptest! {
        #[test]
        fn the_bytes_of_a_text_in_json_are_counted_as_they_are_written(text in any::<String>(), limit in 100_usize..200) {
            let fitted = fit_sized(&text, limit, bytes_in_json);
            let written = serde_json::to_string(&fitted).unwrap().len() - 2;
            prop_assert_eq!(written, fitted.chars().map(bytes_in_json).sum::<usize>());
            prop_assert!(written <= limit);
        }

        #[test]
        fn no_text_is_longer_than_its_limit(text in r"[a-z&;\\ñ🛒\n]{0,400}", limit in 80_usize..300) {
            prop_assert!(units(&fit(&text, limit)) <= limit);
        }
    }
}
