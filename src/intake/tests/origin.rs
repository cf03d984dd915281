//! Where a customer came from, and what that says about their phone.

use super::*;

#[test]
fn an_origin_may_be_flat_an_object_or_a_text() {
    let flat = fields(r#"{"utm_source": "google", "utm-medium": "cpc", "utmCampaign": "summer", "UTM_X": "y", "gclid": "g", "ctwaClid": "c", "ref": "r1", "referer": "https://blog.example/", "landing": "/box", "channel": "WhatsApp", "country": "PT", "customer_id": 7, "umi_chat": "c-1", "company": "Acme"}"#).origin;
    let nested = fields(r#"{"origin": {"utm_source": "google", "utm_medium": "cpc", "utm_campaign": "summer", "utm_x": "y", "gclid": "g", "ctwa_clid": "c", "ref_code": "r1", "page_referrer": "https://blog.example/", "page": "/box", "channel": "whatsapp", "country": "PT", "landbot_customer_id": "7", "chat_uuid": "c-1", "company": "Acme"}}"#).origin;
    assert_eq!(flat, nested);
    assert_eq!((flat.source().as_str(), flat.utm["utm_x"].as_str()), ("google / cpc / summer", "y"));
    assert_eq!(
        (flat.clicks["gclid"].as_str(), flat.clicks["ctwa_clid"].as_str(), flat.referral.as_deref()),
        ("g", "c", Some("r1"))
    );
    assert_eq!(
        (flat.referrer.as_deref(), flat.landing_page.as_deref(), flat.channel.as_deref()),
        (Some("https://blog.example/"), Some("/box"), Some("whatsapp"))
    );
    assert_eq!(
        (flat.landbot_customer_id.as_deref(), flat.chat_uuid.as_deref(), flat.extra["company"].as_str()),
        (Some("7"), Some("c-1"), "Acme")
    );
    assert_eq!(fields(r#"{"origin": "Fair in Madrid"}"#).origin.source(), "Fair in Madrid");
    let about = fields(r#"{"name": "Ana", "origin": {"name": "spring", "text": "Fair"}}"#);
    assert_eq!(
        (about.name.as_str(), about.origin.extra["name"].as_str(), about.origin.text.as_deref()),
        ("Ana", "spring", Some("Fair"))
    );
}

#[test]
fn a_whatsapp_referral_says_which_advertisement() {
    let body = r#"{"phone": "34612345678", "referral": {"source_url": "https://fb.example/1", "ctwa_clid": "c", "headline": "Boxes", "body": "Buy"}}"#;
    for body in [body.to_owned(), HOOK.replace("\"seq\": 3", r#""referral": {"source_url": "https://fb.example/1", "ctwa_clid": "c", "headline": "Boxes", "body": "Buy"}"#)] {
        let origin = fields(body).origin;
        assert_eq!((origin.clicks["ctwa_clid"].as_str(), origin.referrer.as_deref()), ("c", Some("https://fb.example/1")));
        assert_eq!((origin.extra["headline"].as_str(), origin.extra["body"].as_str(), origin.referral), ("Boxes", "Buy", None));
    }
}

#[test]
fn tags_in_an_address_count_when_none_came_otherwise() {
    let page = "https://shop.example/?utm_source=google&utm-medium=cpc&gclid=g&utm_term=@term#utm_campaign=no";
    let from_page =
        fields(format!(r#"{{"url": "{page}", "referrer": "https://x.example/?utm_source=x&fbclid=f"}}"#)).origin;
    assert_eq!(
        (from_page.source().as_str(), from_page.clicks.len(), from_page.landing_page.as_deref()),
        ("google / cpc", 1, Some(page))
    );
    let own = fields(format!(r#"{{"landing_page": "{page}", "utm_source": "news"}}"#)).origin;
    assert_eq!((own.source().as_str(), own.clicks["gclid"].as_str()), ("news", "g"));
    let from_referrer = fields(r#"{"page": "/box", "referrer": "https://x.example/?utm_source=x&fbclid=f"}"#).origin;
    assert_eq!((from_referrer.source().as_str(), from_referrer.clicks["fbclid"].as_str()), ("x", "f"));
}

#[test]
fn a_phone_is_read_by_the_bodys_country_and_channel() {
    assert_eq!(e164(&fields(r#"{"phone": "07911 123456", "country": "gb"}"#)), "+447911123456");
    assert_eq!(e164(&fields(r#"{"phone": "612345678", "country": "Spain"}"#)), "+34612345678");
    assert_eq!(e164(&fields(r#"{"phone": "298123456", "channel": "whatsapp"}"#)), "+298123456");
    assert_eq!(e164(&fields(r#"{"phone": "298123456", "channel": {"type": "WhatsApp", "id": 1}}"#)), "+298123456");
    assert_eq!(e164(&fields("phone=+34 612345678")), "+34612345678", "a plus that nobody encoded is a space");
}
