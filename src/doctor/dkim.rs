//! The keys that sign a domain's mail (RFC 6376). Their names, the selectors, are known only to who signs: one can ask
//! for those that are customary, and finding none proves nothing.

use futures_util::future::join_all;

use super::dns::{Dns, NoAnswer};

/// The selectors among `guessed` that have a key, in their order.
pub(super) async fn found(dns: &Dns, domain: &str, guessed: &[&'static str]) -> Result<Vec<&'static str>, NoAnswer> {
    let asked = guessed.iter().map(|selector| async move {
        let texts = dns.texts(&format!("{selector}._domainkey.{domain}")).await?;
        Ok::<_, NoAnswer>(texts.iter().any(|text| has_key(text)).then_some(*selector))
    });
    let answers: Result<Vec<_>, NoAnswer> = join_all(asked).await.into_iter().collect();
    Ok(answers?.into_iter().flatten().collect())
}

/// Whether a text is a key; an empty one was withdrawn (RFC 6376, 3.6.1).
fn has_key(text: &str) -> bool {
    let mut tags = text.split(';').filter_map(|tag| tag.split_once('='));
    tags.any(|(name, value)| name.trim() == "p" && !value.trim().is_empty())
}
