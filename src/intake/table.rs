//! A table of customers, one a row, under the names that bots give to the same fields.

use super::aliases::{self, Meaning, snake_case};
use super::envelope::{Given, Place};
use super::value::{self, Value};
use super::{Fields, Received, gather};
use crate::domain::{Country, UserId};

/// When the customer registered; the first one that is filled counts.
const TIMES: &[&str] = &[
    "registered_at",
    "registration_date",
    "registered",
    "signed_up_at",
    "signup_date",
    "fecha_de_registro",
    "created_at",
    "date_created",
    "created",
    "fecha",
];

/// What tables call a campaign tag that links call by its full name.
const TAGS: &[(&str, &str)] = &[("source", "utm_source"), ("medium", "utm_medium"), ("campaign", "utm_campaign")];

/// What the columns of a table are.
#[derive(Debug)]
pub struct Columns {
    /// The name of each, in snake case; `None`: a secret, which is not read.
    keys: Vec<Option<String>>,
    /// What each name says.
    meanings: Vec<Meaning>,
    /// Those that say when, the best one first.
    times: Vec<usize>,
}

/// One row.
#[derive(Debug)]
pub struct Row<'a> {
    /// What it tells about the customer.
    pub fields: Fields,
    /// When they registered, as it is written, and in which column.
    pub registered_at: Option<(usize, &'a str)>,
}

impl Columns {
    /// By the names in the first row.
    pub fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let keys: Vec<Option<String>> =
            names.map(|name| Some(snake_case(name)).filter(|key| !value::is_secret(key))).collect();
        let place = |time: &&str| keys.iter().position(|key| key.as_deref() == Some(*time));
        let times = TIMES.iter().filter_map(place).collect();
        let has = |name: &str| keys.iter().any(|key| key.as_deref() == Some(name));
        let tags: Vec<_> = TAGS.iter().filter(|(_, tag)| !has(tag)).collect();
        let full = |key: Option<String>| {
            let tag = tags.iter().find(|(name, _)| key.as_deref() == Some(*name));
            tag.map_or(key, |(_, tag)| Some((*tag).to_owned()))
        };
        let keys: Vec<_> = keys.into_iter().map(full).collect();
        let meanings = keys.iter().map(|key| aliases::meaning(key.as_deref().unwrap_or_default(), false)).collect();
        Self { keys, meanings, times }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.keys.len()
    }

    /// The name of one of them, in snake case.
    pub fn name(&self, column: usize) -> &str {
        self.keys.get(column).and_then(Option::as_deref).unwrap_or_default()
    }

    /// Whether one of them is what a customer can be written to by.
    pub fn tell_a_contact(&self) -> bool {
        self.keys.iter().flatten().any(|key| aliases::is_contact(key))
    }

    /// The first column that is a mail address, else the first one that is a phone.
    pub fn of_contact(&self) -> usize {
        let first = |is_it: fn(&str) -> bool| self.keys.iter().position(|key| key.as_deref().is_some_and(is_it));
        first(aliases::is_email).or_else(|| first(aliases::is_contact)).unwrap_or(0)
    }

    /// Reads a row. `default_country` is where phones without a calling code are, unless the row names a country.
    pub fn read<'a>(&self, cells: &(impl Iterator<Item = &'a str> + Clone), default_country: Country) -> Row<'a> {
        let mut given = Vec::with_capacity(self.keys.len());
        let columns = self.keys.iter().zip(&self.meanings).zip(cells.clone());
        for (place, ((key, meaning), cell)) in columns.enumerate() {
            let (Some(key), text) = (key, bare(cell)) else { continue };
            // What an export of ours wrote beside the customer's own data.
            let is_ours = key == "id" && text.parse::<UserId>().is_ok();
            if !text.is_empty() && !is_ours && !self.times.contains(&place) {
                let value = Value::Text(text.to_owned());
                given.push(Given { key: key.clone(), meaning: meaning.clone(), value, place: Place::Body });
            }
        }
        let received = Received { headers: &[], query: "", body: &[] };
        let fields = gather::gather(given, None, &received, default_country, Vec::new());
        let time =
            |column: &usize| Some((*column, cells.clone().nth(*column)?.trim())).filter(|(_, text)| !text.is_empty());
        Row { fields, registered_at: self.times.iter().find_map(time) }
    }
}

/// The cell without the apostrophe that keeps a spreadsheet from running it.
fn bare(cell: &str) -> &str {
    let cell = cell.trim();
    cell.strip_prefix('\'').filter(|rest| rest.starts_with(['=', '+', '-', '@', '\t', '\r'])).unwrap_or(cell)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'a>(header: &str, row: &'a str) -> Row<'a> {
        Columns::new(header.split(',')).read(&row.split(','), Country::parse("ES").unwrap())
    }

    #[test]
    fn columns_are_known_by_the_names_that_bots_use() {
        let header = "Full Name,E-Mail,Teléfono,Source,utm-medium,Fecha,Loyalty Points,API token";
        let Row { fields, registered_at } = read(header, "Ana,ana@example.com,612345678,google,cpc,2024-05-01,12,hush");
        assert_eq!((fields.name.as_str(), registered_at), ("Ana", Some((5, "2024-05-01"))));
        assert_eq!(fields.phone.unwrap().e164.as_deref(), Some("+34612345678"));
        let expected = [("utm_medium".to_owned(), "cpc".to_owned()), ("utm_source".to_owned(), "google".to_owned())];
        assert_eq!(fields.origin.utm, expected.into());
        assert_eq!(fields.origin.extra, [("loyalty_points".to_owned(), "12".to_owned())].into());
    }

    #[test]
    fn what_an_export_adds_is_taken_back() {
        let id = "01936f7e-2a4c-7d31-9c55-0c8e5b1f2a3d";
        let row = format!("{id},'+34612345678,2024-05-01,");
        let Row { fields, registered_at } = read("id,phone,created_at,registered_at", &row);
        assert_eq!(fields.phone.unwrap().raw, "+34612345678");
        assert!(fields.origin.extra.is_empty());
        assert_eq!(registered_at, Some((2, "2024-05-01")));
        assert_eq!(read("id", "A-17").fields.origin.extra["id"], "A-17");
    }
}
