//! Invented customers: names that are put together from syllables, addresses that cannot exist.

use fastrand::Rng;

use super::chance::{pick, weighted};
use super::ways::Way;
use crate::domain::{Contact, EmailAddress, Phone};

/// A country and how people there are reached.
struct Home {
    country: &'static str,
    weight: f64,
    language: &'static str,
    /// What its numbers begin with, and how many digits follow. Where a regulator keeps numbers free for films and books,
    /// they are those (Ofcom: 07700 900000-900999; Arcep: 06 39 98; Bundesnetzagentur: 0171 39200 and 0176 04069; NANPA:
    /// 555-0100 to 555-0199); else those of a range that begins with 55, where mobile numbers begin otherwise.
    phones: Option<(&'static str, u32)>,
}

#[rustfmt::skip]
const HOMES: &[Home] = &[
    Home { country: "ES", weight: 46.0, language: "es", phones: Some(("+34551", 6)) },
    Home { country: "PT", weight: 14.0, language: "pt", phones: Some(("+351551", 6)) },
    Home { country: "FR", weight: 10.0, language: "fr", phones: Some(("+3363998", 4)) },
    Home { country: "DE", weight: 8.0, language: "de", phones: Some(("+4917604069", 3)) },
    Home { country: "GB", weight: 8.0, language: "en", phones: Some(("+447700900", 3)) },
    Home { country: "IT", weight: 6.0, language: "it", phones: Some(("+39551", 6)) },
    Home { country: "MX", weight: 4.0, language: "es-MX", phones: None },
    Home { country: "US", weight: 2.0, language: "en-US", phones: Some(("+120255501", 2)) },
    Home { country: "NL", weight: 2.0, language: "nl", phones: None },
];

/// What they who are known by nothing but their phone have it begin with; six digits follow, for each another number.
const PHONES_ALONE: &str = "+34550";

/// Written with and without its accent.
#[rustfmt::skip]
const SYLLABLES: &[(&str, &str)] = &[
    ("ma", "ma"), ("ri", "ri"), ("lu", "lu"), ("né", "ne"), ("so", "so"), ("ta", "ta"), ("vi", "vi"), ("ra", "ra"), ("li", "li"),
    ("mo", "mo"), ("ke", "ke"), ("na", "na"), ("dó", "do"), ("el", "el"), ("is", "is"), ("zu", "zu"), ("ba", "ba"), ("re", "re"),
    ("ní", "ni"), ("va", "va"), ("fi", "fi"), ("jo", "jo"), ("se", "se"), ("tu", "tu"),
];

/// Somebody who does not exist.
pub(super) struct Person {
    pub(super) name: String,
    pub(super) contact: Contact,
    pub(super) language: &'static str,
    pub(super) country: &'static str,
}

/// The customer of this number, who came by `way`.
pub(super) fn person(chance: &mut Rng, number: u32, way: &Way) -> Person {
    let home = &HOMES[weighted(chance, HOMES.iter().map(|home| home.weight))];
    let (first, plain_first) = word(chance, 2);
    let (last, plain_last) = word(chance, 3);
    // Over WhatsApp nobody is asked for a mail address.
    let by_phone = way.channel == "whatsapp";
    let domain = pick(chance, &["com", "org", "net"]).copied().unwrap_or("com");
    let address = format!("{plain_first}.{plain_last}.{number}@example.{domain}");
    let phone = match home.phones {
        _ if by_phone => Some(format!("{PHONES_ALONE}{:06}", number % 1_000_000)),
        Some((begin, digits)) if chance.f64() < 0.6 => {
            let width = usize::try_from(digits).unwrap_or_default();
            Some(format!("{begin}{:0width$}", chance.u32(..10_u32.pow(digits))))
        }
        _ => None,
    };
    let contact = Contact {
        email: if by_phone { None } else { EmailAddress::parse(&address).ok() },
        phone: phone.map(|number| Phone { raw: number.clone(), e164: Some(number) }),
        landbot_customer_id: Some(landbot_customer_id(number)),
    };
    Person { name: format!("{first} {last}"), contact, language: home.language, country: home.country }
}

/// Landbot's number of the customer.
pub(super) fn landbot_customer_id(number: u32) -> String {
    (400_000_000_u64 + u64::from(number)).to_string()
}

/// A name, as it is written and in plain letters.
fn word(chance: &mut Rng, syllables: usize) -> (String, String) {
    let (mut written, mut plain) = (String::new(), String::new());
    for nth in 0..syllables {
        let (with, without) = pick(chance, SYLLABLES).copied().unwrap_or_default();
        if nth == 0 {
            let mut letters = with.chars();
            written.extend(letters.next().into_iter().flat_map(char::to_uppercase));
            written.push_str(letters.as_str());
        } else {
            written.push_str(with);
        }
        plain.push_str(without);
    }
    (written, plain)
}
