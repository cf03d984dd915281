//! Which servers may send mail from a domain: its SPF record (RFC 7208), with all that it includes.

use std::collections::BTreeSet;

use super::dns::{Dns, NoAnswer};

/// A record that takes more than this many questions counts as none (RFC 7208, 4.6.4).
pub(super) const MOST_LOOKUPS: usize = 10;

/// Where following ends, so that records that include each other do not lead us in circles.
const FOLLOWED: usize = 2 * MOST_LOOKUPS;

/// What a domain says about who may send as it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Spf {
    /// How many records the domain itself has.
    pub(super) records: usize,
    /// How many questions a receiver has to ask, up to a bound.
    pub(super) lookups: usize,
    /// The domains whose records count, too.
    pub(super) includes: BTreeSet<String>,
    /// What is said of everybody else: `-`, `~`, `?` or `+`; `None`: nothing.
    pub(super) everybody_else: Option<char>,
    /// What makes it count as none (RFC 7208, 4.6 and 5.2).
    pub(super) faults: Vec<String>,
    /// What depends on the mail, so that it was not followed.
    pub(super) macros: bool,
}

/// A record that is yet to be read.
struct Pending {
    domain: String,
    /// Whether what it says of everybody else counts: that of what is only included does not.
    decides: bool,
    own: bool,
}

/// Reads the records of `domain` and of what it includes.
pub(super) async fn of(dns: &Dns, domain: &str) -> Result<Spf, NoAnswer> {
    let mut spf = Spf::default();
    let mut pending = vec![Pending { domain: domain.to_owned(), decides: true, own: true }];
    while let Some(next) = pending.pop() {
        if spf.lookups > FOLLOWED {
            break;
        }
        let mut records: Vec<String> = dns.texts(&next.domain).await?.into_iter().filter(|text| is_spf(text)).collect();
        if next.own {
            spf.records = records.len();
        }
        match (records.pop(), records.is_empty()) {
            (None, _) if next.own => {}
            (None, _) => spf.faults.push(format!("it includes {}, which has no SPF record", next.domain)),
            (Some(_), false) => spf.faults.push(format!("{} has more than one SPF record", next.domain)),
            (Some(record), true) => pending.extend(spf.read(&record, &next)),
        }
    }
    Ok(spf)
}

/// Whether a text is an SPF record (RFC 7208, 4.5).
fn is_spf(text: &str) -> bool {
    text.split(' ').next().is_some_and(|version| version.eq_ignore_ascii_case("v=spf1"))
}

impl Spf {
    /// Takes in what `record` says; what it leads to is to be read, too.
    fn read(&mut self, record: &str, place: &Pending) -> Vec<Pending> {
        let mut leads_to = Vec::new();
        let mut redirect = None;
        let mut says_all = false;
        for term in record.split_ascii_whitespace().skip(1) {
            let qualifier = term.chars().next().filter(|c| "+-~?".contains(*c));
            let rest = term.trim_start_matches(['+', '-', '~', '?']);
            let end = rest.find([':', '/', '=']).unwrap_or(rest.len());
            let (name, value) = (rest[..end].to_ascii_lowercase(), rest.get(end + 1..).unwrap_or_default());
            match name.as_str() {
                "all" => {
                    says_all = true;
                    if place.decides {
                        self.everybody_else = self.everybody_else.or(Some(qualifier.unwrap_or('+')));
                    }
                }
                "include" => {
                    self.lookups += 1;
                    leads_to.extend(self.follow(value, false));
                }
                "a" | "mx" | "ptr" | "exists" => self.lookups += 1,
                "redirect" => redirect = Some(value.to_owned()),
                "ip4" | "ip6" => {}
                // A modifier that is not known is to be left alone (RFC 7208, 6).
                _ if rest[end..].starts_with('=') => {}
                _ => self.faults.push(format!("`{term}` in the record of {} means nothing", place.domain)),
            }
        }
        // With `all` there is nobody left to be redirected (RFC 7208, 6.1).
        if let Some(target) = redirect.filter(|_| !says_all) {
            self.lookups += 1;
            leads_to.extend(self.follow(&target, place.decides));
        }
        leads_to
    }

    fn follow(&mut self, target: &str, decides: bool) -> Option<Pending> {
        if target.contains('%') {
            self.macros = true;
            return None;
        }
        let domain = target.trim_end_matches('.').to_ascii_lowercase();
        self.includes.insert(domain.clone());
        Some(Pending { domain, decides, own: false })
    }
}
