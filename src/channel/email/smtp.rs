//! Speaks SMTP, stage by stage, over connections that are kept for the next mail.
//!
//! mail-send opens and secures a connection and logs in; mails go through our own `conversation`, because its one-call
//! `send` does not tell a refused mail from one whose answer was lost. Three of its habits are mended here: it leaves
//! Nagle's algorithm on (44 ms a mail), waits an hour, and reads the greeting of a plain connection without any limit.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use mail_send::smtp::AssertReply as _;
use mail_send::{Credentials, Error, SmtpClient};
use secrecy::{ExposeSecret as _, SecretString};
use smtp_proto::EXT_PIPELINING;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::conversation::{Conversation, Stream, within};
use super::server::{Security, Server};
use super::verdict::{Failure, Reply, Stage};
use crate::channel::tls::{self, CaFile};
use crate::crash;
use crate::domain::EmailAddress;

/// Most servers close a quiet connection after a minute or more; a kept one is given up well before.
const LONGEST_IDLE: Duration = Duration::from_secs(30);

/// `SendGrid` closes after 5,000 mails; a fresh connection now and then costs nothing.
const MAILS_PER_CONNECTION: u32 = 1000;

/// Longest time to reach a server that answers at all.
const LONGEST_CONNECT: Duration = Duration::from_secs(10);

/// How much longer than other steps the server's last word may take: it scans and stores the mail meanwhile, and
/// giving up early makes duplicates (RFC 1047).
const LAST_WORD: u32 = 4;

type Client = SmtpClient<Box<dyn Stream>>;

/// How to reach a server.
pub(super) struct Access {
    pub(super) server: Server,
    pub(super) credentials: Option<(String, SecretString)>,
    pub(super) ca_file: Option<CaFile>,
    /// The name we greet with.
    pub(super) greeting_name: String,
    /// Limit of each step of the conversation.
    pub(super) timeout: Duration,
    /// How many idle connections are kept.
    pub(super) connections: usize,
}

/// A server and the connections to it that are kept.
pub(super) struct Smtp {
    access: Access,
    kept: Mutex<Vec<Kept>>,
    connector: OnceLock<TlsConnector>,
}

struct Kept {
    conversation: Conversation,
    mails: u32,
    since: Instant,
}

/// What became of a mail's recipients.
pub(super) struct Accepted {
    /// The server's last word.
    pub(super) reply: Reply,
    /// Recipients it will never take, and why.
    pub(super) refused: Refused,
}

/// Recipients that are left out, and why.
type Refused = Vec<(EmailAddress, Failure)>;

impl Smtp {
    pub(super) fn new(access: Access) -> Self {
        Self { access, kept: Mutex::default(), connector: OnceLock::new() }
    }

    /// What people call the server.
    pub(super) fn name(&self) -> String {
        self.access.server.to_string()
    }

    /// The server's host alone.
    pub(super) fn host(&self) -> &str {
        &self.access.server.host
    }

    /// Does everything up to the recipients: sends nothing, and shows whether the server would take mail from `from`.
    pub(super) async fn check(&self, from: &EmailAddress) -> Result<(), Failure> {
        let mut conversation = self.open().await?;
        let leave = ["RSET\r\n", "QUIT\r\n"].map(|command| (Stage::Opening, command.to_owned()));
        let commands: Vec<_> = [sender(from)].into_iter().chain(leave).collect();
        // Whatever it answers to a goodbye, it has said what we wanted to know.
        answer(Stage::Mail, conversation.ask(self.access.timeout, &commands).await.into_iter().next())
    }

    /// Sends one mail to all of `to` but those the server refuses for good. Fails, and sends nothing, when it refuses
    /// all of them, or one for now.
    pub(super) async fn send(
        &self,
        from: &EmailAddress,
        to: &[EmailAddress],
        mail: &[u8],
    ) -> Result<Accepted, Failure> {
        let (mut connection, begun) = self.begin(from, to).await?;
        let conversation = &mut connection.conversation;
        let sent = match begun {
            Ok(refused) => self.text(conversation, mail).await.map(|reply| Accepted { reply, refused }),
            Err(failure) => Err(failure),
        };
        let usable = match &sent {
            Ok(_) => true,
            // After a refusal the conversation starts over, if the server is still there and listens to commands.
            Err(failure) => {
                let reset = [(Stage::Opening, "RSET\r\n".to_owned())];
                failure.leaves_connection_usable()
                    && !conversation.awaits_text
                    && conversation.ask(self.access.timeout, &reset).await.iter().all(Result::is_ok)
            }
        };
        if usable {
            connection.mails += 1;
            self.keep(connection);
        }
        sent
    }

    /// A connection on which the server has been told sender and recipients, and what it said. A kept one may have
    /// gone stale; then a new one takes its place, and nobody calls that a failure.
    async fn begin(
        &self,
        from: &EmailAddress,
        to: &[EmailAddress],
    ) -> Result<(Kept, Result<Refused, Failure>), Failure> {
        if let Some(mut kept) = self.take_kept() {
            match self.envelope(&mut kept.conversation, from, to).await {
                Err(failure) if failure.stage == Stage::Mail && !failure.leaves_connection_usable() => {}
                begun => return Ok((kept, begun)),
            }
        }
        let mut conversation = self.open().await?;
        let begun = self.envelope(&mut conversation, from, to).await;
        Ok((Kept { conversation, mails: 0, since: Instant::now() }, begun))
    }

