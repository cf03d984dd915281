//! A name server on a real socket of this machine, which answers from a table.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;

use simple_dns::rdata::{MX, RData, TXT};
use simple_dns::{CLASS, CharacterString, Name, Packet, PacketFlag, QTYPE, RCODE, ResourceRecord, TYPE};

/// More goes by TCP alone (RFC 1035, 4.2.1).
const LONGEST_DATAGRAM: usize = 512;

/// A name server. It knows nothing but what it was told: any other name does not exist.
pub(crate) struct NameServer {
    pub(crate) address: SocketAddr,
}

type Table = HashMap<(String, TYPE), Vec<String>>;

impl NameServer {
    /// Of a closed network: it knows no name at all.
    pub(crate) fn closed() -> Self {
        Self::answering(Table::new())
    }

    /// Answers with these texts and, where the name stands for mail, this exchange.
    pub(crate) fn start(texts: &[(&str, &str)], exchanges: &[(&str, &str)]) -> Self {
        let mut table = Table::new();
        for (kind, rows) in [(TYPE::TXT, texts), (TYPE::MX, exchanges)] {
            for (name, value) in rows {
                table.entry(((*name).to_owned(), kind)).or_default().push((*value).to_owned());
            }
        }
        table.insert((String::new(), TYPE::NS), vec!["root.test".to_owned()]);
        Self::answering(table)
    }

    fn answering(table: Table) -> Self {
        let table = Arc::new(table);
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = tcp.local_addr().unwrap();
        let udp = UdpSocket::bind(address).unwrap();
        // They end with the process: nothing holds it up.
        std::thread::spawn({
            let table = Arc::clone(&table);
            move || serve_datagrams(&udp, &table)
        });
        std::thread::spawn(move || serve_streams(&tcp, &table));
        Self { address }
    }
}

fn serve_datagrams(socket: &UdpSocket, table: &Table) {
    let mut datagram = [0; 1500];
    while let Ok((length, asker)) = socket.recv_from(&mut datagram) {
        let mut answer = answer(&datagram[..length], table);
        if answer.len() > LONGEST_DATAGRAM {
            let mut cut = Packet::parse(&datagram[..length]).unwrap().into_reply();
            cut.set_flags(PacketFlag::TRUNCATION);
            answer = cut.build_bytes_vec().unwrap();
        }
        // Somebody else's late answer comes first: it is for nobody.
        let mut stray = answer.clone();
        stray[0] ^= 0xFF;
        socket.send_to(&stray, asker).unwrap();
        socket.send_to(&answer, asker).unwrap();
    }
}

fn serve_streams(listener: &TcpListener, table: &Table) {
    while let Ok((mut stream, _)) = listener.accept() {
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap();
        let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut question).unwrap();
        let answer = answer(&question, table);
        let length = u16::try_from(answer.len()).unwrap().to_be_bytes();
        stream.write_all(&[&length, answer.as_slice()].concat()).unwrap();
    }
}

fn answer(question: &[u8], table: &Table) -> Vec<u8> {
    let asked = Packet::parse(question).unwrap();
    assert!(asked.has_flags(PacketFlag::RECURSION_DESIRED));
    let mut reply = asked.clone().into_reply();
    let name = asked.questions[0].qname.to_string();
    let QTYPE::TYPE(kind) = asked.questions[0].qtype else { panic!("asked for {:?}", asked.questions[0].qtype) };
    for value in table.get(&(name.clone(), kind)).into_iter().flatten() {
        let data = match kind {
            TYPE::TXT => RData::TXT(text(value)),
            TYPE::NS => RData::NS(Name::new(value).unwrap().into()),
            _ => RData::MX(MX { preference: 10, exchange: Name::new(value).unwrap() }),
        };
        reply.answers.push(ResourceRecord::new(Name::new(&name).unwrap(), CLASS::IN, 60, data));
    }
    if !table.keys().any(|(known, _)| *known == name) {
        *reply.rcode_mut() = RCODE::NameError;
    }
    reply.build_bytes_vec_compressed().unwrap()
}

/// Long texts stand in parts of at most 255 bytes.
fn text(value: &str) -> TXT<'_> {
    value
        .as_bytes()
        .chunks(255)
        .fold(TXT::new(), |text, part| text.with_char_string(CharacterString::new(part).unwrap()))
}
