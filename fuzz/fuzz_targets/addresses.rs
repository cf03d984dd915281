//! Any text as a mail address, as a phone of two countries, and as a topic.
#![no_main]

#[allow(dead_code, reason = "each target asks for its own laws")]
#[path = "../../tests/it/laws.rs"]
mod laws;

use umishop::domain::Country;

libfuzzer_sys::fuzz_target!(|text: &str| {
    laws::of_addresses(text);
    for (country, international) in [("ES", false), ("GB", true), ("BR", false), ("RU", false)] {
        laws::of_phones(text, Country::parse(country).unwrap(), international);
    }
    laws::of_topics(text);
});
