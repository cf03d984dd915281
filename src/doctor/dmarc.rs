//! What receivers shall do with mail that only claims to be from a domain: its DMARC record (RFC 7489).

use super::dns::{Dns, NoAnswer};

/// How many names are asked at most on the way up.
const MOST_STEPS: usize = 8;

/// A domain's wish, or the one of a domain above it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Dmarc {
    /// Nobody has one.
    None,
    /// There are several, which count as none (RFC 7489, 6.6.3).
    Several(String),
    /// There is one.
    Record {
        /// Whose.
        domain: String,
        /// What to do with mail that fails: `none`, `quarantine` or `reject`, as it is written; empty: it does not say.
        policy: String,
        /// Whether reports are sent to somebody.
        reports: bool,
    },
}

/// Asks `domain`, then the domains above it, up to what lies directly below a top-level domain.
pub(super) async fn of(dns: &Dns, domain: &str) -> Result<Dmarc, NoAnswer> {
    let mut asked = domain;
    for _ in 0..MOST_STEPS {
        let texts = dns.texts(&format!("_dmarc.{asked}")).await?;
        let records: Vec<Vec<(String, &str)>> = texts.iter().filter_map(|text| tags(text)).collect();
        match records.as_slice() {
            [] => {}
            [record] => return Ok(read(record, asked, asked == domain)),
            _ => return Ok(Dmarc::Several(asked.to_owned())),
        }
        match asked.split_once('.') {
            Some((_, above)) if above.contains('.') => asked = above,
            _ => break,
        }
    }
    Ok(Dmarc::None)
}

/// The tags of a DMARC record; `None`: it is something else.
fn tags(text: &str) -> Option<Vec<(String, &str)>> {
    let tags: Vec<(String, &str)> = text
        .split(';')
        .filter_map(|tag| tag.split_once('='))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim()))
        .collect();
    tags.first().is_some_and(|(name, value)| name == "v" && *value == "DMARC1").then_some(tags)
}

fn read(record: &[(String, &str)], domain: &str, own: bool) -> Dmarc {
    let value = |name: &str| record.iter().find(|(found, _)| found == name).map(|(_, value)| *value);
    // What is said of subdomains comes first when it is one.
    let policy = Some("sp").filter(|_| !own).and_then(value).or_else(|| value("p"));
    Dmarc::Record {
        domain: domain.to_owned(),
        policy: policy.unwrap_or_default().to_ascii_lowercase(),
        reports: value("rua").is_some_and(|to| !to.is_empty()),
    }
}
