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
pub(super) fn of_reply(stage: Stage, reply: &Reply) -> Outcome {
    let why = format!("{}: {}", stage.name(), reply.line());
    let credentials = "check `username` and `password`: the mail server does not accept them";
    match (stage, reply.code, reply.enhanced) {
        (_, 421, _) | (Stage::Opening, ..) => Outcome::retry(Scope::Channel, why),
        (Stage::Auth, 500.., _) | (_, 530 | 534 | 535 | 538, _) | (_, 500.., [5, 7, 8 | 9]) => {
            Outcome::dead(Scope::Channel, why, credentials)
        }
        (Stage::Auth, ..) => Outcome::retry(Scope::Channel, why),
        (_, 500.., [5, 7, 20..=29]) => Outcome::dead(
            Scope::Channel,
            why,
            "the domain of `from` is not set up for this server: check its SPF, DKIM and DMARC records",
        ),
        (Stage::Mail, 500.., _) => Outcome::dead(
            Scope::Channel,
            why,
            "the server does not let you send as `from`: verify that address or domain with it",
        ),
        // A full mailbox is emptied, a route is mended, and 552 with 5.5.3 means "not so many at once".
        (_, 500.., [5, 2, 2]) => Outcome::retry(Scope::Recipient, why),
        (_, 500.., [5, 4, 4] | [5, 5, 3]) | (_, 0..500, _) => Outcome::retry(Scope::Message, why),
        (_, _, [5, 3, 4]) => Outcome::dead(Scope::Message, why, "the mail is too big for this server"),
        (_, _, [5, 1, _] | [5, 2, 1]) | (Stage::Rcpt, 550 | 551 | 553, [0, ..]) => {
            Outcome::dead(Scope::Recipient, why, "nobody reads mail at this address")
        }
        _ => Outcome::dead(Scope::Message, why, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(stage: Stage, line: &str) -> (&'static str, Scope) {
        let mut words = line.splitn(3, ' ');
        let code = words.next().unwrap().parse().unwrap();
        let enhanced: Vec<u8> =
            words.next().unwrap_or_default().split('.').filter_map(|part| part.parse().ok()).collect();
        let enhanced = <[u8; 3]>::try_from(enhanced).unwrap_or_default();
        let outcome = of_reply(stage, &Reply { code, enhanced, text: words.next().unwrap_or_default().into() });
        (outcome.word(), outcome.scope().unwrap())
    }

    #[test]
    fn every_known_answer_has_its_scope() {
        for (stage, line, expected) in [
            (Stage::Rcpt, "550 5.1.1 no such user", ("dead", Scope::Recipient)),
            (Stage::Rcpt, "550 5.1.10 null MX", ("dead", Scope::Recipient)),
            (Stage::Rcpt, "550 - no such user", ("dead", Scope::Recipient)),
            (Stage::Rcpt, "550 5.2.1 disabled", ("dead", Scope::Recipient)),
            (Stage::Rcpt, "552 5.2.2 mailbox full", ("retry", Scope::Recipient)),
            (Stage::Rcpt, "550 5.7.1 policy", ("dead", Scope::Message)),
            (Stage::Rcpt, "550 5.4.4 no route", ("retry", Scope::Message)),
            (Stage::Rcpt, "451 4.7.1 greylisted", ("retry", Scope::Message)),
            (Stage::Rcpt, "452 4.5.3 too many recipients", ("retry", Scope::Message)),
            (Stage::Rcpt, "421 4.3.2 closing", ("retry", Scope::Channel)),
            (Stage::Rcpt, "530 5.7.0 authentication required", ("dead", Scope::Channel)),
            (Stage::Text, "554 5.6.0 content", ("dead", Scope::Message)),
            (Stage::Text, "552 5.3.4 too big", ("dead", Scope::Message)),
            (Stage::Text, "550 5.7.26 unauthenticated sender", ("dead", Scope::Channel)),
            (Stage::Text, "451 4.3.0 try later", ("retry", Scope::Message)),
            (Stage::Data, "503 5.5.1 out of order", ("dead", Scope::Message)),
            (Stage::Mail, "550 5.7.60 not allowed to send as this sender", ("dead", Scope::Channel)),
            (Stage::Auth, "535 5.7.8 bad credentials", ("dead", Scope::Channel)),
            (Stage::Auth, "454 4.7.0 temporary failure", ("retry", Scope::Channel)),
            (Stage::Opening, "554 5.3.2 no service", ("retry", Scope::Channel)),
        ] {
            assert_eq!(verdict(stage, line), expected, "{stage:?} {line}");
        }
    }

    #[test]
    fn silence_after_the_text_is_unknown_and_before_it_a_fault_of_the_channel() {
        let outcome = |stage| Failure { stage, error: Error::UnparseableReply }.outcome();
        assert!(matches!(outcome(Stage::Text), Outcome::Unknown { .. }));
        assert_eq!(outcome(Stage::Data).scope(), Some(Scope::Channel));
    }
}
