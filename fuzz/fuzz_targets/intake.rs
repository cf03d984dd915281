//! Any query, header and body, as they come over the wire: `query LF (name: value LF)* LF body`.
#![no_main]

#[allow(dead_code, reason = "each target asks for its own laws")]
#[path = "../../tests/it/laws.rs"]
mod laws;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let end = data.windows(2).position(|two| two == b"\n\n").unwrap_or(0);
    let (head, body) = data.split_at(end);
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines();
    let query = lines.next().unwrap_or_default();
    let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    let headers: Vec<(String, String)> = lines.filter_map(header).collect();
    laws::of_the_intake(&headers, query, body.strip_prefix(b"\n\n").unwrap_or(body));
});
