//! Cutting text a stranger wrote down to a size and a line, and comparing it.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Text that may have been cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truncated<'a> {
    /// The text, at most as many characters as were allowed.
    pub text: &'a str,
    /// How many characters were left out.
    pub left_out: usize,
}

/// The first `limit` characters of `text`, never half a character.
pub fn truncate(text: &str, limit: usize) -> Truncated<'_> {
    // No text has more characters than bytes, so the common case needs no counting.
    if text.len() <= limit {
        return Truncated { text, left_out: 0 };
    }
    match text.char_indices().nth(limit) {
        None => Truncated { text, left_out: 0 },
        Some((end, _)) => Truncated { text: &text[..end], left_out: text[end..].chars().count() },
    }
}

/// The text on one line: control characters and line breaks become spaces, runs of spaces one, and the characters
/// that turn the direction of writing around are dropped (they let a name disguise what follows it).
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars().filter(|c| !turns_direction(*c)) {
        if !(character.is_control() || character.is_whitespace()) {
            line.push(character);
        } else if !line.is_empty() && !line.ends_with(' ') {
            line.push(' ');
        }
    }
    line.truncate(line.trim_end().len());
    line
}

/// The text without case and accents: what counts when texts are compared.
pub(super) fn fold(text: &str) -> impl Iterator<Item = char> {
    // Compatibility decomposition splits accents off their letters and unfolds lookalikes (ﬁ, Ａ, ²).
    text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase)
}

/// The text for a log: whatever looks like a mail address keeps its first letter and its domain, `a***@example.com`, and
/// an international phone number its first two digits, `+34***`. Masks too much rather than too little.
pub fn mask_addresses(text: &str) -> String {
    mask_phones(&mask_mail(text))
}

fn mask_phones(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('+') {
        let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        masked.extend([before, "+"]);
        rest = after;
        if digits >= 8 {
            masked.extend([&after[..2], "***"]);
            rest = &after[digits..];
        }
    }
    masked.push_str(rest);
    masked
}

fn mask_mail(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('@') {
        let local = before.rfind(|c: char| c.is_whitespace() || "<>()[],;:\"'".contains(c));
        let local = &before[local.map_or(0, |end| end + before[end..].chars().next().map_or(0, char::len_utf8))..];
        masked.push_str(&before[..before.len() - local.len()]);
        match local.chars().next() {
            Some(first) if after.starts_with(char::is_alphanumeric) || after.starts_with('[') => {
                masked.extend([first, '*', '*', '*']);
            }
            _ => masked.push_str(local),
        }
        masked.push('@');
        rest = after;
    }
    masked.push_str(rest);
    masked
}

/// Unicode's explicit bidirectional controls (UAX #9), and the byte order mark.
fn turns_direction(character: char) -> bool {
    matches!(character, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncation_counts_characters_not_bytes() {
        assert_eq!(truncate("ñandú", 3), Truncated { text: "ñan", left_out: 2 });
        assert_eq!(truncate("ñandú", 5), Truncated { text: "ñandú", left_out: 0 });
        assert_eq!(truncate("", 0), Truncated { text: "", left_out: 0 });
    }

    #[test]
    fn a_name_cannot_carry_line_breaks_or_turn_the_writing_around() {
        assert_eq!(one_line("  Ana\r\nBcc: x@y.z \u{202E}\t\u{0} Ruiz "), "Ana Bcc: x@y.z Ruiz");
    }

    #[test]
    fn a_log_shows_only_the_first_letter_of_a_mail_address() {
        for (text, masked) in [
            ("550 5.1.1 <ana@example.com>: no such user", "550 5.1.1 <a***@example.com>: no such user"),
            ("not for ana.ruiz+shop@mail.example.com: 550", "not for a***@mail.example.com: 550"),
            ("to=ana@example.com,luz@example.com.", "t***@example.com,l***@example.com."),
            ("\u{3000}ñandú@example.com", "\u{3000}ñ***@example.com"),
            ("no message reaches +34612345678 (21614)", "no message reaches +34*** (21614)"),
            ("whatsapp:+34612345678,+1 or 5+12345", "whatsapp:+34***,+1 or 5+12345"),
            ("ana@[192.0.2.1]", "a***@[192.0.2.1]"),
            ("write /invite @bot there, 3 @ 5, a@", "write /invite @bot there, 3 @ 5, a@"),
            ("", ""),
        ] {
            assert_eq!(mask_addresses(text), masked);
        }
    }
}
