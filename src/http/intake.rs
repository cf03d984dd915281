//! The two webhooks.
//!
//! Read, decide, store in one transaction, wake the relay, answer. Nothing is sent from here, and nobody is refused
//! for a bad phone or an unknown topic: a customer is worth more than a tidy record.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use poem::web::Data;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi, Tags};

use super::answer::{Answer, Details, Status, WebhookAnswer};
use super::area::Area;
use super::auth;
use super::bodies::{TopicBody, UserBody};
use super::delivery::{Delivery, Incomplete};
use super::recent::RecentCall;
use super::{SharedWeb, Web};
use crate::changes::Section;
use crate::crash;
use crate::domain::{
    Contact, Decision, Fingerprint, InboxId, MessageId, NewMessage, NewRequest, NewUser, Purpose, RequestId, UserId,
};
use crate::intake::{Fields, Reading, Received};
use crate::store::{InboxEntry, Registered, Registration, StoreError, Submission, Submitted};

/// When to send it again if the store could not take it.
const RETRY_AFTER: Duration = Duration::from_secs(2);

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
        Box::pin(handle(&web, &delivery, None, register)).await
    }

    /// Ask for help
    ///
    /// The question goes to the channels of the routes that it takes, by its topic and by where the customer came from;
    /// what no route takes goes to the catch-all. A topic that no route names is marked. The same question about the
    /// same topic by the same customer within ten minutes is one request.
    #[oai(path = "/umishop_api/topic", method = "post")]
    async fn submit_request(&self, web: Data<&SharedWeb>, delivery: Delivery<TopicBody>) -> WebhookAnswer {
        Box::pin(handle(&web, &delivery, None, submit)).await
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
        Box::pin(handle(&web, &delivery, Some(&secret), register)).await
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
        Box::pin(handle(&web, &delivery, Some(&secret), submit)).await
    }

    /// What this address is for
    #[oai(path = "/umishop_api/user", method = "get")]
    async fn hint_user(&self) -> Json<Hint> {
        Json(Hint { ok: true, message: "POST name, email and phone here to register a customer; see /docs".to_owned() })
    }

    /// What this address is for
    #[oai(path = "/umishop_api/:secret/user", method = "get")]
    async fn hint_user_by_path(&self, #[oai(name = "secret")] _secret: Path<String>) -> Json<Hint> {
        self.hint_user().await
    }

    /// What this address is for
    #[oai(path = "/umishop_api/:secret/topic", method = "get")]
    async fn hint_topic_by_path(&self, #[oai(name = "secret")] _secret: Path<String>) -> Json<Hint> {
        self.hint_topic().await
    }

    /// What this address is for
    #[oai(path = "/umishop_api/topic", method = "get")]
    async fn hint_topic(&self) -> Json<Hint> {
        Json(Hint { ok: true, message: "POST topic, question and email here to ask for help; see /docs".to_owned() })
    }
}

/// Takes a webhook in, counts what it is answered, and keeps it for whoever sets the bot up.
///
/// Callers box it: what is kept across its waits is large, and the framework moves a handler's future several times.
async fn handle<Body>(
    web: &Web,
    delivery: &Delivery<Body>,
    path_secret: Option<&str>,
    decide: impl AsyncFnOnce(&Web, Fields) -> Result<WebhookAnswer, Refusal>,
) -> WebhookAnswer {
    let (at, begun) = (web.clock.now(), Instant::now());
    let answered = take_in(web, delivery, path_secret, decide).await;
    let (webhook, answer) = (delivery.area().as_str(), answered.answer());
    let (status, channel) = (answer.status.as_str(), &answer.channel);
    web.metrics.answers.count(webhook, status);
    tracing::debug!(webhook, status, id = answer.id, channel, "Answered a webhook: {status}");
    let took = (at, begun.elapsed());
    web.recent.keep(RecentCall::new(delivery, path_secret.is_some(), (answered.code(), answer), took));
    web.events.feed().tell(Section::Webhooks);
    answered
}

/// Does once more what a webhook said that was let in before; see [`super::replay`].
pub(super) async fn repeat(web: &Web, area: Area, received: &Received<'_>) -> WebhookAnswer {
    let done = match area {
        Area::Topic => do_what_it_says(web, received, submit).await,
        _ => do_what_it_says(web, received, register).await,
    };
    done.unwrap_or_else(|refusal| match refusal {
        Refusal::Store(error) => unavailable(web, &error),
        Refusal::Kept(answer, _) => answer,
    })
}

