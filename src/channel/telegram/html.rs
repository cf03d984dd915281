//! A text with inline tags, as Telegram reads it: fitted into a number of visible UTF-16 units, calling nobody.

use crate::channel::text::{GOES_ON, units};

/// The longest escape that Telegram reads: `&#1114111;`.
const LONGEST_ESCAPE: usize = 10;

/// `html` with at most `limit` visible units; what was left out is said at its end. No name in it is called.
pub(super) fn fit(html: &str, limit: usize) -> String {
    match start(html, limit) {
        (whole, true) => whole,
        _ => start(html, limit.saturating_sub(units(GOES_ON))).0 + GOES_ON,
    }
}

/// The start of `html` with at most `limit` visible units, every tag in it closed, and whether that is all of it.
fn start(html: &str, limit: usize) -> (String, bool) {
    let mut shown = String::with_capacity(html.len() + 16);
    let mut open = Vec::new();
    let (mut left, mut before, mut rest) = (limit, ' ', html);
    while let Some(piece) = first_piece(rest) {
        if let Some(tag) = piece.strip_prefix('<').and_then(|tag| tag.strip_suffix('>')) {
            match tag.strip_prefix('/') {
                Some(_) => drop(open.pop()),
                None => open.push(tag.split(' ').next().unwrap_or_default()),
            }
            shown.push_str(piece);
        } else {
            let is_call = piece == "@" && !before.is_ascii_alphanumeric();
            // An escaped character is one; an `@` that could call takes an invisible one along.
            let length = if piece.starts_with('&') { 1 } else { units(piece) + usize::from(is_call) };
            let Some(rest_of_room) = left.checked_sub(length) else { break };
            left = rest_of_room;
            shown.push_str(piece);
            if is_call {
                shown.push('\u{200B}');
            }
            before = piece.chars().next_back().unwrap_or(' ');
        }
        rest = &rest[piece.len()..];
    }
    shown.truncate(shown.trim_end().len());
    for tag in open.iter().rev() {
        shown.extend(["</", tag, ">"]);
    }
    (shown, rest.is_empty())
}

/// The tag, escaped character or character that `html` begins with.
fn first_piece(html: &str) -> Option<&str> {
    let first = html.chars().next()?;
    let end = match first {
        '<' => html.find('>').map(|end| end + 1),
        '&' => html.bytes().take(LONGEST_ESCAPE).position(|byte| byte == b';').map(|end| end + 1),
        _ => None,
    };
    Some(&html[..end.unwrap_or(first.len_utf8())])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::channel::text::escape_html;

    #[test]
    fn a_cut_goes_through_no_tag_and_no_escape_and_leaves_none_open() {
        for (html, limit, expected) in [
            ("<b>Ana</b> asks", 20, "<b>Ana</b> asks"),
            ("<b>Ana</b> asks", 2, "<b>An</b>"),
            ("<b><i>Ana</i></b>", 1, "<b><i>A</i></b>"),
            ("a&lt;b", 2, "a&lt;"),
            ("🛒🛒", 3, "🛒"),
            ("<a href=\"https://x.example\">here</a>", 2, "<a href=\"https://x.example\">he</a>"),
            ("a & b", 3, "a &"),
        ] {
            assert_eq!(start(html, limit).0, expected, "{html}");
        }
        assert_eq!(fit(&"word ".repeat(50), units(GOES_ON) + 10), format!("word word{GOES_ON}"));
    }

    #[test]
    fn a_name_is_not_called_and_an_address_is_left_alone() {
        assert_eq!(
            fit("@ana <b>@all</b> ana@example.com <a href=\"https://t.me/@x\">x</a>", 100),
            "@\u{200B}ana <b>@\u{200B}all</b> ana@example.com <a href=\"https://t.me/@x\">x</a>"
        );
    }

    /// What Telegram counts, and whether every tag is closed.
    fn read(html: &str) -> (usize, bool) {
        let (mut seen, mut depth, mut rest) = (0, 0, html);
        while let Some(piece) = first_piece(rest) {
            match piece {
                tag if tag.starts_with("</") => depth -= 1,
                tag if tag.starts_with('<') => depth += 1,
                escape if escape.starts_with('&') => seen += 1,
                text => seen += units(text),
            }
            rest = &rest[piece.len()..];
        }
        (seen, depth == 0)
    }

    proptest! {
        #[test]
        fn no_text_is_longer_than_its_limit(text in "[a&<>@🛒 \n]{0,300}", limit in 80_usize..200) {
            let html = format!("<b>{}</b> <blockquote>{}</blockquote>", escape_html(&text), escape_html(&text));
            let (seen, is_closed) = read(&fit(&html, limit));
            prop_assert!(seen <= limit && is_closed);
        }
    }
}
