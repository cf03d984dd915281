//! The part of SMTP that every mail goes through: commands, and their replies in order.
//!
//! mail-send opens a connection, but reads one reply at a time and throws away what came with it. Commands that a
//! server takes in one go (RFC 2920) need the rest, and when it hangs up halfway, the replies it gave before.

use std::future::Future;
use std::time::Duration;

use mail_send::Error;
use smtp_proto::Response;
use smtp_proto::response::parser::ResponseReceiver;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::verdict::{Failure, Stage};
use crate::crash;

/// A byte stream, encrypted or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// An open connection on which we may send mail.
pub(super) struct Conversation {
    stream: Box<dyn Stream>,
    unread: Vec<u8>,
    /// Whether commands may be sent before the replies to those before them.
    pub(super) pipelining: bool,
    /// Whether the server takes what comes next as the text of a mail.
    pub(super) awaits_text: bool,
}

impl Conversation {
    pub(super) fn new(stream: Box<dyn Stream>, pipelining: bool) -> Self {
        Self { stream, unread: Vec::new(), pipelining, awaits_text: false }
    }

    /// Sends commands, each a line, and returns how each was answered within `limit`; the last may be a failure of the
    /// connection, and then some have no answer.
    pub(super) async fn ask(&mut self, limit: Duration, commands: &[(Stage, String)]) -> Vec<Result<(), Failure>> {
        let mut answers = Vec::with_capacity(commands.len());
        for batch in commands.chunks(if self.pipelining { commands.len() } else { 1 }) {
            let bytes: String = batch.iter().map(|(_, command)| command.as_str()).collect();
            let mut sent = within(limit, self.say(bytes.as_bytes())).await;
            for (stage, _) in batch {
                let reply = match std::mem::replace(&mut sent, Ok(())) {
                    Ok(()) => within(limit, self.reply()).await,
                    Err(error) => Err(error),
                };
                let lost = reply.is_err();
                answers.push(reply.and_then(|reply| expect(*stage, reply)).map_err(Failure::at(*stage)));
                if lost {
                    return answers;
                }
            }
        }
        answers
    }

    /// Sends a mail's text, in one write, and returns the server's last word about it.
    pub(super) async fn text(&mut self, mail: &[u8]) -> Result<Response<String>, Error> {
        crash::point("smtp.text");
        self.say(&dotted(mail)).await?;
        crash::point("smtp.sent");
        let reply = self.reply().await?;
        crash::point("smtp.accepted");
        if (200..300).contains(&reply.code) { Ok(reply) } else { Err(Error::UnexpectedReply(reply)) }
    }

    async fn say(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.stream.write_all(bytes).await?;
        Ok(self.stream.flush().await?)
    }

    async fn reply(&mut self) -> Result<Response<String>, Error> {
        let mut parser = ResponseReceiver::default();
        loop {
            let mut bytes = self.unread.iter();
            let parsed = parser.parse(&mut bytes);
            let parsed_up_to = self.unread.len() - bytes.len();
            self.unread.drain(..parsed_up_to);
            match parsed {
                Ok(reply) => {
                    self.awaits_text = reply.code == 354;
                    return Ok(reply);
                }
                Err(smtp_proto::Error::NeedsMoreData { .. }) => {}
                Err(_) => return Err(Error::UnparseableReply),
            }
            if self.stream.read_buf(&mut self.unread).await? == 0 {
                return Err(Error::UnparseableReply);
            }
        }
    }
}

/// `reply` if it is what a command of this stage hopes for.
fn expect(stage: Stage, reply: Response<String>) -> Result<(), Error> {
    let hoped_for = if stage == Stage::Data { 354..355 } else { 200..300 };
    if hoped_for.contains(&reply.code) { Ok(()) } else { Err(Error::UnexpectedReply(reply)) }
}

