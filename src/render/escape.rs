//! What a customer wrote, made harmless for the notation that it is put into.

use crate::domain::Markup;

/// `text` in this notation, showing just what it says.
pub(super) fn escaped(text: &str, markup: Markup) -> String {
    match markup {
        Markup::Plain => text.to_owned(),
        Markup::Html => html(text),
        Markup::Mrkdwn => mrkdwn(text),
        Markup::Markdown => markdown(text),
        Markup::Inline => inline(text),
    }
}

/// Makes text harmless in HTML.
pub(super) fn html(text: &str) -> String {
    minijinja::HtmlEscape(text).to_string()
}

/// Makes text harmless in Slack's notation.
///
/// It has no way to write a literal `*` or `_`. Only what does harm is taken out: `&`, `<` and `>` (mentions, links) are
/// escaped, and a run of backticks is broken up, because an unclosed code block swallows what follows it. For the rest,
/// the template quotes each line of the question, so that nobody takes a customer's bold text for ours.
pub(super) fn mrkdwn(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    let mut backticks = 0;
    for character in text.chars() {
        backticks = if character == '`' { backticks + 1 } else { 0 };
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '`' if backticks > 2 => escaped.push_str("\u{200B}`"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Makes text harmless in Markdown: whatever is notation anywhere is escaped, and so is what is notation at the start of
/// a line. An `@` that does not stand inside a mail address is parted from what follows it, so that nobody is called; nor
/// does one that stands behind a letter call everybody, as it would in Discord.
pub(super) fn markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    let mut before = '\n';
    // Whether nothing but spaces, or a number, stands before this character on its line.
    let (mut starts, mut numbered) = (true, false);
    for (index, character) in text.char_indices() {
        let is_notation = match character {
            '\\' | '`' | '*' | '_' | '~' | '|' | '[' | ']' | '<' | '>' | '#' => true,
            '+' | '-' | '=' => starts,
            '.' | ')' => numbered,
            _ => false,
        };
        if is_notation {
            escaped.push('\\');
        }
        escaped.push(character);
        if character == '@' && (!before.is_alphanumeric() || calls_everybody(&text[index + 1..])) {
            escaped.push('\u{200B}');
        }
        numbered = (starts || numbered) && character.is_ascii_digit();
        starts = character == '\n' || (starts && character.is_whitespace());
        before = character;
    }
    escaped
}

/// Whether the text begins with a word for everybody that is not the domain of a mail address.
fn calls_everybody(text: &str) -> bool {
    let end = text.find(|c: char| !c.is_alphanumeric()).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let is_domain = rest.strip_prefix('.').is_some_and(|rest| rest.starts_with(char::is_alphanumeric));
    !is_domain && ["everyone", "here", "channel", "all"].contains(&word.to_lowercase().as_str())
}

/// Makes text harmless in HTML, for receivers that know few entities.
pub(super) fn inline(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
