//! A user: one customer, known by a mail address, else a phone, else Landbot's customer id.

use std::borrow::Borrow;

use serde::Deserialize;

use super::{EmailAddress, Origin, Phone, Timestamp, UserId};

/// The ways to know a customer again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contact {
    /// Their mail address.
    pub email: Option<EmailAddress>,
    /// Their phone.
    pub phone: Option<Phone>,
    /// Landbot's number for them.
    pub landbot_customer_id: Option<String>,
}

impl Contact {
    /// Whether there is nothing to know them by.
    pub fn is_empty(&self) -> bool {
        self.email.is_none() && self.phone.is_none() && self.landbot_customer_id.is_none()
    }

    /// The one text that stands for the customer: the strongest way to know them. Empty when there is none.
    pub fn key(&self) -> String {
        match (&self.email, &self.phone, &self.landbot_customer_id) {
            (Some(email), ..) => email.to_string(),
            (None, Some(phone), _) => phone.best().to_owned(),
            (None, None, Some(id)) => format!("landbot:{id}"),
            (None, None, None) => String::new(),
        }
    }
}

/// Which of the ways to know a customer is their address on a channel that writes to customers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContactField {
    /// Their mail address.
    Email,
    /// Their phone number, in its international form.
    Phone,
    /// Landbot's number for them.
    LandbotCustomerId,
}

impl ContactField {
    /// What it is called in an explanation.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Email => "mail address",
            Self::Phone => "phone number in its international form",
            Self::LandbotCustomerId => "Landbot customer id",
        }
    }
}

/// What one webhook told about a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewUser {
    /// The id they get if they are new.
    pub id: UserId,
    /// Their name; may be empty.
    pub name: String,
    /// The ways to know them again.
    pub contact: Contact,
    /// Language tag as the bot told it (`es`, `pt-BR`); empty when unknown.
    pub language: String,
    /// Where they came from this time.
    pub origin: Origin,
}

/// A customer as the store knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// Their name; may be empty.
    pub name: String,
    /// Their mail address.
    pub email: Option<EmailAddress>,
    /// Their phone.
    pub phone: Option<Phone>,
    /// Landbot's number for them.
    pub landbot_customer_id: Option<String>,
    /// Language tag; empty when unknown.
    pub language: String,
    /// Where they came from first.
    pub origin: Origin,
    /// When they were first heard of.
    pub created_at: Timestamp,
    /// When they registered; `None` while they have only asked for help.
    pub registered_at: Option<Timestamp>,
}

impl User {
    /// A user who was not known before.
    pub fn first_seen(new: &NewUser, now: Timestamp) -> Self {
        Self {
            id: new.id,
            name: new.name.clone(),
            email: new.contact.email.clone(),
            phone: new.contact.phone.clone(),
            landbot_customer_id: new.contact.landbot_customer_id.clone(),
            language: new.language.clone(),
            origin: new.origin.clone(),
            created_at: now,
            registered_at: None,
        }
    }

    /// Takes over what was missing; what is known stays. Says whether anything changed.
    pub fn merge(&mut self, name: &str, contact: &Contact, language: &str) -> bool {
        let understood = |phone: &Option<Phone>| phone.as_ref().is_some_and(|phone| phone.e164.is_some());
        let wants_phone = self.phone.is_none() || (!understood(&self.phone) && understood(&contact.phone));
        let changed = [
            take_over(&mut self.name, name, String::is_empty),
            take_over(&mut self.language, language, String::is_empty),
            take_over(&mut self.email, &contact.email, Option::is_none),
            take_over(&mut self.phone, &contact.phone, |_| wants_phone),
            take_over(&mut self.landbot_customer_id, &contact.landbot_customer_id, Option::is_none),
        ];
        changed.contains(&true)
    }

    /// Whether they were erased: everybody else can be known again somehow.
    pub const fn is_erased(&self) -> bool {
        self.email.is_none() && self.phone.is_none() && self.landbot_customer_id.is_none()
    }

    /// Whether `contact` may be this user though it was found by a weaker mark than the mail address: two addresses are
    /// two people, even on one phone, and two phones are two people, even at one tablet in the shop.
    pub fn may_be(&self, contact: &Contact) -> bool {
        let (mine, theirs) = (&self.email, &contact.email);
        if mine.is_some() && theirs.is_some() {
            return mine == theirs;
        }
        let e164 = |phone: &Option<Phone>| phone.as_ref().and_then(|phone| phone.e164.clone());
        match (e164(&self.phone), e164(&contact.phone)) {
            (Some(mine), Some(theirs)) => mine == theirs,
            _ => true,
        }
    }
}

/// Takes what they say for what is missing. Says whether that is anything new.
fn take_over<T, U>(mine: &mut T, theirs: &U, is_missing: impl Fn(&T) -> bool) -> bool
where
    T: Borrow<U>,
    U: ?Sized + PartialEq + ToOwned<Owned = T>,
{
    let takes = is_missing(mine) && (*mine).borrow() != theirs;
    if takes {
        theirs.clone_into(mine);
    }
    takes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(name: &str, email: Option<&str>) -> NewUser {
        let now = Timestamp::from_millis(0);
        let email = email.map(|text| EmailAddress::parse(text).unwrap());
        NewUser {
            id: UserId::new(now),
            name: name.into(),
            contact: Contact { email, ..Contact::default() },
            language: String::new(),
            origin: Origin::default(),
        }
    }

    #[test]
    fn merging_fills_gaps_and_never_overwrites() {
        let mut user = User::first_seen(&new("", Some("ana@example.com")), Timestamp::from_millis(0));
        let other = new("Ana", Some("other@example.com"));
        assert!(user.merge(&other.name, &other.contact, ""));
        assert_eq!((user.name.as_str(), user.email.as_ref().unwrap().as_str()), ("Ana", "ana@example.com"));
        assert!(!user.merge("Eva", &Contact::default(), ""));
        assert_eq!(user.name, "Ana");
    }

    #[test]
    fn two_addresses_are_two_people() {
        let user = User::first_seen(&new("Ana", Some("ana@example.com")), Timestamp::from_millis(0));
        assert!(user.may_be(&new("", None).contact));
        assert!(!user.may_be(&new("", Some("eva@example.com")).contact));
    }

    #[test]
    fn two_phones_at_one_tablet_are_two_people() {
        let phone = |number: &str| Some(Phone { raw: number.into(), e164: Some(number.into()) });
        let mut first = new("Ana", None);
        first.contact.phone = phone("+34612345678");
        let user = User::first_seen(&first, Timestamp::from_millis(0));
        let with = |number: &str| Contact { phone: phone(number), ..Contact::default() };
        assert!(user.may_be(&with("+34612345678")));
        assert!(!user.may_be(&with("+34699999999")));
    }
}