/// The part that both webhooks share: who may, what came, and what to do when it cannot be read.
async fn take_in<Body>(
    web: &Web,
    delivery: &Delivery<Body>,
    path_secret: Option<&str>,
    decide: impl AsyncFnOnce(&Web, Fields) -> Result<WebhookAnswer, Refusal>,
) -> WebhookAnswer {
    let shown = path_secret.or_else(|| delivery.secret());
    if !auth::intake_allows(&web.intake.auth, shown) {
        // Who shows none guesses nothing, and is better told what is missing.
        let guessed = if shown.is_some() { web.gate.wrong_secret(delivery.client) } else { Ok(()) };
        return match guessed {
            Ok(()) => WebhookAnswer::Unauthorized(Json(Answer::error(web, Status::Unauthorized, ""))),
            Err(too_often) => WebhookAnswer::too_often(web, too_often),
        };
    }
    let (body, done) = match &delivery.body {
        Ok(body) => {
            let received = Received { headers: &delivery.headers, query: &delivery.query, body };
            (body, do_what_it_says(web, &received, decide).await)
        }
        Err(Incomplete::TooLarge(start)) => {
            let why = "the body is longer than 128 KiB; this is its start";
            let answer = WebhookAnswer::TooLarge(Json(Answer::error(web, Status::Error, why)));
            (start, Err(Refusal::Kept(answer, why.into())))
        }
        Err(Incomplete::Broken(start, why)) => (start, Err(Refusal::unreadable(web, why.clone()))),
    };
    match done {
        Ok(answer) => answer,
        Err(Refusal::Store(error)) => unavailable(web, &error),
        Err(Refusal::Kept(answer, why)) => match keep(web, delivery, path_secret, body, &why).await {
            Ok(()) => answer,
            Err(error) => unavailable(web, &error),
        },
    }
}

/// Reads what came, and does what it says.
async fn do_what_it_says(
    web: &Web,
    received: &Received<'_>,
    decide: impl AsyncFnOnce(&Web, Fields) -> Result<WebhookAnswer, Refusal>,
) -> Result<WebhookAnswer, Refusal> {
    match crate::intake::read(received, web.intake.default_country) {
        Ok(Reading::Fields(fields)) => decide(web, *fields).await,
        Ok(Reading::Ignored { .. }) => {
            Ok(WebhookAnswer::Done(Json(Answer::new(web, Status::Ignored, Details::default()))))
        }
        Err(error) => Err(Refusal::unreadable(web, error.to_string())),
    }
}

