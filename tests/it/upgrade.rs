//! A database of every schema there was, brought to the present one.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;
use umishop::domain::{State, Topic};
use umishop::store::sqlite::SqliteStore;
use umishop::store::{MessageFilter, Page, RequestFilter, Store};

/// Databases as earlier programs left them; a released schema's never changes.
const EARLIER: &[&str] = &[include_str!("fixtures/schema-1.sql")];

/// The columns of every table.
fn columns(path: &Path) -> BTreeMap<String, Vec<String>> {
    let connection = Connection::open(path).unwrap();
    let mut statement = connection
        .prepare("SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table'")
        .unwrap();
    let mut columns = BTreeMap::<String, Vec<String>>::new();
    for pair in statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap() {
        let (table, column) = pair.unwrap();
        columns.entry(table).or_default().push(column);
    }
    columns
}

/// What these columns hold, row by row.
fn rows(path: &Path, columns: &BTreeMap<String, Vec<String>>) -> BTreeMap<String, Vec<String>> {
    let connection = Connection::open(path).unwrap();
    let of_table = |(table, columns): (&String, &Vec<String>)| {
        let values: Vec<_> = columns.iter().map(|column| format!("quote({column})")).collect();
        let sql = format!("SELECT {} FROM {table}", values.join(" || ' ' || "));
        let mut statement = connection.prepare(&sql).unwrap();
        let mut rows: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        rows.sort();
        (table.clone(), rows)
    };
    columns.iter().map(of_table).collect()
}

#[tokio::test]
async fn what_was_asked_before_topics_were_compared_is_found_by_its_topic() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("umishop.db");
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch(EARLIER[0]).unwrap();
    let asked = connection.execute("UPDATE requests SET topic = '\u{1F4B6} Facturación!' WHERE user_id IS NULL", []);
    assert_eq!(asked, Ok(1));
    drop(connection);
    let store = SqliteStore::open(&path).unwrap();
    let about = async |topic: &str| {
        let filter = RequestFilter { topics: vec![Topic::new(topic).key()], ..RequestFilter::default() };
        store.requests(filter, Page { limit: 10, before: None }).await.unwrap().len()
    };
    assert_eq!((about("facturacion").await, about("SALES").await), (1, 1));
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_database_of_every_earlier_schema_is_brought_up_with_nothing_lost() {
    for (index, sql) in EARLIER.iter().enumerate() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("umishop.db");
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        let columns = columns(&path);
        let before = rows(&path, &columns);
        assert!(before["users"].len() > 1 && before["attempts"].len() > 1);
        let store = SqliteStore::open(&path).unwrap();
        for state in [State::Pending, State::Sending, State::Delivered, State::Dead, State::Held, State::Cancelled] {
            let filter = MessageFilter { state: Some(state), ..MessageFilter::default() };
            let found = store.messages(filter, Page { limit: 10, before: None }).await.unwrap();
            assert!(!found.is_empty(), "no message is {state:?} after schema {}", index + 1);
        }
        store.close().await.unwrap();
        assert_eq!(rows(&path, &columns), before, "schema {}", index + 1);
    }
}
