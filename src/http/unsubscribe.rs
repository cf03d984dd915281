//! `/unsubscribe/TOKEN`: where customers say that they want no more mail, by the link in a mail or through their mail
//! program's own button (RFC 8058).
//!
//! Looking at the page changes nothing, because scanners of mail open its links. Nobody logs in: the token is in a mail
//! that only its customer got, and the page says nothing about them. No script, no cookie.

use poem::http::{HeaderValue, StatusCode, header};
use poem::web::{Data, Path};
use poem::{Body, IntoResponse as _, Response, handler};

use super::{SharedWeb, Web};
use crate::domain::{Link, languages_for};
use crate::store::{StoreError, Subscription};

const PAGE: &str = include_str!("../../static/unsubscribe.html");

/// No script; its form goes nowhere else.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; \
                      frame-ancestors 'none'";

/// How much of a form is read. A mail program's says one thing.
const LONGEST_FORM: usize = 16 * 1024;

/// When to try again if the store could not take it.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("2");

/// What the page says, in one language.
struct Words {
    language: &'static str,
    /// To whom is written to.
    ask: Notice,
    /// To whom is not written to any more.
    ended: Notice,
    /// To whom is written to again.
    again: Notice,
    /// To whom has a token that is nobody's.
    nobody: Notice,
    /// When it could not be done.
    trouble: Notice,
}

/// A heading, a sentence, and what the button says, if there is one.
struct Notice(&'static str, &'static str, &'static str);

const ENGLISH: Words = Words {
    language: "en",
    ask: Notice(
        "No more mail from us?",
        "Press the button, and you get no more mail from UmiShop. What you ask us is still answered.",
        "Unsubscribe",
    ),
    ended: Notice(
        "You are unsubscribed",
        "You will get no more mail from UmiShop. What you ask us is still answered.",
        "Subscribe again",
    ),
    again: Notice("You are subscribed again", "UmiShop may write to you again. Good to have you back.", "Unsubscribe"),
    nobody: Notice(
        "This link leads nowhere",
        "Please open the link from the mail again, and see that all of it is there.",
        "",
    ),
    trouble: Notice("This did not work", "We could not save this just now. Please try again in a moment.", ""),
};

const SPANISH: Words = Words {
    language: "es",
    ask: Notice(
        "¿No quieres más correos?",
        "Pulsa el botón y no recibirás más correos de UmiShop. Lo que nos preguntes lo seguiremos respondiendo.",
        "Darme de baja",
    ),
    ended: Notice(
        "Te hemos dado de baja",
        "No recibirás más correos de UmiShop. Lo que nos preguntes lo seguiremos respondiendo.",
        "Volver a suscribirme",
    ),
    again: Notice(
        "Vuelves a estar en la lista",
        "UmiShop puede volver a escribirte. Nos alegra tenerte de vuelta.",
        "Darme de baja",
    ),
    nobody: Notice(
        "Este enlace no lleva a ninguna parte",
        "Abre otra vez el enlace del correo y comprueba que está completo, por favor.",
        "",
    ),
    trouble: Notice(
        "No ha funcionado",
        "Ahora mismo no hemos podido guardarlo. Inténtalo de nuevo en un momento, por favor.",
        "",
    ),
};

impl Words {
    fn of(language: &str, otherwise: &str) -> &'static Self {
        let mut tags = languages_for(language).chain(languages_for(otherwise));
        let known = tags.find_map(|tag| [&ENGLISH, &SPANISH].into_iter().find(|words| words.language == tag));
        known.unwrap_or(&ENGLISH)
    }
}

/// The page.
#[handler]
pub(super) async fn show(Path(token): Path<String>, Data(web): Data<&SharedWeb>) -> Response {
    let Some(user) = web.link_key.user(Link::Unsubscribe, &token) else { return nobody(web) };
    answer(web, web.store.subscription(user).await, |words| &words.ask)
}

/// Unsubscribes, unless the page's own button for the opposite was used: whatever else a mail program sends, it means
/// this.
#[handler]
pub(super) async fn change(Path(token): Path<String>, Data(web): Data<&SharedWeb>, body: Body) -> Response {
    let Some(user) = web.link_key.user(Link::Unsubscribe, &token) else { return nobody(web) };
    let form = body.into_bytes_limit(LONGEST_FORM).await.unwrap_or_default();
    let again = url::form_urlencoded::parse(&form).any(|(name, value)| name == "subscription" && value == "again");
    let changed = web.store.set_subscribed(user, again, web.clock.now()).await;
    if matches!(changed, Ok(Some(_))) {
        tracing::info!(user.id = %user, "A customer {}", if again { "subscribed again" } else { "unsubscribed" });
    }
    answer(web, changed, |words| &words.again)
}

/// What is so now; `subscribed` says it to whom is written to.
fn answer(
    web: &Web,
    found: Result<Option<Subscription>, StoreError>,
    subscribed: impl Fn(&'static Words) -> &'static Notice,
) -> Response {
    match found {
        Ok(Some(subscription)) => {
            let words = Words::of(&subscription.language, web.renderer.language());
            let notice = if subscription.subscribed { subscribed(words) } else { &words.ended };
            page(StatusCode::OK, words, notice, if subscription.subscribed { "end" } else { "again" })
        }
        Ok(None) => nobody(web),
        Err(error) => {
            tracing::error!(%error, "Could not note whether a customer wants mail");
            let words = Words::of("", web.renderer.language());
            page(StatusCode::SERVICE_UNAVAILABLE, words, &words.trouble, "")
                .with_header(header::RETRY_AFTER, RETRY_AFTER)
                .into_response()
        }
    }
}

fn nobody(web: &Web) -> Response {
    let words = Words::of("", web.renderer.language());
    page(StatusCode::NOT_FOUND, words, &words.nobody, "")
}

fn page(status: StatusCode, words: &Words, notice: &Notice, wish: &str) -> Response {
    let Notice(title, text, button) = notice;
    let form = if button.is_empty() {
        String::new()
    } else {
        format!(
            "<form method=\"post\"><button class=\"main\" name=\"subscription\" value=\"{wish}\">{button}</button></form>"
        )
    };
    let html = PAGE
        .replace("{lang}", words.language)
        .replace("{title}", title)
        .replace("{text}", text)
        .replace("{form}", &form);
    Response::builder()
        .status(status)
        .content_type("text/html; charset=utf-8")
        .header(header::CONTENT_SECURITY_POLICY, POLICY)
        .header(header::CACHE_CONTROL, "no-store")
        // The address is a secret between the customer and us.
        .header(header::REFERRER_POLICY, "no-referrer")
        .body(html)
}
