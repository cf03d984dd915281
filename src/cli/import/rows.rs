//! Reading a table of customers: which separator it has, what its columns are, and what is wrong with which row.

use std::io::{Cursor, Read};

use anyhow::{Context as _, bail};
use csv::StringRecord;

use crate::domain::{Country, NewUser, Timeline, Timestamp, UserId};
use crate::intake::Columns;
use crate::sheet::BYTE_ORDER_MARK;

/// How much of the table the separator is looked for in, in bytes.
const LOOKED_AT: u64 = 1 << 16;

/// What rows are read by.
#[derive(Clone)]
pub(super) struct Rules {
    /// Where phones without a calling code are at home.
    pub(super) country: Country,
    /// The time zone of days.
    pub(super) zone: String,
    /// No customer registered later than this.
    pub(super) now: Timestamp,
}

/// A row that is not taken.
#[derive(Debug)]
pub(super) struct Refused {
    /// The line it begins in, counted from 1.
    pub(super) line: u64,
    /// The column; empty: the whole row.
    pub(super) column: String,
    /// Why.
    pub(super) why: String,
}

impl Refused {
    /// Why, and in which column, for a person.
    pub(super) fn told(&self) -> String {
        if self.column.is_empty() { self.why.clone() } else { format!("{}: {}", self.column, self.why) }
    }
}

/// A row that can be taken.
#[derive(Debug)]
pub(super) struct Understood {
    pub(super) line: u64,
    pub(super) user: NewUser,
    pub(super) registered_at: Timestamp,
}

/// The rows of a table.
pub(super) struct Rows {
    reader: csv::Reader<Box<dyn Read + Send>>,
    record: StringRecord,
    columns: Columns,
    rules: Rules,
    /// How many lines the reader counts at the end of a row: of two signs it leaves the second one for the next row.
    counted_at_end: u64,
}

impl Rows {
    /// Looks at the beginning of the table, and reads the names of its columns.
    pub(super) fn new(mut source: Box<dyn Read + Send>, rules: Rules) -> anyhow::Result<Self> {
        // A pipe hands out what it has: of the first line perhaps only some letters.
        let mut start = Vec::new();
        source.by_ref().take(LOOKED_AT).read_to_end(&mut start).context("cannot read the table")?;
        if start.starts_with(&[0xFF, 0xFE]) || start.starts_with(&[0xFE, 0xFF]) {
            bail!("the table is in UTF-16: save it as \"CSV UTF-8\"");
        }
        let mark = if start.starts_with(BYTE_ORDER_MARK.as_bytes()) { BYTE_ORDER_MARK.len() } else { 0 };
        let Look { separator, line_break } = look(&start[mark..]);
        let start = Cursor::new(start.split_off(mark));
        // The last line ends like the others, so that it is counted like them.
        let source: Box<dyn Read + Send> = Box::new(start.chain(source).chain(line_break.as_bytes()));
        let mut reader =
            csv::ReaderBuilder::new().delimiter(separator).has_headers(false).flexible(true).from_reader(source);
        let mut record = StringRecord::new();
        if !read(&mut reader, &mut record)? {
            bail!("the table is empty");
        }
        let columns = Columns::new(record.iter());
        if !columns.tell_a_contact() {
            bail!(
                "no column is a mail address or a phone: the first line must name the columns, as in name,email,phone,language,utm_source,registered_at"
            );
        }
        Ok(Self { reader, record, columns, rules, counted_at_end: u64::from(line_break == "\n") })
    }

    /// The next row; `None`: there is none. An error ends the table.
    pub(super) fn next(&mut self) -> anyhow::Result<Option<Result<Understood, Refused>>> {
        if !read(&mut self.reader, &mut self.record)? {
            return Ok(None);
        }
        Ok(Some(self.understand()))
    }

    /// How far the table is read, in bytes.
    pub(super) fn position(&self) -> u64 {
        self.reader.position().byte()
    }

    fn understand(&self) -> Result<Understood, Refused> {
        let line = self.line();
        let refused = |column: usize, why: String| Refused { line, column: self.columns.name(column).to_owned(), why };
        let (cells, names) = (self.record.len(), self.columns.count());
        if cells != names {
            let why = format!("it has {cells} cells, and the first line names {names} columns");
            return Err(Refused { line, column: String::new(), why });
        }
        let row = self.columns.read(&self.record.iter(), self.rules.country);
        let fields = row.fields;
        if let Some(Err(error)) = &fields.email {
            return Err(refused(self.columns.of_contact(), error.to_string()));
        }
        let contact = fields.contact();
        if contact.email.is_none() && contact.phone.is_none() {
            let why = "neither a mail address nor a phone: there is no way to reach them".to_owned();
            return Err(refused(self.columns.of_contact(), why));
        }
        let registered_at = match row.registered_at {
            None => self.rules.now,
            Some((column, text)) => self.moment(text).map_err(|why| refused(column, why))?,
        };
        let user = NewUser {
            id: UserId::new(registered_at),
            name: fields.name,
            contact,
            language: fields.language,
            origin: fields.origin,
        };
        Ok(Understood { line, user, registered_at })
    }

    /// The line that the row begins in. The reader says where it began to look for it, which may be some empty lines before.
    fn line(&self) -> u64 {
        let breaks = self.record.iter().flat_map(str::bytes).filter(|byte| *byte == b'\n').count() as u64;
        self.reader.position().line().saturating_sub(breaks + self.counted_at_end)
    }

