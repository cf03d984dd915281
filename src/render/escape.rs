//! What a customer wrote, made harmless for the notation that it is put into.

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
/// a line. An `@` that does not stand inside a mail address is parted from what follows it, so that nobody is called.
pub(super) fn markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    let mut before = '\n';
    // Whether nothing but spaces, or a number, stands before this character on its line.
    let (mut starts, mut numbered) = (true, false);
    for character in text.chars() {
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
        if character == '@' && !before.is_alphanumeric() {
            escaped.push('\u{200B}');
        }
        numbered = (starts || numbered) && character.is_ascii_digit();
        starts = character == '\n' || (starts && character.is_whitespace());
        before = character;
    }
    escaped
}

/// Makes text harmless in HTML, for receivers that know few entities.
pub(super) fn inline(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
