//! What tells where a customer came from, without what differs from visit to visit.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Origin, Phone, truncate};

/// Longest of each, in characters: enough to tell campaigns apart, too little to fill a disk.
const LONGEST: usize = 200;

/// The part of an [`Origin`] that the ledger counts by: as the bot told it, but of click ids only their names, of the
/// referrer only its host, and of the landing page neither query nor fragment. So many visits have the same clues, and
/// what they mean can be told anew when the rules change. The origin itself is kept beside, whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Clues {
    /// `utm_source`
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// `utm_medium`
    #[serde(skip_serializing_if = "String::is_empty")]
    pub medium: String,
    /// `utm_campaign`
    #[serde(skip_serializing_if = "String::is_empty")]
    pub campaign: String,
    /// The names of the click ids that came along.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub clicks: BTreeSet<String>,
    /// The shop's own referral code.
    #[serde(rename = "ref", skip_serializing_if = "String::is_empty")]
    pub referral: String,
    /// What came as `"origin": "text"`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// The host that linked here.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub referrer: String,
    /// Host and path of the first page.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub landing_page: String,
    /// How the customer talked to the bot.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub channel: String,
    /// The country, as it was told.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub country: String,
    /// The country of the customer's phone.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub phone_country: String,
}

impl Clues {
    /// Those of one visit, by a customer with this phone.
    pub fn of(origin: &Origin, phone: Option<&Phone>) -> Self {
        let cut = |text: &str| truncate(text, LONGEST).text.trim_end().to_owned();
        let told = |text: &Option<String>| text.as_deref().map(cut).unwrap_or_default();
        let tag = |name: &str| origin.utm.get(name).map(|text| cut(text)).unwrap_or_default();
        Self {
            source: tag("utm_source"),
            medium: tag("utm_medium"),
            campaign: tag("utm_campaign"),
            clicks: origin.clicks.keys().map(|name| cut(name)).collect(),
            referral: told(&origin.referral),
            text: told(&origin.text),
            referrer: origin.referrer.as_deref().and_then(address).map_or_else(String::new, |(host, _)| cut(&host)),
            landing_page: origin.landing_page.as_deref().map(page).map_or_else(String::new, |page| cut(&page)),
            channel: told(&origin.channel),
            country: told(&origin.country),
            phone_country: phone.and_then(Phone::country).map_or_else(String::new, |country| country.to_string()),
        }
    }

    /// Whether they say who sent the customer, and not merely that one is there.
    pub fn tell_a_source(&self) -> bool {
        let texts = [&self.source, &self.medium, &self.campaign, &self.referral, &self.text, &self.referrer];
        !self.clicks.is_empty() || texts.iter().any(|text| !text.is_empty())
    }
}

/// Host and path of an address; one without a scheme counts as one.
fn address(text: &str) -> Option<(String, String)> {
    let text = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let url = url::Url::parse(&text).ok()?;
    Some((url.host_str()?.to_owned(), url.path().to_owned()))
}

/// An address without scheme, query, fragment and the slash at its end; a bare path stays one.
fn page(text: &str) -> String {
    let bare = text.split(['?', '#']).next().unwrap_or_default();
    let page = match address(bare).filter(|_| !bare.starts_with('/')) {
        Some((host, path)) => format!("{host}{path}"),
        None => bare.to_owned(),
    };
    if page.len() > 1 { page.trim_end_matches('/').to_owned() } else { page }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_visit_to_visit_makes_no_difference() {
        let visit = |id: &str| Origin {
            clicks: [("gclid".to_owned(), id.to_owned())].into(),
            referrer: Some(format!("https://www.google.com/search?q={id}")),
            landing_page: Some(format!("https://shop.example/sale/?gclid={id}#{id}")),
            landbot_customer_id: Some(id.into()),
            chat_uuid: Some(id.into()),
            ..Origin::default()
        };
        let clues = Clues::of(&visit("a"), None);
        assert_eq!(clues, Clues::of(&visit("b"), None));
        assert_eq!((clues.referrer.as_str(), clues.landing_page.as_str()), ("www.google.com", "shop.example/sale"));
        assert!(clues.tell_a_source());
    }

    #[test]
    fn a_channel_and_a_country_tell_no_source() {
        let spanish = Phone { raw: "612".into(), e164: Some("+34612345678".into()) };
        let origin = Origin { channel: Some("whatsapp".into()), ..Origin::default() };
        let clues = Clues::of(&origin, Some(&spanish));
        assert!(!clues.tell_a_source());
        assert_eq!((clues.channel.as_str(), clues.phone_country.as_str()), ("whatsapp", "ES"));
    }

    #[test]
    fn a_landing_page_is_a_page_however_it_is_written() {
        for (text, expected) in [
            ("https://Shop.example", "shop.example"),
            ("http://shop.example/a/b/", "shop.example/a/b"),
            ("shop.example/a?x", "shop.example/a"),
            ("/a/?x", "/a"),
            ("/", "/"),
            ("a page", "a page"),
        ] {
            assert_eq!(page(text), expected, "{text}");
        }
    }
}
