//! The two webhooks.
//!
//! Read, decide, store in one transaction, wake the relay, answer. Nothing is sent from here, and nobody is refused
//! for a bad phone or an unknown topic: a customer is worth more than a tidy record.

use std::time::Duration;

use poem::web::Data;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi, Tags};

use super::answer::{Answer, Details, Status, WebhookAnswer};
use super::auth;
use super::delivery::{Delivery, Incomplete};
use super::{SharedWeb, Web};
use crate::domain::{Fingerprint, InboxId, MessageId, NewMessage, NewRequest, NewUser, Purpose, RequestId, UserId};
use crate::intake::{Fields, Reading, Received};
use crate::store::{InboxEntry, Registration, StoreError, Submission};

/// When to send it again if the store could not take it.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// What a bot sends to register a customer. One of `email` and `phone` is enough. Aliases are understood
/// (`username`, `first_name`, `mail`, `telephone` …), and whatever else is sent is kept with the origin.
#[derive(Debug, Object)]
#[oai(example)]
struct UserBody {
    /// The customer's name.
    name: Option<String>,
    /// Their mail address. The welcome goes there.
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
struct TopicBody {
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
struct OriginBody {
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

impl poem_openapi::types::Example for UserBody {
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

impl poem_openapi::types::Example for TopicBody {
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

/// A hint for whoever opens a webhook's address in a browser.
#[derive(Debug, Object)]
struct Hint {
    ok: bool,
    message: String,
}

#[derive(Tags)]
enum Group {
    /// What a chatbot calls.
    Webhooks,
}

/// The two webhooks.
pub(super) struct Webhooks;

#[OpenApi(tag = "Group::Webhooks")]
impl Webhooks {
    /// Register a customer
    ///
    /// Known customers are answered with 200 too: what was missing is added, and no second welcome is sent.
    #[oai(path = "/umishop_api/user", method = "post")]
    async fn register_user(&self, web: Data<&SharedWeb>, delivery: Delivery<UserBody>) -> WebhookAnswer {
        handle(&web, &delivery, None, register).await
    }

    /// Ask for help
    ///
    /// The question goes to the channels of its topic; an unknown topic goes to the catch-all, marked. The same
    /// question about the same topic by the same customer within ten minutes is one request.
    #[oai(path = "/umishop_api/topic", method = "post")]
    async fn submit_request(&self, web: Data<&SharedWeb>, delivery: Delivery<TopicBody>) -> WebhookAnswer {
        handle(&web, &delivery, None, submit).await
    }

    /// Register a customer, with the secret in the address
    ///
    /// For senders that cannot set a header.
    #[oai(path = "/umishop_api/:secret/user", method = "post")]
    async fn register_user_by_path(
        &self,
        web: Data<&SharedWeb>,
        secret: Path<String>,
        delivery: Delivery<UserBody>,
    ) -> WebhookAnswer {
        handle(&web, &delivery, Some(&secret), register).await
    }

    /// Ask for help, with the secret in the address
    ///
    /// For senders that cannot set a header.
    #[oai(path = "/umishop_api/:secret/topic", method = "post")]
    async fn submit_request_by_path(
        &self,
        web: Data<&SharedWeb>,
        secret: Path<String>,
        delivery: Delivery<TopicBody>,
    ) -> WebhookAnswer {
        handle(&web, &delivery, Some(&secret), submit).await
    }

    /// What this address is for
    #[oai(path = "/umishop_api/user", method = "get")]
    async fn hint_user(&self) -> Json<Hint> {
        Json(Hint { ok: true, message: "POST name, email and phone here to register a customer; see /docs".to_owned() })
    }

