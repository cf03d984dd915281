//! What each of Slack's answers means, and that long texts fit into its blocks.

use proptest::prelude::*;

use super::*;

#[test]
fn a_long_text_is_cut_at_line_ends_and_a_quote_stays_a_quote() {
    let lines = vec!["> ".to_owned() + &"a".repeat(1000); 4].join("\n");
    assert_eq!(sections(&lines).len(), 2);
    let one_line = "> ".to_owned() + &"&lt;".repeat(2000);
    let cut = sections(&one_line);
    assert!(
        cut.len() > 2
            && cut.iter().all(|section| section.starts_with("> &lt;") && section.trim_end().ends_with("&lt;")),
        "{cut:?}"
    );
    let endless = "word ".repeat(20_000);
    assert!(sections(&endless).last().unwrap().contains("The text goes on"));
}

proptest! {
    #[test]
    fn every_section_is_short_enough(lines in proptest::collection::vec("(> )?[a-z&;ñ🛒]{0,4000}", 0..6)) {
        let rich = lines.join("\n");
        for section in sections(&rich) {
            prop_assert!(!section.trim().is_empty() && section.chars().count() <= 3000);
        }
    }
}
