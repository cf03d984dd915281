//! Any words in every post to Slack, and in every request over HTTP.
#![no_main]

#[allow(dead_code, reason = "each target asks for its own laws")]
#[path = "../../tests/it/laws.rs"]
mod laws;
mod words;

use umishop::domain::Purpose;

libfuzzer_sys::fuzz_target!(|words: words::Words<'_>| {
    let context = words::context(words);
    for purpose in [Purpose::Welcome, Purpose::Request, Purpose::Test] {
        laws::of_slack(purpose, &context);
        laws::of_http(purpose, &context);
    }
});