    /// What this address is for
    #[oai(path = "/umishop_api/topic", method = "get")]
    async fn hint_topic(&self) -> Json<Hint> {
        Json(Hint { ok: true, message: "POST topic, question and email here to ask for help; see /docs".to_owned() })
    }
}

/// The part that both webhooks share: who may, what came, and what to do when it cannot be read.
async fn handle<Body>(
    web: &Web,
    delivery: &Delivery<Body>,
    path_secret: Option<&str>,
    decide: impl AsyncFnOnce(&Web, Fields) -> WebhookAnswer,
) -> WebhookAnswer {
    if !auth::intake_allows(&web.intake.auth, path_secret.or_else(|| delivery.secret())) {
        return WebhookAnswer::Unauthorized(Json(Answer::error(web, Status::Unauthorized, "")));
    }
    let (body, why) = match &delivery.body {
        Ok(body) => {
            let received = Received { headers: &delivery.headers, query: &delivery.query, body };
            match crate::intake::read(&received, web.intake.default_country) {
                Ok(Reading::Fields(fields)) => return decide(web, *fields).await,
                Ok(Reading::Ignored { .. }) => {
                    return WebhookAnswer::Done(Json(Answer::new(web, Status::Ignored, Details::default())));
                }
                Err(unreadable) => (body.as_slice(), unreadable.to_string()),
            }
        }
        Err(Incomplete::TooLarge(start)) => {
            (start.as_slice(), "the body is longer than 128 KiB; this is its start".to_owned())
        }
        Err(Incomplete::Broken(start, why)) => (start.as_slice(), why.clone()),
    };
    let now = web.clock.now();
    let entry = InboxEntry {
        id: InboxId::new(now),
        received_at: now,
        request_line: delivery.request_line(path_secret),
        headers: delivery.header_lines(),
        body: body.to_vec(),
        why: why.clone(),
    };
    tracing::warn!(inbox.id = %entry.id, why, "A webhook could not be read; it is kept in the inbox");
    if let Err(error) = web.store.keep_unreadable(entry).await {
        return unavailable(web, &error);
    }
    let answer = Json(Answer::error(web, Status::Error, &why));
    match delivery.body {
        Err(Incomplete::TooLarge(_)) => WebhookAnswer::TooLarge(answer),
        _ => WebhookAnswer::Unreadable(answer),
    }
}

async fn register(web: &Web, fields: Fields) -> WebhookAnswer {
    let contact = fields.contact();
    let unreachable = contact.email.is_none() && contact.phone.is_none();
    if unreachable || matches!(fields.email, Some(Err(_))) {
        return invalid(web, "email", &fields);
    }
    let now = web.clock.now();
    let user = new_user(&fields, UserId::new(now));
    if fields.test {
        let details =
            Details { id: user.id.to_string(), name: &user.name, language: &fields.language, ..Details::default() };
        return WebhookAnswer::Done(Json(Answer::new(web, Status::Created, details)));
    }
    let welcome = web.welcome.as_ref().map(|welcome| NewMessage {
        id: MessageId::new(now),
        channel: welcome.channel.clone(),
        purpose: Purpose::Welcome,
        due_at: now.after(welcome.delay),
    });
    let registration = Registration { user, welcome, trace: fields.trace.clone() };
    let registered = match web.store.register_user(registration, now).await {
        Ok(registered) => registered,
        Err(error) => return unavailable(web, &error),
    };
    if let (Some(due), Some(welcome)) = (registered.welcome_due, &web.welcome) {
        web.wake.at(&welcome.channel, due);
    }
    let status = if registered.created { Status::Created } else { Status::AlreadyRegistered };
    let user = registered.user;
    let details =
        Details { id: user.id.to_string(), name: &user.name, language: &fields.language, ..Details::default() };
    WebhookAnswer::Done(Json(Answer::new(web, status, details)))
}

async fn submit(web: &Web, mut fields: Fields) -> WebhookAnswer {
    let contact = fields.contact();
    if contact.is_empty() && matches!(fields.email, Some(Err(_))) {
        return invalid(web, "email", &fields);
    }
    // A topic without a question is a customer who wants to be called back, if there is a way to reach them.
    if fields.question.is_empty() && (fields.topic.as_str().is_empty() || contact.is_empty()) {
        return invalid(web, "question", &fields);
    }
    let now = web.clock.now();
    let routed = web.routes.route(&fields.topic);
    let fingerprint = Fingerprint::new(&contact, &fields.topic, &fields.question);
    let request = NewRequest {
        id: RequestId::new(now),
        topic: fields.topic.clone(),
        topic_unknown: routed.topic_unknown,
        question: std::mem::take(&mut fields.question),
        // Landbot repeats a MessageHook until it is answered, always under the same mark.
        idempotency_key: fields.trace.take().or_else(|| fields.request_id.take()),
        fingerprint,
        origin: fields.origin.clone(),
    };
    let topic = routed.route.topic.as_ref().unwrap_or(&fields.topic).as_str();
    let channel = routed.route.channels.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let answer = |status, id: RequestId, name: &str| {
        let details = Details { id: id.to_string(), name, topic, channel, field: "", language: &fields.language };
        WebhookAnswer::Done(Json(Answer::new(web, status, details)))
    };
    if fields.test {
        return answer(Status::Queued, request.id, &fields.name);
    }
    let messages = routed.route.channels.iter().map(|channel| NewMessage {
        id: MessageId::new(now),
        channel: channel.clone(),
        purpose: Purpose::Request,
        due_at: now,
    });
    let user = (!contact.is_empty()).then(|| new_user(&fields, UserId::new(now)));
    let submission = Submission { user, request, messages: messages.collect() };
    match web.store.submit_request(submission, now).await {
        Ok(submitted) => {
            if !submitted.duplicate {
                routed.route.channels.iter().for_each(|channel| web.wake.at(channel, now));
            }
            let status = if submitted.duplicate { Status::Duplicate } else { Status::Queued };
            let name = submitted.user.map_or_else(|| fields.name.clone(), |user| user.name);
            answer(status, submitted.request_id, &name)
        }
        Err(StoreError::KeyReused) => invalid(web, "request_id", &fields),
        Err(error) => unavailable(web, &error),
    }
}

fn new_user(fields: &Fields, id: UserId) -> NewUser {
    NewUser {
        id,
        name: fields.name.clone(),
        contact: fields.contact(),
        language: fields.language.clone(),
        origin: fields.origin.clone(),
    }
}

fn invalid(web: &Web, field: &str, fields: &Fields) -> WebhookAnswer {
    let details = Details {
        name: &fields.name,
        topic: fields.topic.as_str(),
        field,
        language: &fields.language,
        ..Details::default()
    };
    WebhookAnswer::Invalid(Json(Answer::new(web, Status::Invalid, details)))
}

fn unavailable(web: &Web, error: &StoreError) -> WebhookAnswer {
    tracing::error!(%error, "A webhook could not be stored");
    WebhookAnswer::Unavailable(Json(Answer::error(web, Status::Error, "")), RETRY_AFTER.as_secs())
}