/// A mail as it is sent: a dot that begins a line is doubled, and a lone one ends it (RFC 5321, 4.5.2). A bare CR or LF
/// counts as the end of a line too, because some servers believe so.
fn dotted(mail: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(mail.len() + mail.len() / 64 + 8);
    let mut line_begins = true;
    for &byte in mail {
        if byte == b'.' && line_begins {
            bytes.push(b'.');
        }
        bytes.push(byte);
        line_begins = matches!(byte, b'\r' | b'\n');
    }
    bytes.extend_from_slice(if mail.ends_with(b"\r\n") { b".\r\n" } else { b"\r\n.\r\n" });
    bytes
}

/// `step`, unless it takes longer than `limit`.
pub(super) async fn within<T>(limit: Duration, step: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::time::timeout(limit, step).await.unwrap_or(Err(Error::Timeout))
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    fn envelope() -> Vec<(Stage, String)> {
        [(Stage::Mail, "MAIL\r\n"), (Stage::Rcpt, "RCPT\r\n"), (Stage::Data, "DATA\r\n")]
            .map(|(stage, command)| (stage, command.to_owned()))
            .to_vec()
    }

    /// Replies that were there before the commands, however they are cut into pieces, and then the end.
    async fn answers(replies: &str, piece: usize) -> (Vec<String>, bool) {
        let (ours, mut theirs) = duplex(piece);
        let mut conversation = Conversation::new(Box::new(ours), true);
        let (mut reading, mut writing) = tokio::io::split(&mut theirs);
        let server = async {
            writing.write_all(replies.as_bytes()).await.unwrap();
            writing.shutdown().await.unwrap();
        };
        let sink = async { reading.read_exact(&mut [0; 18]).await.map(drop).unwrap() };
        let envelope = envelope();
        let (answers, (), ()) = tokio::join!(conversation.ask(Duration::from_secs(9), &envelope), server, sink);
        let shown = |answer: &Result<(), Failure>| match answer {
            Ok(()) => "ok".to_owned(),
            Err(Failure { stage, error: Error::UnexpectedReply(reply) }) => format!("{stage:?} {}", reply.code),
            Err(Failure { stage, .. }) => format!("{stage:?} lost"),
        };
        (answers.iter().map(shown).collect(), conversation.awaits_text)
    }

    #[tokio::test]
    async fn each_reply_belongs_to_its_command_however_they_arrive() {
        for (replies, expected, awaits_text) in [
            ("250 ok\r\n250-2.1.5 so\r\n250 2.1.5 far\r\n354 go\r\n", vec!["ok", "ok", "ok"], true),
            ("250 ok\r\n550 5.1.1 no\r\n554 5.5.1 none\r\n", vec!["ok", "Rcpt 550", "Data 554"], false),
            ("250 ok\r\n550 5.1.1 no\r\n354 go\r\n", vec!["ok", "Rcpt 550", "ok"], true),
            ("550 no\r\n503 no\r\n503 no\r\n", vec!["Mail 550", "Rcpt 503", "Data 503"], false),
            ("250 ok\r\n421 4.3.2 bye\r\n", vec!["ok", "Rcpt 421", "Data lost"], false),
            ("250 ok\r\n250 o", vec!["ok", "Rcpt lost"], false),
            ("", vec!["Mail lost"], false),
        ] {
            for piece in [1, 7, 1000] {
                let (answers, awaits) = answers(replies, piece).await;
                assert_eq!((answers, awaits), (expected.iter().map(ToString::to_string).collect(), awaits_text));
            }
        }
    }

    #[test]
    fn no_line_of_a_mail_ends_it() {
        for (mail, sent) in [
            ("a\r\n", "a\r\n.\r\n"),
            ("a", "a\r\n.\r\n"),
            (".\r\n.\r\nb.\r\n", "..\r\n..\r\nb.\r\n.\r\n"),
            ("a\n.\r.", "a\n..\r..\r\n.\r\n"),
        ] {
            assert_eq!(String::from_utf8(dotted(mail.as_bytes())).unwrap(), sent);
        }
    }
}
