//! The names that bots give to a field. To teach umishop another name, add it here.

/// A field we know what to do with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Name,
    LastName,
    Email,
    Phone,
    Topic,
    Question,
    Language,
    RequestId,
    Test,
    Referral,
    Referrer,
    LandingPage,
    Channel,
    Country,
    CustomerId,
    ChatUuid,
    OriginText,
}

/// What a field's name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// One of our fields; a lower rank is asked first.
    Known { field: Field, rank: usize },
    /// A campaign tag, by its full name.
    Utm(String),
    /// A click id, by its full name.
    Click(&'static str),
    /// Nothing to us.
    Other,
}

/// About the customer and what they want. The first name that brings a value wins.
#[rustfmt::skip]
const CUSTOMER: &[(Field, &[&str])] = &[
    (Field::Name, &["name", "full_name", "first_name", "username", "nombre"]),
    (Field::LastName, &["last_name", "surname", "apellido", "apellidos"]),
    (Field::Email, &["email", "mail", "user_email", "email_address", "correo"]),
    (Field::Phone, &["phone", "telephone", "telefono", "teléfono", "mobile", "movil", "móvil", "whatsapp", "phone_number", "tel"]),
    (Field::Question, &["description", "message", "question", "text", "comment", "pregunta", "mensaje"]),
    (Field::Topic, &["topic", "subject", "department", "tema", "asunto"]),
    (Field::Language, &["language", "lang", "locale"]),
    (Field::RequestId, &["request_id", "idempotency_key"]),
    (Field::Test, &["test"]),
];

/// About where they came from; these are the only ones that count inside `origin: {…}`.
#[rustfmt::skip]
const ORIGIN: &[(Field, &[&str])] = &[
    (Field::Referral, &["ref", "referral", "ref_code"]),
    (Field::Referrer, &["referrer", "referer", "page_referrer"]),
    (Field::LandingPage, &["landing_page", "landing", "url", "page"]),
    (Field::Channel, &["channel"]),
    (Field::Country, &["country"]),
    (Field::CustomerId, &["landbot_customer_id", "customer_id"]),
    (Field::ChatUuid, &["chat_uuid", "umi_chat", "landbot_chat_uuid"]),
    (Field::OriginText, &["origin", "text"]),
];

/// The ids that advertising networks append to the address of a page.
#[rustfmt::skip]
const CLICKS: &[&str] = &[
    "gclid", "gbraid", "wbraid", "dclid", "fbclid", "msclkid", "ttclid", "ctwa_clid", "li_fat_id", "twclid", "epik",
    "sccid", "rdt_cid", "yclid", "igshid", "mc_eid",
];

/// The campaign tags that are recognised even where nothing separates `utm` from the rest.
const UTM: [&str; 6] = ["source", "medium", "campaign", "term", "content", "id"];

/// What the name, in snake case, says.
pub(super) fn meaning(key: &str, about_origin: bool) -> Meaning {
    let customer = if about_origin { &[][..] } else { CUSTOMER };
    for (field, names) in customer.iter().chain(ORIGIN) {
        if let Some(rank) = names.iter().position(|name| same(name, key)) {
            return Meaning::Known { field: *field, rank };
        }
    }
    if let Some(name) = CLICKS.iter().find(|name| same(name, key)) {
        return Meaning::Click(name);
    }
    match key.strip_prefix("utm") {
        Some(tag) if tag.len() > 1 && tag.starts_with('_') => Meaning::Utm(key.to_owned()),
        Some(tag) if UTM.contains(&tag) => Meaning::Utm(format!("utm_{tag}")),
        _ => Meaning::Other,
    }
}

/// Whether the name, in snake case, is that of a mail address or a phone.
pub(super) fn is_contact(key: &str) -> bool {
    matches!(meaning(key, false), Meaning::Known { field: Field::Email | Field::Phone, .. })
}

/// Whether the name, in snake case, is that of a mail address.
pub(super) fn is_email(key: &str) -> bool {
    matches!(meaning(key, false), Meaning::Known { field: Field::Email, .. })
}

/// Whether two names are the same but for the places where their words part.
pub(super) fn same(a: &str, b: &str) -> bool {
    fn letters(name: &str) -> impl Iterator<Item = u8> {
        name.bytes().filter(|byte| *byte != b'_')
    }
    letters(a).eq(letters(b))
}

/// `First Name`, `first-name`, `firstName`, `FIRST_NAME` -> `first_name`.
pub(super) fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    let mut after_lower = false;
    for character in name.chars() {
        let separates = character.is_whitespace() || character.is_control() || matches!(character, '-' | '_' | '.');
        if (separates || (after_lower && character.is_uppercase())) && !snake.is_empty() && !snake.ends_with('_') {
            snake.push('_');
        }
        if !separates {
            snake.extend(character.to_lowercase());
        }
        after_lower = character.is_lowercase() || character.is_ascii_digit();
    }
    snake.truncate(snake.trim_end_matches('_').len());
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_separators_of_a_name_do_not_count() {
        for name in [
            "first_name",
            "firstName",
            "FirstName",
            "First Name",
            "first-name",
            "FIRST_NAME",
            " first  name ",
            "first.name",
        ] {
            assert_eq!(snake_case(name), "first_name", "{name:?}");
        }
        assert!(same("first_name", &snake_case("firstname")) && same("email", &snake_case("E-Mail")));
        assert_eq!(snake_case("Größe"), "größe");
        assert_eq!(snake_case("_raw__"), "raw");
    }

    #[test]
    fn every_name_means_its_own_field() {
        for (table, about_origin) in [(CUSTOMER, false), (ORIGIN, true)] {
            for (field, names) in table {
                for (rank, name) in names.iter().enumerate() {
                    assert_eq!(meaning(name, about_origin), Meaning::Known { field: *field, rank }, "{name}");
                }
            }
        }
        assert_eq!(meaning("text", false), Meaning::Known { field: Field::Question, rank: 3 });
        assert_eq!(meaning("name", true), Meaning::Other);
    }

    #[test]
    fn campaign_tags_and_click_ids_are_known_by_their_full_name() {
        for name in ["utm_source", "utm-source", "utmSource", "utmsource", "UTM Source"] {
            assert_eq!(meaning(&snake_case(name), false), Meaning::Utm("utm_source".into()), "{name}");
        }
        assert_eq!(meaning("utm_creative_format", false), Meaning::Utm("utm_creative_format".into()));
        assert_eq!(meaning(&snake_case("ctwaClid"), false), Meaning::Click("ctwa_clid"));
        assert_eq!(meaning("utmost", false), Meaning::Other);
        assert_eq!(meaning("utm_", false), Meaning::Other);
    }
}
