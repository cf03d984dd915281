//! Questions to the domain name system, asked of the machine's own name servers.
//!
//! Plain DNS as every name server speaks it (RFC 1035): a question goes by UDP, and again by TCP when its answer is too
//! long for that. A name that does not exist has no records; that is an answer. Everything else that is none is told.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use ring::rand::{SystemRandom, generate};
use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QTYPE, Question, RCODE, TYPE};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

/// Where resolvers are listed (resolv.conf(5)).
const SYSTEM: &str = "/etc/resolv.conf";

/// More of them are not asked (resolv.conf(5), MAXNS).
const MOST_SERVERS: usize = 3;

/// How long one server may take for one question.
const TIMEOUT: Duration = Duration::from_secs(2);

/// How often each server is asked: a datagram may be lost.
const ROUNDS: usize = 2;

/// Where name servers listen.
const PORT: u16 = 53;

/// Longer than any answer by UDP that we ask for, which is 512 bytes.
const DATAGRAM: usize = 4096;

/// Nobody answered, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct NoAnswer(String);

/// Name servers to ask.
#[derive(Clone, Debug)]
pub struct Dns {
    servers: Vec<SocketAddr>,
}

/// One of them, as a person names it: `127.0.0.1`, `127.0.0.1:5353`.
impl FromStr for Dns {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let address = text.parse::<SocketAddr>().or_else(|_| text.parse().map(|ip: IpAddr| SocketAddr::new(ip, PORT)));
        address
            .map(|server| Self { servers: vec![server] })
            .map_err(|_| "expected an address like 1.1.1.1 or 127.0.0.1:5353".to_owned())
    }
}

impl Dns {
    /// Those that this machine asks.
    pub fn of_system() -> Self {
        // A machine without that list asks itself (resolv.conf(5)).
        let listed = std::fs::read_to_string(SYSTEM).unwrap_or_default();
        let mut servers: Vec<SocketAddr> = listed.lines().filter_map(listed_server).take(MOST_SERVERS).collect();
        if servers.is_empty() {
            servers.push(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), PORT));
        }
        Self { servers }
    }

    /// The texts at `name`, each put together from its parts.
    pub(super) async fn texts(&self, name: &str) -> Result<Vec<String>, NoAnswer> {
        self.ask(name, TYPE::TXT, |data| match data {
            // What is no UTF-8 is none of what we look for.
            RData::TXT(text) => String::try_from(text).ok(),
            _ => None,
        })
        .await
    }

    /// The hosts that take mail for `name`; the root, an empty name, says that none does (RFC 7505).
    pub(super) async fn exchanges(&self, name: &str) -> Result<Vec<String>, NoAnswer> {
        self.ask(name, TYPE::MX, |data| match data {
            RData::MX(mx) => Some(mx.exchange.to_string()),
            _ => None,
        })
        .await
    }

    /// The addresses of `name`.
    pub(super) async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, NoAnswer> {
        let of = |data: RData<'_>| match data {
            RData::A(a) => Some(IpAddr::from(Ipv4Addr::from(a.address))),
            RData::AAAA(aaaa) => Some(IpAddr::from(Ipv6Addr::from(aaaa.address))),
            _ => None,
        };
        let mut addresses = self.ask(name, TYPE::A, of).await?;
        addresses.extend(self.ask(name, TYPE::AAAA, of).await?);
        Ok(addresses)
    }

    /// Says whether the servers know the world at all: some, in closed networks, say of every name that it does not
    /// exist. To be asked before anything is concluded from that.
    pub(super) async fn prove_known(&self) -> Result<(), NoAnswer> {
        let root = self.ask(".", TYPE::NS, |data| matches!(data, RData::NS(_)).then_some(())).await?;
        let server = self.servers.first().map(ToString::to_string).unwrap_or_default();
        let unknown = || NoAnswer(format!("the name server {server} knows no names of the world outside"));
        if root.is_empty() { Err(unknown()) } else { Ok(()) }
    }

    async fn ask<T>(
        &self,
        name: &str,
        wanted: TYPE,
        read: impl Fn(RData<'_>) -> Option<T>,
    ) -> Result<Vec<T>, NoAnswer> {
        let mut last = NoAnswer("there is no name server to ask".to_owned());
        for server in (0..ROUNDS).flat_map(|_| &self.servers) {
            match tokio::time::timeout(TIMEOUT, ask_one(*server, name, wanted)).await {
                Ok(Ok(answer)) => match records(&answer, &read) {
                    Ok(records) => return Ok(records),
                    Err(why) => last = NoAnswer(format!("the name server {} {why}", server.ip())),
                },
                Ok(Err(why)) => last = NoAnswer(format!("the name server {} cannot be asked: {why}", server.ip())),
                Err(_) => last = NoAnswer(format!("the name server {} does not answer", server.ip())),
            }
        }
        Err(last)
    }
}

