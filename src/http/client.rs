//! Who calls: the address at the other end, or the one that a proxy of ours names.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use poem::Request;

/// Where proxies say whom they speak for, the last one behind the others.
const FORWARDED_FOR: &str = "X-Forwarded-For";

/// The proxies whose word is taken for whom they speak for.
#[derive(Clone, Debug)]
pub struct Proxies(Arc<[IpNet]>);

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Client {
    /// Their address.
    pub(super) address: IpAddr,
    /// Whether it is a trusted proxy that speaks for nobody: a program on this machine, or in the shop's own network.
    pub(super) is_trusted: bool,
}

impl Proxies {
    /// Those in these networks.
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks.into())
    }

    /// Whether this address is one of theirs.
    pub(super) fn trust(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Who calls.
    pub(super) fn client(&self, request: &Request) -> Client {
        let peer = request.remote_addr().as_socket_addr().map_or(Ipv6Addr::UNSPECIFIED.into(), SocketAddr::ip);
        let headers = request.headers().get_all(FORWARDED_FOR).iter();
        self.behind(peer.to_canonical(), headers.rev().map(|value| value.to_str().unwrap_or_default()))
    }

    /// Whom `peer` speaks for, by these headers, the last one first. Each proxy adds whom it heard, so what stands to
    /// the left of the first stranger may be anybody's invention.
    fn behind<'a>(&self, peer: IpAddr, headers: impl Iterator<Item = &'a str>) -> Client {
        let mut address = peer;
        let mut hops = headers.flat_map(|header| header.rsplit(',')).map(str::trim).filter(|hop| !hop.is_empty());
        while self.trust(address) {
            match hops.next().map(parse) {
                Some(Some(hop)) => address = hop,
                // A proxy of ours says `unknown`: it speaks for somebody.
                Some(None) => return Client { address, is_trusted: false },
                None => return Client { address, is_trusted: address == peer },
            }
        }
        Client { address, is_trusted: false }
    }
}

/// An address as proxies write it: alone, with a port, or in brackets.
fn parse(hop: &str) -> Option<IpAddr> {
    let with_port = || hop.parse::<SocketAddr>().ok().map(|address| address.ip());
    let in_brackets = || hop.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::from);
    hop.parse::<IpAddr>().ok().or_else(with_port).or_else(in_brackets).map(|address| address.to_canonical())
}

/// What counts as one caller: an address, of IPv6 its /64, which is what one household gets.
pub(super) fn one_caller(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(peer: &str, headers: &[&str], address: &str, is_trusted: bool) {
        let networks = ["127.0.0.0/8", "::1/128", "10.1.0.0/16"].map(|network| network.parse().unwrap());
        let client = Proxies::new(networks.to_vec()).behind(peer.parse().unwrap(), headers.iter().rev().copied());
        assert_eq!(client, Client { address: address.parse().unwrap(), is_trusted }, "{peer} {headers:?}");
    }

    #[test]
    fn a_stranger_is_who_they_are_whatever_they_claim() {
        check("203.0.113.9", &[], "203.0.113.9", false);
        check("203.0.113.9", &["127.0.0.1"], "203.0.113.9", false);
        check("203.0.113.9", &["192.0.2.1, 192.0.2.2"], "203.0.113.9", false);
    }

    #[test]
    fn behind_proxies_the_caller_is_the_last_address_that_is_none_of_them() {
        check("127.0.0.1", &["203.0.113.9"], "203.0.113.9", false);
        check("127.0.0.1", &["192.0.2.1, 203.0.113.9"], "203.0.113.9", false);
        check("127.0.0.1", &["192.0.2.1", "203.0.113.9, 10.1.2.3"], "203.0.113.9", false);
        check("::1", &["192.0.2.1,,203.0.113.9 ,\t10.1.2.3:4711"], "203.0.113.9", false);
    }

    #[test]
    fn a_proxy_that_speaks_for_nobody_calls_for_itself() {
        check("127.0.0.1", &[], "127.0.0.1", true);
        check("127.0.0.1", &[" , "], "127.0.0.1", true);
        check("127.0.0.1", &["10.1.2.3"], "10.1.2.3", false);
    }

    #[test]
    fn what_cannot_be_read_ends_the_chain() {
        check("127.0.0.1", &["203.0.113.9, unknown"], "127.0.0.1", false);
        check("127.0.0.1", &["203.0.113.9, unknown, 10.1.2.3"], "10.1.2.3", false);
    }

    #[test]
    fn addresses_come_in_several_spellings() {
        for (spelling, address) in [
            ("203.0.113.9:80", "203.0.113.9"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:80", "2001:db8::1"),
        ] {
            check("127.0.0.1", &[spelling], address, false);
        }
    }

    #[test]
    fn a_household_of_ipv6_is_one_caller() {
        let one = |text: &str| one_caller(text.parse().unwrap());
        assert_eq!(one("2001:db8:1:2:3:4:5:6"), one("2001:db8:1:2::"));
        assert_ne!(one("2001:db8:1:2::"), one("2001:db8:1:3::"));
        assert_ne!(one("192.0.2.1"), one("192.0.2.2"));
    }
}
