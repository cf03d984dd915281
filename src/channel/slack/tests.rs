//! What each of Slack's answers means, and that long texts fit into its blocks.

use proptest::prelude::*;

use super::*;

fn api(body: &str) -> (&'static str, Option<Scope>) {
    let outcome = of_api(&Answer { status: 200, body: body.into(), ..Answer::default() });
    (outcome.word(), outcome.scope())
}

#[test]
fn ok_false_is_no_success_and_each_error_has_its_scope() {
    assert_eq!(
        of_api(&Answer { status: 200, body: r#"{"ok":true,"ts":"17.1"}"#.into(), ..Answer::default() }),
        Outcome::delivered("17.1")
    );
    for (error, expected) in [
        ("invalid_auth", ("dead", Scope::Channel)),
        ("token_revoked", ("dead", Scope::Channel)),
        ("missing_scope", ("dead", Scope::Channel)),
        ("not_in_channel", ("dead", Scope::Destination)),
        ("channel_not_found", ("dead", Scope::Destination)),
        ("is_archived", ("dead", Scope::Destination)),
        ("restricted_action_read_only_channel", ("dead", Scope::Destination)),
        ("invalid_blocks_format", ("dead", Scope::Message)),
        ("msg_blocks_too_long", ("dead", Scope::Message)),
        ("ratelimited", ("retry", Scope::Channel)),
        ("internal_error", ("retry", Scope::Message)),
        ("fatal_error", ("unknown", Scope::Message)),
    ] {
        assert_eq!(api(&json!({"ok": false, "error": error}).to_string()), (expected.0, Some(expected.1)), "{error}");
    }
    assert_eq!(api("<html>log in</html>"), ("retry", Some(Scope::Channel)));
}

#[test]
fn a_webhook_succeeds_only_with_the_word_ok() {
    for (status, body, expected) in [
        (200, "ok", ("delivered", None)),
        (200, "<html>", ("retry", Some(Scope::Channel))),
        (400, "invalid_payload", ("dead", Some(Scope::Message))),
        (400, "invalid_token", ("dead", Some(Scope::Channel))),
        (403, "action_prohibited", ("dead", Some(Scope::Destination))),
        (404, "no_service", ("dead", Some(Scope::Destination))),
        (410, "channel_is_archived", ("dead", Some(Scope::Destination))),
        (500, "rollup_error", ("retry", Some(Scope::Message))),
        (429, "", ("retry", Some(Scope::Channel))),
    ] {
        let outcome = of_webhook(&Answer { status, body: body.into(), ..Answer::default() });
        assert_eq!((outcome.word(), outcome.scope()), expected, "{status} {body}");
    }
}

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

#[test]
fn a_notification_has_no_mention_link_or_code_block() {
    assert_eq!(notification("<!channel> & `ana`"), "&lt;!channel&gt; &amp; `ana`");
    for backticks in 3..9 {
        assert!(!notification(&"`".repeat(backticks)).contains("```"));
    }
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
