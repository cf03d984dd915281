//! Speaks SMTP, stage by stage, over connections that are kept for the next mail.
//!
//! mail-send is driven command by command, because its one-call `send` does not tell a refused mail from one whose
//! answer was lost. Three of its habits are mended here: it leaves Nagle's algorithm on (44 ms a mail), waits an hour,
//! and reads the greeting of a plain connection without any limit.

use std::future::Future;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use mail_send::smtp::AssertReply as _;
use mail_send::smtp::message::Parameters;
use mail_send::{Credentials, Error, SmtpClient};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::server::{Security, Server};
use super::verdict::{Failure, Reply, Stage};
use crate::channel::tls::{self, CaFile};
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

/// A byte stream, encrypted or not.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

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
    client: Client,
    mails: u32,
    since: Instant,
}

/// What became of a mail's recipients.
pub(super) struct Accepted {
    /// The server's last word.
    pub(super) reply: Reply,
    /// Recipients it will never take, and why.
    pub(super) refused: Vec<(EmailAddress, Failure)>,
}

impl Smtp {
    pub(super) fn new(access: Access) -> Self {
        Self { access, kept: Mutex::default(), connector: OnceLock::new() }
    }

    /// Sends one mail to all of `to` but those the server refuses for good. Fails, and sends nothing, when it refuses
    /// all of them, or one for now.
    pub(super) async fn send(
        &self,
        from: &EmailAddress,
        to: &[EmailAddress],
        mail: &[u8],
    ) -> Result<Accepted, Failure> {
        let mut connection = self.begin(from).await?;
        let sent = self.transfer(&mut connection.client, to, mail).await;
        let usable = match &sent {
            Ok(_) => true,
            // After a refusal the conversation starts over, if the server is still there.
            Err(failure) => {
                failure.leaves_connection_usable()
                    && within(self.access.timeout, connection.client.rset()).await.is_ok()
            }
        };
        if usable {
            connection.mails += 1;
            self.keep(connection);
        }
        sent
    }

    /// A connection on which the server has taken MAIL FROM. A kept one may have gone stale; then a new one takes its
    /// place, and nobody calls that a failure.
    async fn begin(&self, from: &EmailAddress) -> Result<Kept, Failure> {
        if let Some(mut kept) = self.take_kept() {
            match self.mail_from(&mut kept.client, from).await {
                Ok(()) => return Ok(kept),
                Err(failure) if failure.leaves_connection_usable() => return Err(failure),
                Err(_) => {}
            }
        }
        let mut client = self.open().await?;
        self.mail_from(&mut client, from).await?;
        Ok(Kept { client, mails: 0, since: Instant::now() })
    }

    async fn mail_from(&self, client: &mut Client, from: &EmailAddress) -> Result<(), Failure> {
        within(self.access.timeout, client.mail_from(from.as_str(), &Parameters::default()))
            .await
            .map_err(Failure::at(Stage::Mail))
    }

    async fn transfer(&self, client: &mut Client, to: &[EmailAddress], mail: &[u8]) -> Result<Accepted, Failure> {
        let mut refused = Vec::new();
        for recipient in to {
            let answer = within(self.access.timeout, client.rcpt_to(recipient.as_str(), &Parameters::default())).await;
            match answer.map_err(Failure::at(Stage::Rcpt)) {
                Ok(()) => {}
                Err(failure) if failure.leaves_connection_usable() => refused.push((recipient.clone(), failure)),
                Err(failure) => return Err(failure),
            }
        }
        // Nothing has been sent yet: better all of them later than some of them never.
        if let Some(later) = refused.iter().position(|(_, failure)| failure.is_temporary()) {
            return Err(refused.swap_remove(later).1);
        }
        if refused.len() == to.len() {
            return Err(refused.swap_remove(0).1);
        }
        let go_ahead =
            within(self.access.timeout, client.cmd(b"DATA\r\n")).await.and_then(|reply| reply.assert_code(354));
        go_ahead.map_err(Failure::at(Stage::Data))?;
        let answer = within(self.access.timeout * LAST_WORD, async {
            client.write_message(mail).await?;
            client.read().await?.into_positive_completion()
        });
        let reply = answer.await.map_err(Failure::at(Stage::Text))?;
        Ok(Accepted { reply: Reply { code: reply.code, enhanced: reply.esc, text: reply.message }, refused })
    }

    async fn open(&self) -> Result<Client, Failure> {
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
        if let Some((username, password)) = &self.access.credentials {
            let credentials = Box::new(Credentials::new(username.as_str(), password.expose_secret()));
            let extensions = Box::new(extensions);
            let login = within(self.access.timeout, client.authenticate(credentials, extensions));
            login.await.map_err(Failure::at(Stage::Auth))?;
        }
        Ok(client)
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

async fn within<T>(limit: Duration, step: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::time::timeout(limit, step).await.unwrap_or(Err(Error::Timeout))
}

fn boxed(client: SmtpClient<impl Stream + 'static>) -> Client {
    SmtpClient { stream: Box::new(client.stream), timeout: client.timeout }
}
