//! The texts by which a customer is known, and where else they stand.

use rusqlite::Connection;

use super::super::{StoreError, reads, rows};
use crate::domain::{Clues, Context, InboxId, ReportRow, Timestamp, User};
use crate::store::{InboxEntry, Page};

/// Shorter numbers stand in too many texts that are about somebody else.
const SHORTEST_NUMBER: usize = 7;

/// How many unreadable webhooks are looked at in one go.
const BITE: usize = 100;

/// The texts by which a customer is known, in lower case: their mail address, their phone, Landbot's number for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::store::sqlite) struct Marks(Vec<String>);

impl Marks {
    pub(in crate::store::sqlite) fn of(user: &User) -> Self {
        let mut marks = Vec::new();
        if let Some(email) = &user.email {
            let email = email.as_str().to_lowercase();
            // As it stands in the query of an address.
            marks.push(email.replace('+', "%2b").replace('@', "%40"));
            marks.push(email);
        }
        let phones = user.phone.iter().flat_map(|phone| [Some(&phone.raw), phone.e164.as_ref()]).flatten();
        for number in phones.chain(&user.landbot_customer_id) {
            let number = number.trim().trim_start_matches('+').to_lowercase();
            if number.chars().filter(char::is_ascii_digit).count() >= SHORTEST_NUMBER {
                marks.push(number);
            }
        }
        marks.sort();
        marks.dedup();
        Self(marks)
    }