    /// Everything before the text. Returns who is left out.
    async fn envelope(
        &self,
        conversation: &mut Conversation,
        from: &EmailAddress,
        to: &[EmailAddress],
    ) -> Result<Refused, Failure> {
        let data = || (Stage::Data, "DATA\r\n".to_owned());
        let mut commands = vec![sender(from)];
        commands.extend(to.iter().map(|recipient| (Stage::Rcpt, format!("RCPT TO:<{recipient}>\r\n"))));
        // Of several recipients some may be refused for now; DATA could not be taken back then.
        let at_once = conversation.pipelining && to.len() == 1;
        commands.extend(at_once.then(data));
        let mut answers = conversation.ask(self.access.timeout, &commands).await.into_iter();
        answer(Stage::Mail, answers.next())?;
        let mut refused = Vec::new();
        for (recipient, answer) in to.iter().zip(&mut answers) {
            match answer {
                Ok(()) => {}
                Err(failure) if failure.leaves_connection_usable() => refused.push((recipient.clone(), failure)),
                Err(failure) => return Err(failure),
            }
        }
        crash::point("smtp.recipient");
        // Nothing has been sent yet: better all of them later than some of them never.
        if let Some(later) = refused.iter().position(|(_, failure)| failure.is_temporary()) {
            return Err(refused.swap_remove(later).1);
        }
        if refused.len() == to.len() {
            return Err(refused.swap_remove(0).1);
        }
        if !at_once {
            answers = conversation.ask(self.access.timeout, &[data()]).await.into_iter();
        }
        answer(Stage::Data, answers.next())?;
        Ok(refused)
    }

    async fn text(&self, conversation: &mut Conversation, mail: &[u8]) -> Result<Reply, Failure> {
        let last_word = within(self.access.timeout * LAST_WORD, conversation.text(mail));
        let reply = last_word.await.map_err(Failure::at(Stage::Text))?;
        Ok(Reply { code: reply.code, enhanced: reply.esc, text: reply.message })
    }

    async fn open(&self) -> Result<Conversation, Failure> {
        let connect = async {
            TcpStream::connect((self.access.server.host.as_str(), self.access.server.port)).await.map_err(Error::Io)
        };
        let stream =
            within(self.access.timeout.min(LONGEST_CONNECT), connect).await.map_err(Failure::at(Stage::Opening))?;
        stream.set_nodelay(true).map_err(|error| Failure { stage: Stage::Opening, error: Error::Io(error) })?;
        let client = SmtpClient { stream, timeout: self.access.timeout };
        let greeted = within(self.access.timeout, async {
            let mut client = self.greeted(client).await?;
            let extensions = client.ehlo(&self.access.greeting_name).await?;
            Ok((client, extensions))
        });
        let (mut client, extensions) = greeted.await.map_err(Failure::at(Stage::Opening))?;
        let pipelining = extensions.has_capability(EXT_PIPELINING);
        if let Some((username, password)) = &self.access.credentials {
            let credentials = Box::new(Credentials::new(username.as_str(), password.expose_secret()));
            let extensions = Box::new(extensions);
            let login = within(self.access.timeout, client.authenticate(credentials, extensions));
            login.await.map_err(Failure::at(Stage::Auth))?;
        }
        crash::point("smtp.connected");
        Ok(Conversation::new(client.stream, pipelining))
    }

    /// The connection after the server's greeting, encrypted if it is to be.
    async fn greeted(&self, mut client: SmtpClient<TcpStream>) -> Result<Client, Error> {
        if self.access.server.security == Security::Tls {
            let mut client = client.into_tls(self.connector()?, &self.access.server.host).await?;
            client.read().await?.assert_positive_completion()?;
            return Ok(boxed(client));
        }
        client.read().await?.assert_positive_completion()?;
        if self.access.server.security == Security::None {
            return Ok(boxed(client));
        }
        client.ehlo(&self.access.greeting_name).await?;
        match client.start_tls(self.connector()?, &self.access.server.host).await {
            Err(Error::UnexpectedReply(reply)) if reply.code >= 500 => Err(Error::MissingStartTls),
            other => other.map(boxed),
        }
    }

    /// Built at the first connection, because reading the system's certificates takes a while.
    fn connector(&self) -> Result<&TlsConnector, Error> {
        if let Some(connector) = self.connector.get() {
            return Ok(connector);
        }
        let config = tls::client_config(self.access.ca_file.as_ref()).map_err(|error| Error::Tls(Box::new(error)))?;
        Ok(self.connector.get_or_init(|| TlsConnector::from(config)))
    }

    fn take_kept(&self) -> Option<Kept> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|connection| connection.since.elapsed() < LONGEST_IDLE);
        kept.pop()
    }

    fn keep(&self, mut connection: Kept) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if connection.mails < MAILS_PER_CONNECTION && kept.len() < self.access.connections {
            connection.since = Instant::now();
            kept.push(connection);
        }
    }
}

fn sender(from: &EmailAddress) -> (Stage, String) {
    (Stage::Mail, format!("MAIL FROM:<{from}>\r\n"))
}

/// What the server answered, if it came that far.
fn answer(stage: Stage, answer: Option<Result<(), Failure>>) -> Result<(), Failure> {
    answer.unwrap_or(Err(Failure { stage, error: Error::UnparseableReply }))
}

fn boxed(client: SmtpClient<impl Stream + 'static>) -> Client {
    SmtpClient { stream: Box::new(client.stream), timeout: client.timeout }
}
