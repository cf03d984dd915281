//! What the world's mail servers find when they look whether mail from the shop's domain is genuine.

use std::collections::{BTreeMap, BTreeSet};

use super::dmarc::{self, Dmarc};
use super::dns::{Dns, NoAnswer};
use super::finding::{self, Area, Finding, Severity};
use super::providers::{self, CUSTOMARY_SELECTORS, Provider};
use super::spf::{self, MOST_LOOKUPS, Spf};
use super::{Examination, dkim};
use crate::config::Config;

/// What to do when the name servers cannot be asked.
pub(super) const ASK_ELSEWHERE: &str =
    "see whether this machine reaches its name servers, or name one that it reaches: `umishop doctor --dns 1.1.1.1`";

/// The domains that mail is sent from, with the hosts it is handed to.
pub(super) fn domains(config: &Config) -> BTreeMap<String, BTreeSet<String>> {
    let mut domains: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for sender in config.channels.values().filter_map(|settings| settings.channel.sender()) {
        domains.entry(sender.address.domain().to_owned()).or_default().extend(sender.hosts);
    }
    domains
}

/// Asks the DNS about `domain`, whose mail is handed to `hosts`.
pub(super) async fn look(examination: &Examination<'_>, domain: &str, hosts: &BTreeSet<String>) -> Vec<Finding> {
    let bad = examination.when_it_sends();
    if is_reserved(domain) {
        let what = "is a name for examples: mail from it is refused everywhere";
        let mend = "write your own address as `from` of the mail channels";
        return vec![Finding::new(Area::Mail, domain, bad, what, mend)];
    }
    let dns = &examination.dns;
    let receives = match receives(dns, domain, bad).await {
        Ok(receives) => receives,
        // Asking on would only take longer.
        Err(why) => return vec![unasked(domain, &why)],
    };
    let providers: Vec<&Provider> = hosts.iter().filter_map(|host| providers::of(host)).collect();
    let known = !hosts.is_empty() && providers.len() == hosts.len();
    let (spf, dmarc, dkim) =
        futures_util::join!(spf::of(dns, domain), dmarc::of(dns, domain), signing(dns, domain, &providers, known));
    let mut findings = vec![receives];
    findings.extend(spf.map_or_else(
        |why| vec![unasked(format!("{domain} SPF"), &why)],
        |spf| may_send(domain, &spf, &providers, known, bad),
    ));
    findings.push(dkim.unwrap_or_else(|why| unasked(format!("{domain} DKIM"), &why)));
    findings.push(dmarc.map_or_else(|why| unasked(format!("{domain} DMARC"), &why), |dmarc| wish(domain, &dmarc)));
    findings
}

/// Names that nobody can have (RFC 2606, RFC 6761); `test` is left to who tests.
fn is_reserved(domain: &str) -> bool {
    let ends = |name: &str| domain == name || domain.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'));
    ["example", "invalid", "example.com", "example.net", "example.org"].into_iter().any(ends)
}

fn unasked(subject: impl Into<String>, why: &NoAnswer) -> Finding {
    finding::unknown(Area::Mail, subject, why.to_string(), ASK_ELSEWHERE)
}

/// Whether answers arrive: mail from a domain that takes none is refused by many.
async fn receives(dns: &Dns, domain: &str, bad: Severity) -> Result<Finding, NoAnswer> {
    let exchanges = dns.exchanges(domain).await?;
    let mend = "give the domain an MX record: answers and bounces come to it";
    Ok(match exchanges.first().map(String::as_str) {
        Some("" | ".") => {
            Finding::new(Area::Mail, domain, bad, "says that it takes no mail (its MX record is empty)", mend)
        }
        Some(exchange) => finding::ok(Area::Mail, domain, format!("takes mail at {exchange}")),
        None if dns.addresses(domain).await?.is_empty() => {
            dns.prove_known().await?;
            Finding::new(Area::Mail, domain, bad, "has neither a mail server nor an address in the DNS", mend)
        }
        None => finding::ok(Area::Mail, domain, "takes mail at its own address: it has no MX record"),
    })
}