    /// With those of another customer.
    pub(super) fn add(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether one of them stands in `text`, and not only as a part of somebody else's.
    pub(super) fn stand_in(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        self.0.iter().any(|mark| text.match_indices(mark).any(|(at, _)| is_whole(&text, at, mark)))
    }

    fn stand_in_entry(&self, entry: &InboxEntry) -> bool {
        self.stand_in(&entry.request_line)
            || self.stand_in(&entry.headers)
            || self.stand_in(&String::from_utf8_lossy(&entry.body))
    }
}

/// Whether the mark at that place ends where the address or the number ends.
fn is_whole(text: &str, at: usize, mark: &str) -> bool {
    let (before, after) = (&text[..at], &text[at + mark.len()..]);
    let mut next = after.chars();
    let (first, second) = (next.next(), next.next());
    if !mark.contains(['@', '%']) {
        let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        // The two zeros stand for the plus sign.
        return !digit(first) && (!digit(before.chars().next_back()) || before.ends_with("00"));
    }
    let ends = match first {
        Some('.') => second.is_none_or(|c| !c.is_alphanumeric()),
        first => first.is_none_or(|c| !c.is_alphanumeric() && c != '-'),
    };
    let mut previous = before.chars().rev();
    let last: [Option<char>; 3] = [previous.next(), previous.next(), previous.next()];
    let begins =
        last[0].is_none_or(|c| !c.is_alphanumeric() && !".!#$&'*+-/=?^_`{|}~".contains(c) || c == '=' || c == '/');
    // `%3d` or `\n` before it is no part of it.
    let is_hex = |c: Option<char>| c.is_some_and(|c| c.is_ascii_hexdigit());
    let escaped = last[1] == Some('\\') || (last[2] == Some('%') && is_hex(last[0]) && is_hex(last[1]));
    ends && (begins || escaped)
}

/// Some of the unreadable webhooks in which a mark stands, newest first, and where to go on; `None`: all were seen.
pub(in crate::store::sqlite) fn entries(
    connection: &Connection,
    marks: &Marks,
    before: Option<InboxId>,
) -> Result<(Vec<InboxEntry>, Option<InboxId>), StoreError> {
    let mut found = reads::inbox(connection, Page { limit: BITE, before })?;
    let next = found.last().filter(|_| found.len() == BITE).map(|entry| entry.id);
    found.retain(|entry| marks.stand_in_entry(entry));
    Ok((found, next))
}

/// Those of them that came at `since` or later.
pub(super) fn entries_since(
    connection: &Connection,
    marks: &Marks,
    since: Timestamp,
) -> Result<Vec<InboxId>, StoreError> {
    let sql = format!("SELECT {} FROM inbox WHERE id >= ?1", rows::INBOX);
    let found = rows::collect(connection, &sql, [&rows::first_id(since)[..]], rows::inbox_entry)?;
    Ok(found.iter().filter(|entry| marks.stand_in_entry(entry)).map(|entry| entry.id).collect())
}

/// Takes the marks out of what the ledger knows of origins. How many customers came by each stays as it is, under another
/// name.
pub(super) fn take_out_of_origins(connection: &Connection, marks: &Marks) -> Result<(), StoreError> {
    if marks.0.is_empty() {
        return Ok(());
    }
    // No mark is without an at sign or a number.
    let suspects: Vec<(i64, Clues)> = rows::collect(
        connection,
        "SELECT id, clues FROM origins
          WHERE instr(clues, '@') OR instr(clues, '%40') OR clues GLOB '*[0-9][0-9]*'",
        [],
        |row| Ok((row.get(0)?, rows::json(row, 1)?)),
    )?;
    for (id, mut clues) in suspects {
        let erased = format!("(erased {id})");
        if replace(&mut clues, marks, &erased) {
            connection
                .prepare_cached(
                    "UPDATE origins SET clues = ?2, rules = 0, source = '', medium = '', campaign = '', referrer = '',
                                        channel = '', country = '', landing_page = '' WHERE id = ?1",
                )?
                .execute((id, rows::to_json(&clues)?))?;
        }
    }
    Ok(())
}

/// Takes the marks out of what reports say of origins; what the sandbox kept of one that has any goes as a whole.
pub(super) fn take_out_of_reports(connection: &Connection, marks: &Marks) -> Result<(), StoreError> {
    let reports: Vec<(Vec<u8>, Context)> = rows::collect(
        connection,
        "SELECT id, context FROM messages WHERE purpose = 'report'
            AND purpose IN ('test', 'alert', 'acknowledged', 'answered', 'closed', 'report')",
        [],
        |row| Ok((row.get(0)?, rows::json(row, 1)?)),
    )?;
    for (id, mut context) in reports {
        let rows = context.report.iter_mut().flat_map(|report| &mut report.rows);
        let named: Vec<&mut ReportRow> = rows.filter(|row| marks.stand_in(&row.name)).collect();
        if named.is_empty() {
            continue;
        }
        for row in named {
            "(erased)".clone_into(&mut row.name);
        }
        connection
            .prepare_cached("UPDATE messages SET context = ?2 WHERE id = ?1")?
            .execute((&id, rows::to_json(&context)?))?;
        connection.prepare_cached("DELETE FROM captures WHERE message_id = ?1")?.execute([id])?;
    }
    Ok(())
}

/// Puts `instead` in the place of every text with a mark in it. Says whether there was one.
fn replace(clues: &mut Clues, marks: &Marks, instead: &str) -> bool {
    let mut replaced = false;
    let texts = [
        &mut clues.source,
        &mut clues.medium,
        &mut clues.campaign,
        &mut clues.referral,
        &mut clues.text,
        &mut clues.referrer,
        &mut clues.landing_page,
        &mut clues.channel,
        &mut clues.country,
    ];
    for text in texts {
        if marks.stand_in(text) {
            instead.clone_into(text);
            replaced = true;
        }
    }
    if clues.clicks.iter().any(|name| marks.stand_in(name)) {
        let clicks = std::mem::take(&mut clues.clicks).into_iter();
        clues.clicks = clicks.map(|name| if marks.stand_in(&name) { instead.to_owned() } else { name }).collect();
        replaced = true;
    }
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{EmailAddress, NewUser, Origin, Phone, UserId};

    fn marks() -> Marks {
        let mut new = NewUser {
            id: UserId::new(Timestamp::from_millis(0)),
            name: "Ana".into(),
            contact: crate::domain::Contact::default(),
            language: String::new(),
            origin: Origin::default(),
        };
        new.contact.email = EmailAddress::parse("ana@example.com").ok();
        new.contact.phone = Some(Phone { raw: "612 34 56 78".into(), e164: Some("+34612345678".into()) });
        new.contact.landbot_customer_id = Some("42".into());
        Marks::of(&User::first_seen(&new, Timestamp::from_millis(0)))
    }

    #[test]
    fn a_customer_is_found_however_their_address_is_written() {
        for text in [
            "ana@example.com",
            "ANA@Example.com.",
            "{\"email\":\"ana@example.com\"}",
            "?email=ana%40example.com&x",
            "mailto%3Aana@example.com",
            "a\\nana@example.com",
            "to <ana@example.com>, please",
            "/ana@example.com/",
            "tel 612 34 56 78",
            "+34612345678",
            "0034612345678",
        ] {
            assert!(marks().stand_in(text), "{text}");
        }
    }

    #[test]
    fn somebody_elses_address_is_not_theirs() {
        for text in [
            "susana@example.com",
            "x.ana@example.com",
            "ana@example.com.ar",
            "ana@example.community",
            "ana@example.com-shop.example",
            "34612345678901",
            "134612345678",
            "42",
            "Ana",
            "",
        ] {
            assert!(!marks().stand_in(text), "{text}");
        }
    }
}