/// Why a webhook was not done.
enum Refusal {
    /// The store could not take it.
    Store(StoreError),
    /// It is answered so, but kept for an operator: the visitor may not be able to mend it.
    Kept(WebhookAnswer, Cow<'static, str>),
}

impl Refusal {
    /// Nobody can tell what it says.
    fn unreadable(web: &Web, why: String) -> Self {
        Self::Kept(WebhookAnswer::Unreadable(Json(Answer::error(web, Status::Error, &why))), why.into())
    }
}

/// Puts a webhook into the inbox, for an operator to read.
async fn keep<Body>(
    web: &Web,
    delivery: &Delivery<Body>,
    path_secret: Option<&str>,
    body: &[u8],
    why: &str,
) -> Result<(), StoreError> {
    let now = web.clock.now();
    let entry = InboxEntry {
        id: InboxId::new(now),
        received_at: now,
        request_line: delivery.request_line(path_secret.is_some()),
        headers: delivery.header_lines(),
        body: body.to_vec(),
        why: why.to_owned(),
    };
    let id = entry.id;
    web.store.keep_unreadable(entry).await?;
    web.metrics.unreadable.count();
    tracing::warn!(inbox.id = %id, why, "A webhook could not be used; it is kept in the inbox");
    Ok(())
}

async fn register(web: &Web, fields: Fields) -> Result<WebhookAnswer, Refusal> {
    let contact = fields.contact();
    let unreachable = contact.email.is_none() && contact.phone.is_none();
    if unreachable || matches!(fields.email, Some(Err(_))) {
        return Ok(invalid(web, "email", &fields));
    }
    let now = web.clock.now();
    let id = UserId::new(now);
    if fields.test {
        tracing::info!("A registration was only tried out: it says so itself");
        return Ok(registered(web, Status::Created, id, &fields, fields.reads()));
    }
    let welcome = web.welcome.as_ref().map(|welcome| NewMessage {
        id: MessageId::new(now),
        channel: welcome.channel.clone(),
        purpose: Purpose::Welcome,
        due_at: now.after(welcome.delay),
        fallback: None,
    });
    let reached_at = web.welcome.as_ref().map(|welcome| welcome.reached_at.clone()).unwrap_or_default();
    let user = new_user(&fields, contact, id);
    let registration = Registration { user, welcome, reached_at, trace: fields.trace.clone() };
    crash::point("intake.received");
    let Registered { user, created, welcome_due } =
        web.store.register_user(registration, now).await.map_err(Refusal::Store)?;
    crash::point("intake.stored");
    web.metrics.registrations.count(created);
    if let (Some(due), Some(welcome)) = (welcome_due, &web.welcome) {
        web.wake.at(&welcome.channel, due);
    }
    let status = if created { Status::Created } else { Status::AlreadyRegistered };
    Ok(registered(web, status, user.id, &fields, fields.read_by(&user)))
}

/// Answers with the name that was given now, not with the one we know: whoever types somebody else's address must not
/// be told whose it is.
fn registered(web: &Web, status: Status, id: UserId, fields: &Fields, language: &str) -> WebhookAnswer {
    let details = Details { id: id.to_string(), name: &fields.name, language, ..Details::default() };
    WebhookAnswer::Done(Json(Answer::new(web, status, details)))
}

async fn submit(web: &Web, fields: Fields) -> Result<WebhookAnswer, Refusal> {
    let contact = fields.contact();
    if contact.is_empty() && matches!(fields.email, Some(Err(_))) {
        return Ok(invalid(web, "email", &fields));
    }
    // A topic without a question is a customer who wants to be called back, if there is a way to reach them.
    if fields.question.is_empty() && (fields.topic.as_str().is_empty() || contact.is_empty()) {
        return Ok(invalid(web, "question", &fields));
    }
    let now = web.clock.now();
    let decision = web.routes.decide(fields.told());
    let request = new_request(&fields, &contact, &decision, RequestId::new(now));
    if fields.test {
        tracing::info!("A request was only tried out: it says so itself");
        return Ok(submitted(web, (Status::Queued, request.id), &decision, &fields, fields.reads()));
    }
    let destinations = decision.destinations();
    let messages = destinations.iter().map(|to| NewMessage {
        id: MessageId::new(now),
        channel: to.channel.clone(),
        purpose: Purpose::Request,
        due_at: now,
        fallback: to.fallback.cloned(),
    });
    let user = (!contact.is_empty()).then(|| new_user(&fields, contact, UserId::new(now)));
    crash::point("intake.received");
    let stored = web.store.submit_request(Submission { user, request, messages: messages.collect() }, now).await;
    crash::point("intake.stored");
    if let Ok(done) = &stored {
        web.metrics.requests.count(!done.duplicate);
    }
    match stored {
        Ok(Submitted { request_id, user, duplicate }) => {
            if !duplicate {
                for to in &destinations {
                    web.wake.at(to.channel, now);
                }
            }
            let status = if duplicate { Status::Duplicate } else { Status::Queued };
            let language = user.as_ref().map_or_else(|| fields.reads(), |user| fields.read_by(user));
            Ok(submitted(web, (status, request_id), &decision, &fields, language))
        }
        Err(StoreError::KeyReused) => {
            let why = "its request_id was used before, for another question: a bot must make a new one for each";
            Err(Refusal::Kept(invalid(web, "request_id", &fields), why.into()))
        }
        Err(error) => Err(Refusal::Store(error)),
    }
}

fn submitted(
    web: &Web,
    (status, id): (Status, RequestId),
    decision: &Decision<'_>,
    fields: &Fields,
    language: &str,
) -> WebhookAnswer {
    let channels: Vec<&str> = decision.destinations().iter().map(|to| to.channel.as_str()).collect();
    let details = Details {
        id: id.to_string(),
        name: &fields.name,
        topic: decision.topic.unwrap_or(&fields.topic).as_str(),
        channel: channels.join(", "),
        field: "",
        language,
    };
    WebhookAnswer::Done(Json(Answer::new(web, status, details)))
}

fn new_request(fields: &Fields, contact: &Contact, decision: &Decision<'_>, id: RequestId) -> NewRequest {
    // Who cannot be known by any contact is known by their chat; who has not even that asks something new each time.
    let who = match (contact.is_empty(), &fields.origin.chat_uuid) {
        (false, _) => contact.key(),
        (true, Some(chat)) => format!("chat:{chat}"),
        (true, None) => id.to_string(),
    };
    NewRequest {
        id,
        topic: fields.topic.clone(),
        topic_unknown: decision.topic.is_none(),
        question: fields.question.clone(),
        // Landbot repeats a MessageHook until it is answered, always under the same mark.
        idempotency_key: fields.trace.clone().or_else(|| fields.request_id.clone()),
        fingerprint: Fingerprint::new(&who, &fields.topic, &fields.question),
        origin: fields.origin.clone(),
    }
}

fn new_user(fields: &Fields, contact: Contact, id: UserId) -> NewUser {
    NewUser { id, name: fields.name.clone(), contact, language: fields.language.clone(), origin: fields.origin.clone() }
}

fn invalid(web: &Web, field: &str, fields: &Fields) -> WebhookAnswer {
    let details = Details {
        name: &fields.name,
        topic: fields.topic.as_str(),
        field,
        language: fields.reads(),
        ..Details::default()
    };
    WebhookAnswer::Invalid(Json(Answer::new(web, Status::Invalid, details)))
}

fn unavailable(web: &Web, error: &StoreError) -> WebhookAnswer {
    match error {
        // The store has told it once; a line for each of a crowd would fill the disk for good.
        StoreError::Full(_) => {}
        error => tracing::error!(%error, "A webhook could not be stored"),
    }
    WebhookAnswer::Unavailable(Json(Answer::error(web, Status::Error, "")), RETRY_AFTER.as_secs())
}
