//! What a bot should send, for the documentation of the API.
//!
//! Nothing is ever decoded into these: what is accepted is wider, and read by [`crate::intake`].

use poem_openapi::Object;
use poem_openapi::types::Example;

/// What a bot sends to register a customer. One of `email` and `phone` is enough. Aliases are understood
/// (`username`, `first_name`, `mail`, `telephone` …), and whatever else is sent is kept with the origin.
#[derive(Debug, Object)]
#[oai(example)]
pub(super) struct UserBody {
    /// The customer's name.
    name: Option<String>,
    /// Their mail address. A welcome by mail goes there.
    email: Option<String>,
    /// Their phone, in any notation.
    phone: Option<String>,
    /// Language tag, such as `es`.
    language: Option<String>,
    #[oai(flatten)]
    origin: OriginBody,
    /// Validate and answer fully, but store nothing.
    test: Option<bool>,
}

/// What a bot sends when a customer asks for help: the question, and the customer as in `…/user`.
#[derive(Debug, Object)]
#[oai(example)]
pub(super) struct TopicBody {
    /// The topic: a button's label, in any case, with or without emoji.
    topic: Option<String>,
    /// The question; also `description`, `message` or `text`.
    question: Option<String>,
    /// The customer's name.
    name: Option<String>,
    /// Their mail address. Answers to a mail notification go there.
    email: Option<String>,
    /// Their phone, in any notation.
    phone: Option<String>,
    /// The sender's own name for this request; a second one with the same is not sent again.
    request_id: Option<String>,
    /// Language tag, such as `es`.
    language: Option<String>,
    #[oai(flatten)]
    origin: OriginBody,
    /// Validate and answer fully, but store nothing.
    test: Option<bool>,
}

/// Where the customer came from.
#[derive(Debug, Default, Object)]
pub(super) struct OriginBody {
    utm_source: Option<String>,
    utm_medium: Option<String>,
    utm_campaign: Option<String>,
    utm_term: Option<String>,
    utm_content: Option<String>,
    gclid: Option<String>,
    fbclid: Option<String>,
    /// The shop's own referral code.
    #[oai(rename = "ref")]
    referral: Option<String>,
    /// The page that linked here.
    referrer: Option<String>,
    /// The first page of the visit.
    landing_page: Option<String>,
    /// How the customer talks to the bot: `web`, `whatsapp`, `messenger` …
    channel: Option<String>,
    /// Country; two letters help to read the phone.
    country: Option<String>,
    /// Landbot's number for the customer.
    landbot_customer_id: Option<String>,
    /// Landbot's name for the chat; makes the "Open chat" link.
    chat_uuid: Option<String>,
}

impl Example for UserBody {
    fn example() -> Self {
        Self {
            name: Some("Ana".into()),
            email: Some("ana@example.com".into()),
            phone: Some("+34 612 345 678".into()),
            language: Some("es".into()),
            origin: OriginBody {
                utm_source: Some("google".into()),
                utm_medium: Some("cpc".into()),
                ..OriginBody::default()
            },
            test: None,
        }
    }
}

impl Example for TopicBody {
    fn example() -> Self {
        Self {
            topic: Some("Pricing".into()),
            question: Some("How much is shipping to Portugal?".into()),
            name: Some("Ana".into()),
            email: Some("ana@example.com".into()),
            phone: None,
            request_id: None,
            language: None,
            origin: OriginBody {
                chat_uuid: Some("6a4f0d5e-3f0b-4c7c-8f51-2f6f2f1a9c11".into()),
                ..OriginBody::default()
            },
            test: None,
        }
    }
}
