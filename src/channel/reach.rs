//! Which addresses a channel may connect to.
//!
//! The address of a webhook is often pasted from somewhere else, and what it says can lead into the shop's own network:
//! to a database, a router, the cloud's metadata. So a channel can be kept to the public internet, but for the networks
//! that it names. What counts is the address that a host's name leads to at the moment of connecting, not the name.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use url::{Host, Url};

/// What is not the public internet, by IANA's registries of special-purpose addresses (RFC 6890) and of multicast.
const NOT_PUBLIC_V4: &[Ipv4Net] = &[
    v4([0, 0, 0, 0], 8),       // this network
    v4([10, 0, 0, 0], 8),      // private
    v4([100, 64, 0, 0], 10),   // behind a provider's address translation
    v4([127, 0, 0, 0], 8),     // this machine
    v4([169, 254, 0, 0], 16),  // this link; 169.254.169.254 is a cloud's metadata
    v4([172, 16, 0, 0], 12),   // private
    v4([192, 0, 0, 0], 24),    // protocols' own
    v4([192, 0, 2, 0], 24),    // documentation
    v4([192, 88, 99, 0], 24),  // 6to4 relays, given up
    v4([192, 168, 0, 0], 16),  // private
    v4([198, 18, 0, 0], 15),   // benchmarks
    v4([198, 51, 100, 0], 24), // documentation
    v4([203, 0, 113, 0], 24),  // documentation
    v4([224, 0, 0, 0], 4),     // multicast
    v4([240, 0, 0, 0], 4),     // reserved, and broadcast
];

/// All that has been given out as public addresses so far.
const GLOBAL_V6: Ipv6Net = v6([0x2000, 0, 0], 3);

/// What in there is not the public internet.
const NOT_PUBLIC_V6: &[Ipv6Net] = &[
    v6([0x2001, 0, 0], 23),     // protocols' own, Teredo among them
    v6([0x2001, 0xdb8, 0], 32), // documentation
    v6([0x2002, 0, 0], 16),     // 6to4: leads to any IPv4 address
    v6([0x3fff, 0, 0], 20),     // documentation
];

/// IPv4 addresses as a translating network writes them (RFC 6052): what they lead to counts.
const TRANSLATED: Ipv6Net = v6([0x64, 0xff9b, 0], 96);

const fn v4([a, b, c, d]: [u8; 4], length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6([a, b, c]: [u16; 3], length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), length)
}

/// Which addresses a channel may connect to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Reach {
    /// All of them.
    #[default]
    Everywhere,
    /// The public internet, and these networks.
    Public(Vec<IpNet>),
}

impl Reach {
    /// The public internet, and what `networks` names: addresses, or networks like `10.0.0.0/8`. The error is for the
    /// one that is neither.
    pub(super) fn public_and(networks: &[String]) -> Result<Self, String> {
        let network = |text: &String| {
            let network = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
            network.ok_or_else(|| format!("`{text}` is no network: write an address, or a network like 10.0.0.0/8"))
        };
        networks.iter().map(network).collect::<Result<_, _>>().map(Self::Public)
    }

    /// Whether `address` may be connected to.
    pub(super) fn takes(&self, address: IpAddr) -> bool {
        let Self::Public(networks) = self else { return true };
        let address = address.to_canonical();
        is_public(address) || networks.iter().any(|network| network.contains(&address))
    }

    /// Refuses what can be seen to lead nowhere that may be connected to, before any name is looked up.
    pub(super) fn check(&self, url: &Url) -> Result<(), NotPublic> {
        let (host, address) = match url.host() {
            Some(Host::Ipv4(address)) => (address.to_string(), IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => (address.to_string(), IpAddr::V6(address)),
            // By these names everybody means their own machine (RFC 6761).
            Some(Host::Domain(name)) if name == "localhost" || name.ends_with(".localhost") => {
                if self.takes(Ipv6Addr::LOCALHOST.into()) {
                    return Ok(());
                }
                (name.to_owned(), IpAddr::V4(Ipv4Addr::LOCALHOST))
            }
            _ => return Ok(()),
        };
        if self.takes(address) { Ok(()) } else { Err(NotPublic { host, address }) }
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !NOT_PUBLIC_V4.iter().any(|network| network.contains(&address)),
        IpAddr::V6(address) if TRANSLATED.contains(&address) => {
            let [.., a, b, c, d] = address.octets();
            is_public(Ipv4Addr::new(a, b, c, d).into())
        }
        IpAddr::V6(address) => {
            GLOBAL_V6.contains(&address) && !NOT_PUBLIC_V6.iter().any(|network| network.contains(&address))
        }
    }
}

/// A host leads to an address that the channel may not connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NotPublic {
    /// As it is written.
    pub(super) host: String,
    /// Where it leads.
    pub(super) address: IpAddr,
}

