//! What an SMTP server's answer means: who is at fault, and whether another attempt may help.
//!
//! The enhanced code (RFC 3463) says more than the basic one, so it is asked first. An answer to RCPT is about that
//! recipient, an answer to MAIL about us, an answer to DATA about the message.

use mail_send::Error;

use crate::domain::{Outcome, Scope, truncate};

/// How far the conversation had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Connecting, greeting, TLS.
    Opening,
    /// Proving who we are.
    Auth,
    /// Naming the sender.
    Mail,
    /// Naming a recipient.
    Rcpt,
    /// From DATA until the server asks for the text.
    Data,
    /// From the text's first byte until the server's last word about it.
    Text,
}

impl Stage {
    const fn name(self) -> &'static str {
        match self {
            Self::Opening => "opening the connection",
            Self::Auth => "AUTH",
            Self::Mail => "MAIL FROM",
            Self::Rcpt => "RCPT TO",
            Self::Data => "DATA",
            Self::Text => "the mail's text",
        }
    }
}

/// A server's answer.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) code: u16,
    pub(super) enhanced: [u8; 3],
    pub(super) text: String,
}

impl Reply {
    /// The answer on one short line: `550 5.1.1 no such user`.
    pub(super) fn line(&self) -> String {
        let [class, subject, detail] = self.enhanced;
        // Microsoft counts further than a byte does.
        let detail = if detail == u8::MAX { "…".to_owned() } else { detail.to_string() };
        let enhanced = if class == 0 { String::new() } else { format!("{class}.{subject}.{detail} ") };
        let line = crate::domain::one_line(&format!("{} {enhanced}{}", self.code, self.text));
        truncate(&line, 200).text.to_owned()
    }
}

/// What went wrong, and when.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) stage: Stage,
    pub(super) error: Error,
}

impl Failure {
    pub(super) fn at(stage: Stage) -> impl FnOnce(Error) -> Self {
        move |error| Self { stage, error }
    }

    /// Whether the server answered in good order and will go on listening.
    pub(super) fn leaves_connection_usable(&self) -> bool {
        matches!(&self.error, Error::UnexpectedReply(reply) if reply.code != 421)
    }

    /// Whether the server answered "not now".
    pub(super) fn is_temporary(&self) -> bool {
        matches!(&self.error, Error::UnexpectedReply(reply) if reply.code < 500)
    }

    /// What the failure means for the message.
    pub(super) fn outcome(self) -> Outcome {
        let Self { stage, error } = self;
        match error {
            Error::UnexpectedReply(reply) | Error::AuthenticationFailed(reply) => {
                of_reply(stage, &Reply { code: reply.code, enhanced: reply.esc, text: reply.message })
            }
            Error::MissingStartTls => Outcome::dead(
                Scope::Channel,
                "the server does not offer STARTTLS",
                "use another port: smtps:// usually is port 465, smtp+starttls:// port 587",
            ),
            Error::UnsupportedAuthMechanism => Outcome::dead(
                Scope::Channel,
                "the server offers no way to log in that we know (PLAIN, LOGIN)",
                "check `server`; leave out `username` and `password` if it asks for none",
            ),
            Error::InvalidTLSName => {
                Outcome::dead(Scope::Channel, "the server's name cannot be checked by TLS", "check `server`")
            }
            Error::Tls(error) => Outcome::retry(
                Scope::Channel,
                format!(
                    "TLS with the mail server failed: {error}; if its certificate is your own, name its CA in `ca_file`"
                ),
            ),
            error if stage == Stage::Text => {
                Outcome::Unknown { why: format!("the mail was sent, but no answer came: {}", describe(&error)) }
            }
            error => Outcome::retry(Scope::Channel, format!("{}: {}", stage.name(), describe(&error))),
        }
    }
}

