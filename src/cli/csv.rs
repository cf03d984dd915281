//! Comma-separated values, as RFC 4180 has them, that a spreadsheet takes for what they are.

use std::io::{self, Write};

/// Writes one line.
pub(super) fn line<'a>(out: &mut dyn Write, cells: impl IntoIterator<Item = &'a str>) -> io::Result<()> {
    let cells: Vec<String> = cells.into_iter().map(cell).collect();
    write!(out, "{}\r\n", cells.join(","))
}

/// A cell that begins like a formula gets an apostrophe before it (OWASP, "CSV injection"): what a customer's link said
/// must never be run.
fn cell(text: &str) -> String {
    let text = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() };
    if text.contains(['"', ',', '\n', '\r', '\'']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_customer_sent_is_a_formula() {
        let mut out = Vec::new();
        let cells = ["=1+1", "+1", "-1", "@x", "\tx", "a,b", "say \"hi\"", "plain", "", "12"];
        line(&mut out, cells).unwrap();
        let expected = "\"'=1+1\",\"'+1\",\"'-1\",\"'@x\",\"'\tx\",\"a,b\",\"say \"\"hi\"\"\",plain,,12\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