fn may_send(domain: &str, spf: &Spf, providers: &[&Provider], known: bool, bad: Severity) -> Vec<Finding> {
    let subject = format!("{domain} SPF");
    let found = |severity, what: String, mend: &str| Finding::new(Area::Mail, &subject, severity, what, mend);
    let required: Vec<&str> = providers.iter().filter_map(|provider| provider.spf).collect();
    if spf.records == 0 {
        if known && required.is_empty() {
            let names = names(providers);
            let what = format!("no record, and none is needed: {names} uses a return address of its own");
            return vec![found(Severity::Ok, what, "")];
        }
        let (include, note) = match required.first() {
            Some(name) => (format!("include:{name}"), ""),
            None => ("include:…".to_owned(), ", with what your mail provider names in place of …"),
        };
        let what = "no record, so that receivers cannot tell your mail from a forgery".to_owned();
        return vec![found(bad, what, &format!("put a TXT record on {domain}: \"v=spf1 {include} ~all\"{note}"))];
    }
    let mut findings: Vec<Finding> = spf
        .faults
        .iter()
        .map(|fault| found(bad, format!("{fault}: receivers take that for no record"), "correct the record"))
        .collect();
    if spf.lookups > MOST_LOOKUPS {
        let what = format!("takes more than {MOST_LOOKUPS} questions to the DNS: receivers take that for no record");
        findings.push(found(bad, what, "take out what no longer sends your mail"));
    }
    match spf.everybody_else {
        Some('+') => findings.push(found(
            bad,
            "ends with +all: anybody may send mail as you".to_owned(),
            "end the record with ~all or -all",
        )),
        Some('?') | None if spf.faults.is_empty() && !spf.macros => findings.push(found(
            Severity::Warning,
            "says nothing against servers that it does not name".to_owned(),
            "end the record with ~all or -all",
        )),
        _ => {}
    }
    for name in required.iter().filter(|name| !spf.includes.contains(**name) && spf.faults.is_empty() && !spf.macros) {
        let what = format!("does not include {name}, whose servers send your mail");
        findings.push(found(bad, what, &format!("put include:{name} into the record, before its end")));
    }
    if findings.is_empty() {
        let what = format!("one record, {} of {MOST_LOOKUPS} questions to the DNS", spf.lookups);
        findings.push(found(Severity::Ok, what, ""));
    }
    findings
}

fn names(providers: &[&Provider]) -> String {
    let names: BTreeSet<&str> = providers.iter().map(|provider| provider.name).collect();
    names.into_iter().collect::<Vec<_>>().join(" and ")
}

/// Whether the domain has a key that its mail may be signed with.
async fn signing(dns: &Dns, domain: &str, providers: &[&Provider], known: bool) -> Result<Finding, NoAnswer> {
    let subject = format!("{domain} DKIM");
    let theirs: Vec<&'static str> = providers.iter().flat_map(|provider| provider.selectors).copied().collect();
    let is_guess = theirs.is_empty() || !known;
    let guessed = if is_guess { CUSTOMARY_SELECTORS } else { &theirs };
    let found = dkim::found(dns, domain, guessed).await?;
    let prove = "send yourself a mail, and look for `dkim=pass` with your domain in its Authentication-Results";
    if !found.is_empty() {
        let what = format!("a key is there ({}); whether mail is signed with it shows only a mail", found.join(", "));
        return Ok(finding::ok(Area::Mail, subject, what));
    }
    let asked = guessed.join(", ");
    if is_guess {
        let mend = match providers {
            [] => format!("ask your provider how your mail is signed; {prove}"),
            [provider, ..] => format!("{}; {prove}", provider.signing),
        };
        let what = format!("what your keys are called is not known; none has a customary name ({asked})");
        return Ok(finding::unknown(Area::Mail, subject, what, mend));
    }
    let what = format!("no key under the names that {} uses ({asked}), unless you chose others", names(providers));
    let mend = providers.iter().map(|provider| provider.signing).collect::<BTreeSet<_>>();
    Ok(finding::warning(Area::Mail, subject, what, mend.into_iter().collect::<Vec<_>>().join("; ")))
}

/// What the domain wishes for mail that fails.
fn wish(domain: &str, dmarc: &Dmarc) -> Finding {
    let subject = format!("{domain} DMARC");
    let begin = format!("put a TXT record on _dmarc.{domain}: \"v=DMARC1; p=none; rua=mailto:you@{domain}\"");
    match dmarc {
        Dmarc::None => {
            let what = "no record: Gmail, Yahoo and Microsoft ask senders of many mails for one";
            finding::warning(Area::Mail, subject, what, begin)
        }
        Dmarc::Several(at) => {
            let what = format!("_dmarc.{at} has more than one record: receivers take that for none");
            finding::warning(Area::Mail, subject, what, "leave one")
        }
        Dmarc::Record { domain: at, policy, reports } => {
            let place = if at == domain { String::new() } else { format!(", from {at}") };
            match policy.as_str() {
                "none" if !reports => finding::warning(
                    Area::Mail,
                    subject,
                    format!("p=none without rua{place}: nothing is asked for, and nobody learns of forgeries"),
                    format!("add rua=mailto:you@{domain}, and write p=quarantine once the reports are clean"),
                ),
                "none" => finding::ok(Area::Mail, subject, format!("p=none{place}: forgeries are only reported")),
                "quarantine" | "reject" => {
                    let reports = if *reports { "" } else { ", and nobody is told (no rua)" };
                    finding::ok(Area::Mail, subject, format!("p={policy}{place}{reports}"))
                }
                _ => finding::warning(
                    Area::Mail,
                    subject,
                    format!("its record{place} has no policy that exists: receivers take that for none"),
                    "write p=none, p=quarantine or p=reject",
                ),
            }
        }
    }
}