fn describe(error: &Error) -> String {
    match error {
        Error::Timeout => "the mail server was silent for too long".to_owned(),
        Error::UnparseableReply => "the mail server hung up, or does not speak SMTP".to_owned(),
        Error::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}

/// What an answer means at this stage of the conversation.
fn of_reply(stage: Stage, reply: &Reply) -> Outcome {
    let why = format!("{}: {}", stage.name(), reply.line());
    match about_us(stage, reply) {
        Some(hint) if reply.code >= 500 && !hint.is_empty() => Outcome::dead(Scope::Channel, why, hint),
        Some(_) => Outcome::retry(Scope::Channel, why),
        None => about_mail(stage, reply, why),
    }
}

const CHECK_LOGIN: &str = "check `username` and `password`: the mail server does not accept them";
const CHECK_RECORDS: &str = "the domain of `from` is not set up for this server: check its SPF, DKIM and DMARC records";
const CHECK_SENDER: &str = "the server does not let you send as `from`: verify that address or domain with it";
const CHECK_RIGHTS: &str =
    "the server takes no mail from you: check `username` and `password`, and verify the address in `from` with it";

/// Whether the answer is about us or the server and would be the same for any mail; then, what an operator can do when it
/// is final. Empty: it passes by itself.
fn about_us(stage: Stage, reply: &Reply) -> Option<&'static str> {
    match (stage, reply.code, reply.enhanced) {
        // Closing; full or busy (RFC 3463, 3.4 and 3.5); throttled (454 of Amazon SES, X.7.28 of Google); the account's
        // quota is used up (5.4.5 of Google, 5.1.90 of Microsoft).
        (Stage::Opening, ..)
        | (_, 421 | 454, _)
        | (_, _, [4 | 5, 3, 1 | 2] | [4 | 5, 4, 5] | [4 | 5, 7, 28] | [4 | 5, 1, 90])
        // What the system that names recipients cannot do now is about no recipient; about a text it may be.
        | (Stage::Rcpt | Stage::Data, 400..500, [4, 3, _]) => Some(""),
        // RFC 4954 and RFC 5248.
        (Stage::Auth, ..) | (_, 530 | 534 | 535 | 538, _) | (_, 500.., [5, 7, 8..=14]) => Some(CHECK_LOGIN),
        // RFC 7372, RFC 7489, RFC 8617.
        (_, 500.., [5, 7, 20..=26 | 29]) => Some(CHECK_RECORDS),
        // MAIL names only us. X.1.7 and X.1.8 are about the sender, whenever they come: Postfix waits for the recipient,
        // Microsoft (5.7.60) for the text.
        (Stage::Mail, ..) | (_, _, [4 | 5, 1, 7 | 8]) | (_, 500.., [5, 7, 27 | 60]) => Some(CHECK_SENDER),
        (Stage::Rcpt, 553, [5, 7, 1]) => Some(CHECK_RIGHTS),
        _ => is_said_of_us(&reply.text).then_some(CHECK_RIGHTS),
    }
}

/// Whether a server whose codes do not tell says that it takes nothing from us: Postfix (`smtpd_check.c`, which also
/// waits for the recipient), Sendmail, `SendGrid`, Amazon SES and Microsoft.
fn is_said_of_us(text: &str) -> bool {
    const WORDS: [&str; 10] = [
        "sender address rejected",
        "client host rejected",
        "helo command rejected",
        "relay access denied",
        "relaying denied",
        "verified sender identity",
        "email address is not verified",
        "sending paused for this account",
        "not authorized to send from",
        "sendasdenied",
    ];
    let text = text.to_ascii_lowercase();
    WORDS.iter().any(|words| text.contains(words))
}

fn about_mail(stage: Stage, reply: &Reply, why: String) -> Outcome {
    match (stage, reply.code, reply.enhanced) {
        // A full mailbox is emptied. RFC 5321, 4.5.3.1.10: an old server may mean "not so many at once" by 552.
        (_, _, [4 | 5, 2, 2]) | (Stage::Rcpt, 552, [0, ..]) => Outcome::retry(Scope::Recipient, why),
        // A route is mended, and 5.5.3 means "not so many at once", too.
        (_, _, [5, 4, 4] | [5, 5, 3]) | (_, 0..500, _) => Outcome::retry(Scope::Message, why),
        (_, _, [5, 2, 3] | [5, 3, 4]) | (Stage::Data | Stage::Text, 552, _) => {
            Outcome::dead(Scope::Message, why, "the mail is too big for this server")
        }
        (_, _, [5, 1, 0..=4 | 6 | 10] | [5, 2, 1]) | (Stage::Rcpt, 550 | 551 | 553, [0, ..]) => {
            Outcome::dead(Scope::Recipient, why, "nobody reads mail at this address")
        }
        _ => Outcome::dead(Scope::Message, why, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_after_the_text_is_unknown_and_before_it_a_fault_of_the_channel() {
        let outcome = |stage| Failure { stage, error: Error::UnparseableReply }.outcome();
        assert!(matches!(outcome(Stage::Text), Outcome::Unknown { .. }));
        assert_eq!(outcome(Stage::Data).scope(), Some(Scope::Channel));
    }
}