    fn moment(&self, text: &str) -> Result<Timestamp, String> {
        let moment = Timeline::moment(text, &self.rules.zone).map_err(|error| error.to_string())?;
        if moment > self.rules.now { Err("it lies in the future".to_owned()) } else { Ok(moment) }
    }
}

fn read(reader: &mut csv::Reader<Box<dyn Read + Send>>, record: &mut StringRecord) -> anyhow::Result<bool> {
    reader.read_record(record).map_err(|error| {
        let line = error.position().map_or(0, csv::Position::line);
        match error.kind() {
            csv::ErrorKind::Utf8 { .. } => {
                anyhow::anyhow!(
                    "line {line} is not in UTF-8, and nothing after it was read: save the table as \"CSV UTF-8\""
                )
            }
            _ => anyhow::Error::from(error).context("cannot read the table"),
        }
    })
}

/// What is seen of a table before it is read.
struct Look {
    separator: u8,
    line_break: &'static str,
}

/// The separator is the sign that stands most often between the names of the columns.
fn look(start: &[u8]) -> Look {
    let mut quoted = false;
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
    let mut line_break = "\n";
    for byte in start {
        match byte {
            b'"' => quoted = !quoted,
            b'\r' if !quoted => line_break = "\r\n",
            b'\n' if !quoted => break,
            byte if !quoted => counts.iter_mut().filter(|(sign, _)| sign == byte).for_each(|(_, count)| *count += 1),
            _ => {}
        }
    }
    // Of equals the first: a table of one column has no separator.
    let separator = counts.iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(sign, _)| *sign);
    Look { separator, line_break }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        Rules {
            country: Country::parse("ES").unwrap(),
            zone: "Europe/Madrid".to_owned(),
            now: Timestamp::from_millis(1_800_000_000_000),
        }
    }

    fn rows(table: &[u8]) -> anyhow::Result<Rows> {
        Rows::new(Box::new(std::io::Cursor::new(table.to_vec())), rules())
    }

    #[test]
    fn separator_quotes_and_byte_order_mark_are_found_out() {
        for table in [
            "email,\"a;b;c\",name\na@example.com,,\"An\na\"\n",
            "\u{FEFF}email;name\r\na@example.com;\"An\na\"",
            "email\tname\na@example.com\tAn a\n",
        ] {
            let row = rows(table.as_bytes()).unwrap().next().unwrap().unwrap().unwrap();
            assert_eq!((row.user.name.as_str(), row.line), ("An a", 2), "{table:?}");
        }
        assert_eq!(look(b"email").separator, b',');
    }

    #[test]
    fn what_is_wrong_is_told_with_line_and_column() {
        let table = "name,email,registered_at\nAna,ana@example,\n\n\"E\nva\",,\nLu,lu@example.com,soon\nMo,mo@example.com\nRi,ri@example.com,2099-01-01\n";
        let mut rows = rows(table.as_bytes()).unwrap();
        let mut told = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            let Refused { line, column, why } = row.unwrap_err();
            told.push(format!("{line} {column} {why}"));
        }
        for (told, expected) in told.iter().zip([
            "2 email not a mail",
            "4 email neither",
            "6 registered_at \"soon\"",
            "7  it has 2 cells",
            "8 registered_at it lies",
        ]) {
            assert!(told.starts_with(expected), "{told}");
        }
        assert_eq!(told.len(), 5);
    }

    #[test]
    fn what_is_no_table_of_customers_in_utf_8_is_refused() {
        let refused = |table: &[u8]| rows(table).map(drop).unwrap_err().to_string();
        assert!(refused(b"").contains("empty"));
        assert!(refused(b"Ana;ana@example.com\n").contains("no column is a mail address"));
        assert!(refused(b"\xFF\xFEe\0").contains("UTF-16"));
        let mut latin = rows(b"email,name\nana@example.com,Nu\xF1ez\n").unwrap();
        assert!(latin.next().map(drop).unwrap_err().to_string().starts_with("line 2 is not in UTF-8"));
    }

    #[test]
    fn what_is_wrong_with_a_mail_address_is_told_of_its_column() {
        let mut rows = rows(b"phone,name,email\n612345678,Ana,ana@example\n,Eva,\n").unwrap();
        for line in 2..4 {
            let refused = rows.next().unwrap().unwrap().unwrap_err();
            assert_eq!((refused.line, refused.column.as_str()), (line, "email"), "{}", refused.why);
        }
    }

    #[test]
    fn a_table_that_comes_bit_by_bit_is_read_like_a_file() {
        struct Slow(std::io::Cursor<Vec<u8>>);
        impl Read for Slow {
            fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
                self.0.read(&mut into[..1])
            }
        }
        let table = "\u{FEFF}name;email\r\nAna;ana@example.com\r\nEva;\r\n";
        let slow = Slow(std::io::Cursor::new(table.as_bytes().to_vec()));
        let mut rows = Rows::new(Box::new(slow), rules()).unwrap();
        assert_eq!(rows.next().unwrap().unwrap().unwrap().user.name, "Ana");
        assert_eq!(rows.next().unwrap().unwrap().unwrap_err().line, 3);
        assert!(rows.next().unwrap().is_none());
    }

    #[test]
    fn a_day_is_one_of_the_shop() {
        let row = rows(b"email,created_at\na@example.com,2024-05-01\n").unwrap().next().unwrap().unwrap().unwrap();
        assert_eq!(row.registered_at.to_string(), "2024-04-30T22:00:00.000Z");
    }
}
