//! Who may get in, and whether the texts can be used.

use secrecy::ExposeSecret as _;

use super::Examination;
use super::finding::{self, Area, Finding};
use crate::config::Auth;
use crate::render::Renderer;

/// A token of fewer characters can be guessed.
const SHORTEST_TOKEN: usize = 16;

/// What makes a good secret.
const MAKE: &str = "take a long random one, as `openssl rand -hex 24` prints";

pub(super) fn look(examination: &Examination<'_>) -> Vec<Finding> {
    vec![texts(examination), webhooks(examination), console(examination)]
}

fn texts(examination: &Examination<'_>) -> Finding {
    match Renderer::new(examination.texts.clone()) {
        Ok(_) => finding::ok(Area::Configuration, "texts", "every template can be filled in"),
        Err(error) => {
            let mend = "correct the template; until then umishop does not start";
            finding::problem(Area::Configuration, "texts", error.to_string(), mend)
        }
    }
}

fn webhooks(examination: &Examination<'_>) -> Finding {
    let config = &examination.loaded.config;
    let (area, subject) = (Area::Exposure, "webhooks");
    match &config.intake.auth {
        Auth::Secret(Some(secret)) if secret.expose_secret().chars().count() < SHORTEST_TOKEN => {
            let what = format!("their secret has fewer than {SHORTEST_TOKEN} characters");
            finding::warning(area, subject, what, format!("{MAKE}, and tell it to the bot, too"))
        }
        Auth::Secret(Some(_)) if config.sandbox => {
            finding::ok(area, subject, "the sandbox takes calls without the secret")
        }
        Auth::Secret(Some(_)) => finding::ok(area, subject, "ask for the secret"),
        Auth::Secret(None) => finding::ok(area, subject, "ask for no secret, which will do for the sandbox"),
        Auth::None if config.sandbox => finding::ok(area, subject, "ask for no secret, which will do for the sandbox"),
        Auth::None => finding::warning(
            area,
            subject,
            "ask for no secret: whoever finds them can have mail sent to anybody",
            "write [intake] auth = \"secret\" and set UMISHOP_SECRET, unless a proxy asks for one",
        ),
    }
}

fn console(examination: &Examination<'_>) -> Finding {
    let (area, subject) = (Area::Exposure, "console");
    let admin = &examination.loaded.config.admin;
    let tokens = [("token", &admin.token), ("metrics_token", &admin.metrics_token)];
    let is_short = |token: &secrecy::SecretString| token.expose_secret().chars().count() < SHORTEST_TOKEN;
    match tokens.iter().find(|(_, token)| token.as_ref().is_some_and(is_short)) {
        Some((key, _)) => {
            let what = format!("[admin] {key} has fewer than {SHORTEST_TOKEN} characters");
            Finding::new(area, subject, examination.when_it_sends(), what, MAKE)
        }
        None if admin.token.is_some() => finding::ok(area, subject, "its token is long enough"),
        None => finding::ok(area, subject, "its tokens are made by umishop, and are long enough"),
    }
}
