//! Where a customer came from.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One visit's origin, as far as the bot told. First touch stays on the user; later visits are kept as touches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Origin {
    /// Campaign tags: `utm_source`, `utm_medium`, `utm_campaign`, and any other `utm_*`, by their full name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub utm: BTreeMap<String, String>,
    /// Click ids that advertising networks add to an address: `gclid`, `fbclid`, `msclkid`, `ttclid`, `ctwa_clid` …
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub clicks: BTreeMap<String, String>,
    /// The shop's own referral code (`ref`).
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub referral: Option<String>,
    /// The page that linked here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referrer: Option<String>,
    /// The first page of the visit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub landing_page: Option<String>,
    /// How the customer talks to the bot: `web`, `whatsapp`, `messenger`, `api`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// Country, as the bot told it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// Landbot's number for the customer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub landbot_customer_id: Option<String>,
    /// Landbot's name for the chat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chat_uuid: Option<String>,
    /// What came as `"origin": "text"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Every further field, by its name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, String>,
}

impl Origin {
    /// The source of a customer of whom nothing else is known.
    pub const DIRECT: &str = "direct";

    /// One readable line: `google / cpc / summer`, else what the shop or the bot called it, else the referrer's host,
    /// else `direct`.
    pub fn source(&self) -> String {
        let tags: Vec<&str> = ["utm_source", "utm_medium", "utm_campaign"]
            .iter()
            .filter_map(|name| self.utm.get(*name))
            .map(String::as_str)
            .collect();
        if !tags.is_empty() {
            return tags.join(" / ");
        }
        self.untagged().into_owned()
    }

    /// Who sent the customer: `utm_source`, else what the shop or the bot called it, else the referrer's host, else
    /// `direct`.
    pub fn sender(&self) -> Cow<'_, str> {
        self.utm.get("utm_source").map_or_else(|| self.untagged(), |source| source.as_str().into())
    }

    /// The source as far as it can be told without campaign tags.
    fn untagged(&self) -> Cow<'_, str> {
        match self.referral.as_ref().or(self.text.as_ref()) {
            Some(named) => named.as_str().into(),
            None => self.referrer.as_deref().and_then(host).map_or(Self::DIRECT.into(), Cow::Owned),
        }
    }
}

impl Origin {
    /// Every field under its own name, as a bot sends it flat. A further field never hides a known one.
    pub fn fields(&self) -> BTreeMap<String, String> {
        let known = [
            ("ref", &self.referral),
            ("referrer", &self.referrer),
            ("landing_page", &self.landing_page),
            ("channel", &self.channel),
            ("country", &self.country),
            ("landbot_customer_id", &self.landbot_customer_id),
            ("chat_uuid", &self.chat_uuid),
            ("origin", &self.text),
        ];
        let mut fields = self.extra.clone();
        fields.extend(self.utm.clone());
        fields.extend(self.clicks.clone());
        fields.extend(known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?))));
        fields
    }
}

/// The host of an address, without `www.`; an address without a scheme counts as one.
fn host(address: &str) -> Option<String> {
    let address = if address.contains("://") { address.to_owned() } else { format!("https://{address}") };
    let host = url::Url::parse(&address).ok()?.host_str()?.to_owned();
    Some(host.strip_prefix("www.").unwrap_or(&host).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utm(tags: &[(&str, &str)]) -> BTreeMap<String, String> {
        tags.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn campaign_tags_name_the_source() {
        let origin = Origin {
            utm: utm(&[("utm_source", "google"), ("utm_medium", "cpc"), ("utm_campaign", "summer")]),
            referrer: Some("https://x.example".into()),
            ..Origin::default()
        };
        assert_eq!(origin.source(), "google / cpc / summer");
        assert_eq!(
            Origin { utm: utm(&[("utm_source", "google"), ("utm_campaign", "summer")]), ..Origin::default() }.source(),
            "google / summer"
        );
    }

    #[test]
    fn else_the_referrers_host_else_direct() {
        let from = |referrer: &str| Origin { referrer: Some(referrer.into()), ..Origin::default() }.source();
        assert_eq!(from("https://www.blog.example/post?id=1"), "blog.example");
        assert_eq!(from("blog.example/post"), "blog.example");
        assert_eq!(from("not an address"), "direct");
        assert_eq!(Origin::default().source(), "direct");
        assert_eq!(Origin { text: Some("Fair in Madrid".into()), ..Origin::default() }.source(), "Fair in Madrid");
    }

    #[test]
    fn the_sender_is_the_source_without_medium_and_campaign() {
        let tagged = |tags| Origin { utm: utm(tags), referral: Some("ana".into()), ..Origin::default() };
        assert_eq!(tagged(&[("utm_source", "google"), ("utm_medium", "cpc")]).sender(), "google");
        assert_eq!(tagged(&[("utm_medium", "cpc")]).sender(), "ana");
        assert_eq!(Origin::default().sender(), "direct");
    }
}