impl NotPublic {
    /// What to do about it.
    pub(super) fn mend(&self) -> String {
        format!(
            "if this channel shall reach it, write private_networks = [\"{}\"] into its table",
            self.address.to_canonical()
        )
    }
}

impl fmt::Display for NotPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, address } = self;
        if *host == address.to_string() {
            write!(f, "{host} is not an address of the public internet")
        } else {
            write!(f, "{host} leads to {address}, which is not an address of the public internet")
        }
    }
}

impl std::error::Error for NotPublic {}

#[cfg(test)]
mod tests {
    use super::*;

    fn public() -> Reach {
        Reach::public_and(&[]).unwrap()
    }

    fn takes(reach: &Reach, address: &str) -> bool {
        reach.takes(address.parse().unwrap())
    }

    const ELSEWHERE: &str = "
        0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.8.9.1 169.254.169.254 172.16.0.1
        172.31.255.255 192.0.0.8 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1
        224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 :: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:10.0.0.1
        ::ffff:169.254.169.254 64:ff9b::10.0.0.1 64:ff9b::7f00:1 64:ff9b:1::808:808 100::1 2001::1 2001:2::1 2001:db8::1
        2002:7f00:1::1 3fff::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 fec0::1 ff02::1";

    const PUBLIC: &str = "
        1.1.1.1 9.255.255.255 11.0.0.1 100.63.255.255 100.128.0.1 172.15.0.1 172.32.0.1 192.167.1.1 192.169.1.1 198.17.0.1
        198.20.0.1 223.255.255.255 2001:4860:4860::8888 2606:4700:4700::1111 2a00:1450::1 64:ff9b::8.8.8.8
        ::ffff:8.8.8.8";

    #[test]
    fn only_the_public_internet_is_reached() {
        for (addresses, expected) in [(ELSEWHERE, false), (PUBLIC, true)] {
            for address in addresses.split_whitespace() {
                assert_eq!(takes(&public(), address), expected, "{address}");
            }
        }
    }

    #[test]
    fn a_network_that_is_named_is_reached_and_no_other() {
        let reach =
            Reach::public_and(&["127.0.0.1".to_owned(), "10.1.0.0/16".to_owned(), "fd00::/8".to_owned()]).unwrap();
        for address in ["127.0.0.1", "::ffff:127.0.0.1", "10.1.255.1", "fd00::7", "1.1.1.1"] {
            assert!(takes(&reach, address), "{address}");
        }
        for address in ["127.0.0.2", "10.2.0.1", "169.254.169.254", "::1", "fe80::1"] {
            assert!(!takes(&reach, address), "{address}");
        }
        assert!(takes(&Reach::Everywhere, "127.0.0.1"));
        let error = Reach::public_and(&["10.0.0.0/33".to_owned()]).unwrap_err();
        assert!(error.contains("`10.0.0.0/33`") && error.contains("10.0.0.0/8"), "{error}");
    }

    #[test]
    fn an_address_that_shows_where_it_leads_is_refused_before_anything_is_looked_up() {
        let refused = |url: &str| public().check(&Url::parse(url).unwrap()).err().map(|error| error.to_string());
        for (url, host) in [
            ("http://127.0.0.1/x", "127.0.0.1"),
            ("http://2130706433/x", "127.0.0.1"),
            ("http://0x7f.1/", "127.0.0.1"),
            ("http://[::ffff:10.0.0.1]:8080/", "::ffff:10.0.0.1"),
            ("https://LOCALHOST/", "localhost"),
            ("https://a.localhost/", "a.localhost"),
        ] {
            let error = refused(url).unwrap_or_default();
            assert!(error.starts_with(host) && error.ends_with("is not an address of the public internet"), "{error}");
        }
        assert_eq!(refused("https://crm.example.com/127.0.0.1"), None);
        assert_eq!(refused("https://1.1.1.1/"), None);
        let own = Reach::public_and(&["::1".to_owned()]).unwrap();
        assert_eq!(own.check(&Url::parse("http://localhost/").unwrap()), Ok(()));
        assert!(own.check(&Url::parse("http://127.0.0.1/").unwrap()).unwrap_err().mend().contains("[\"127.0.0.1\"]"));
    }
}