fn listed_server(line: &str) -> Option<SocketAddr> {
    let mut words = line.split_whitespace();
    let ip = words.next().filter(|word| *word == "nameserver").and(words.next())?.parse().ok()?;
    Some(SocketAddr::new(ip, PORT))
}

/// The whole answer, as it came.
async fn ask_one(server: SocketAddr, name: &str, wanted: TYPE) -> std::io::Result<Vec<u8>> {
    let invalid = |why: String| std::io::Error::new(std::io::ErrorKind::InvalidInput, why);
    let random: [u8; 2] =
        generate(&SystemRandom::new()).map_err(|_| invalid("this system has no randomness".to_owned()))?.expose();
    let id = u16::from_be_bytes(random);
    let name = Name::new(name).map_err(|error| invalid(format!("{name} is no name ({error})")))?;
    let mut question = Packet::new_query(id);
    question.set_flags(PacketFlag::RECURSION_DESIRED);
    question.questions.push(Question::new(name.clone(), QTYPE::TYPE(wanted), CLASS::IN.into(), false));
    let question = question.build_bytes_vec().map_err(|error| invalid(error.to_string()))?;
    let answer = by_udp(server, &question, id, &name).await?;
    match Packet::parse(&answer) {
        Ok(packet) if packet.has_flags(PacketFlag::TRUNCATION) => by_tcp(server, &question).await,
        // Some cut an answer in the middle of a record.
        Err(_) if answer.get(2).is_some_and(|flags| flags & TRUNCATED != 0) => by_tcp(server, &question).await,
        _ => Ok(answer),
    }
}

/// The bit of the third byte that says that an answer was cut (RFC 1035, 4.1.1).
const TRUNCATED: u8 = 0b0000_0010;

async fn by_udp(server: SocketAddr, question: &[u8], id: u16, name: &Name<'_>) -> std::io::Result<Vec<u8>> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    // From now on nobody else's datagrams arrive.
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut datagram = vec![0; DATAGRAM];
    loop {
        let length = socket.recv(&mut datagram).await?;
        let answer = &datagram[..length];
        let ours = match Packet::parse(answer) {
            Ok(packet) => {
                packet.id() == id
                    && packet.has_flags(PacketFlag::RESPONSE)
                    && packet.questions.first().is_none_or(|asked| asked.qname == *name)
            }
            Err(_) => answer.starts_with(&id.to_be_bytes()),
        };
        // What is no answer to this question may be a late one to another, or somebody's guess.
        if ours {
            return Ok(answer.to_vec());
        }
    }
}

/// Each message goes after its length (RFC 1035, 4.2.2).
async fn by_tcp(server: SocketAddr, question: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(question.len()).unwrap_or(u16::MAX).to_be_bytes();
    stream.write_all(&[&length, question].concat()).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

/// What stands in the answer; the error goes on with what the server did.
fn records<T>(answer: &[u8], read: impl Fn(RData<'_>) -> Option<T>) -> Result<Vec<T>, String> {
    let packet = Packet::parse(answer).map_err(|error| format!("sent what cannot be read ({error})"))?;
    match packet.rcode() {
        RCODE::NoError => Ok(packet.answers.into_iter().filter_map(|record| read(record.rdata)).collect()),
        RCODE::NameError => Ok(Vec::new()),
        other => Err(format!("answered {other:?}")),
    }
}
