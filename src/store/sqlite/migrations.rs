//! Brings a database to the present schema, and refuses one from the future.
//!
//! Each step is one transaction, so that whatever happens leaves the database as it was or as it shall be. A copy is
//! made before the first one; see [`upgrade_copy`].

use std::path::Path;

use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::{OpenError, upgrade_copy};
use crate::domain::Topic;

/// Every step, in order; `user_version` counts those applied. A released step is never edited.
///
/// Foreign keys are not enforced while a step runs, so that it can rebuild a table that others refer to
/// (<https://sqlite.org/lang_altertable.html>, "making other kinds of table schema changes"); they are checked as a whole
/// before it is committed.
const STEPS: &[&str] = &[
    include_str!("migrations/0001_initial.sql"),
    include_str!("migrations/0002_nothing_lost.sql"),
    include_str!("migrations/0003_requests.sql"),
    include_str!("migrations/0004_unsubscribed.sql"),
    include_str!("migrations/0005_origin_ledger.sql"),
    include_str!("migrations/0006_access.sql"),
    include_str!("migrations/0007_rights.sql"),
    include_str!("migrations/0008_requests_desk.sql"),
    include_str!("migrations/0009_reports.sql"),
    include_str!("migrations/0010_opened.sql"),
    include_str!("migrations/0011_columns.sql"),
    include_str!("migrations/0012_narrow_indexes.sql"),
];

/// Marks the file as ours (`umis` in ASCII), so that nobody else's database is migrated by mistake.
const APPLICATION_ID: i64 = 0x756D_6973;

/// Applies the steps that are missing to the database at `path`.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    apply(connection, path, STEPS)
}

/// The same for a copy that was just made: the original is there if this fails.
pub(super) fn migrate_copy(connection: &mut Connection) -> Result<(), OpenError> {
    let applied = version(connection, STEPS.len())?;
    apply_steps(connection, STEPS, applied)
}

/// Says whether the database has the present schema. Changes nothing.
pub(super) fn check(connection: &Connection) -> Result<(), OpenError> {
    match version(connection, STEPS.len())? {
        applied if applied == STEPS.len() => Ok(()),
        applied => Err(OpenError::Older { found: applied, known: STEPS.len() }),
    }
}

/// Says whether the database is ours, of this or an earlier schema. Changes nothing.
pub(super) fn check_ours(connection: &Connection) -> Result<(), OpenError> {
    version(connection, STEPS.len()).map(drop)
}

fn apply(connection: &mut Connection, path: &Path, steps: &[&str]) -> Result<(), OpenError> {
    let (applied, known) = (version(connection, steps.len())?, steps.len());
    if applied == known {
        return Ok(());
    }
    if applied > 0 {
        let copy = upgrade_copy::make(connection, path, applied + 1)?;
        let copy = copy.display();
        tracing::info!("Bringing the database from schema {applied} to {known}; as it was it is kept as {copy}");
    }
    apply_steps(connection, steps, applied)
}

fn apply_steps(connection: &mut Connection, steps: &[&str], applied: usize) -> Result<(), OpenError> {
    // SQL has no letters without accents.
    connection.create_scalar_function("key_of_topic", 1, FunctionFlags::SQLITE_UTF8, |context| {
        Ok(Topic::new(&context.get::<String>(0)?).key().as_str().to_owned())
    })?;
    // Within a transaction this would do nothing.
    connection.pragma_update(None, "foreign_keys", false)?;
    let mut missing = steps.iter().enumerate().skip(applied);
    let result = missing.try_for_each(|(index, sql)| apply_step(connection, index + 1, sql));
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.remove_function("key_of_topic", 1)?;
    result
}

fn apply_step(connection: &mut Connection, step: usize, sql: &str) -> Result<(), OpenError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(sql)?;
    let dangling: Option<String> =
        transaction.query_row("PRAGMA foreign_key_check", [], |row| row.get(0)).optional()?;
    if let Some(table) = dangling {
        return Err(OpenError::Dangling { step, table });
    }
    transaction.pragma_update(None, "user_version", i64::try_from(step).unwrap_or(i64::MAX))?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.commit()?;
    Ok(())
}

fn version(connection: &Connection, known: usize) -> Result<usize, OpenError> {
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let application: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application != APPLICATION_ID && tables > 0 {
        return Err(OpenError::Foreign);
    }
    let found = usize::try_from(found).unwrap_or(usize::MAX);
    if found > known {
        return Err(OpenError::Newer { found, known });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::store::sqlite::{connect, create_private, directory, suffixed};

    const SCHEMA_1: &str = include_str!("../../../tests/it/fixtures/schema-1.sql");

    /// Rebuilds a table that others refer to, then adds to another one.
    const TEST_STEPS: &[&str] = &[
        STEPS[0],
        "CREATE TABLE new_users AS SELECT *, 'new' AS colour FROM users;
         DROP TABLE users;
         CREATE TABLE users (id BLOB NOT NULL PRIMARY KEY, name TEXT NOT NULL, colour TEXT NOT NULL) STRICT;
         INSERT INTO users SELECT id, name, colour FROM new_users;
         DROP TABLE new_users;",
        "ALTER TABLE requests ADD COLUMN weight INTEGER NOT NULL DEFAULT 3;
         UPDATE requests SET weight = length(question);",
    ];

    fn old_database(path: &Path) -> Connection {
        Connection::open(path).unwrap().execute_batch(SCHEMA_1).unwrap();
        connect(path).unwrap()
    }

    /// Everything in it, as text.
    fn dump(connection: &Connection) -> String {
        let texts = |sql: &str| -> Vec<String> {
            let mut statement = connection.prepare(sql).unwrap();
            statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        let mut whole = texts("SELECT coalesce(sql, name) FROM sqlite_schema ORDER BY name");
        for table in texts("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name") {
            let columns = texts(&format!("SELECT 'quote(' || name || ')' FROM pragma_table_info('{table}')"));
            let mut rows = texts(&format!("SELECT {} FROM {table}", columns.join(" || ',' || ")));
            rows.sort();
            whole.push(format!("{table}\n{}", rows.join("\n")));
        }
        whole.push(version(connection, 99).unwrap().to_string());
        whole.join("\n")
    }

    #[test]
    fn a_kill_at_any_moment_of_an_upgrade_leaves_the_old_or_the_new_and_the_next_start_finishes_it() {
        survives_kills(STEPS);
    }

    #[test]
    fn the_same_when_several_steps_are_missing() {
        survives_kills(TEST_STEPS);
    }

    /// Applies the steps to the database at `path`, and returns directories with what its files held on the way: what a
    /// kill at that moment leaves. Memory is lost, and so is `-shm`.
    fn kill_at_many_moments(path: &Path, steps: &[&str]) -> Vec<PathBuf> {
        let mut connection = old_database(path);
        let (from, moments) = (directory(path).to_owned(), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&moments);
        let name = |number| format!("killed-{number}");
        let snapshot = move || {
            let to = from.join(name(moments.fetch_add(1, Ordering::Relaxed)));
            std::fs::create_dir(&to).unwrap();
            for entry in std::fs::read_dir(&from).unwrap().map(Result::unwrap) {
                let name = entry.file_name().into_string().unwrap();
                if entry.file_type().unwrap().is_file() && !name.ends_with("-shm") {
                    std::fs::copy(entry.path(), to.join(name)).unwrap();
                }
            }
            false
        };
        // Every so many of SQLite's instructions, and when all is done.
        connection.progress_handler(25, Some(snapshot.clone())).unwrap();
        apply(&mut connection, path, steps).unwrap();
        snapshot();
        (0..counted.load(Ordering::Relaxed)).map(|number| directory(path).join(name(number))).collect()
    }

    fn survives_kills(steps: &[&str]) {
        let scratch = tempfile::tempdir().unwrap();
        let killed = kill_at_many_moments(&scratch.path().join("umishop.db"), steps);
        let whole = (1..=steps.len()).map(|applied| {
            let path = scratch.path().join(format!("whole-{applied}.db"));
            let mut connection = old_database(&path);
            apply(&mut connection, &path, &steps[..applied]).unwrap();
            dump(&connection)
        });
        let whole: Vec<_> = whole.collect();
        let mut seen = vec![false; steps.len()];
        for (number, killed) in killed.iter().enumerate() {
            let path = killed.join("umishop.db");
            let mut connection = connect(&path).unwrap();
            let found = dump(&connection);
            let step = whole.iter().position(|whole| *whole == found);
            seen[step.unwrap_or_else(|| panic!("moment {number} is between the old and the new:\n{found}"))] = true;
            let copy = suffixed(&path, ".before-2");
            if copy.exists() {
                assert_eq!(dump(&Connection::open(&copy).unwrap()), whole[0]);
            }
            // The next start is the slow part.
            if number % 4 == 0 {
                apply(&mut connection, &path, steps).unwrap();
                assert_eq!(Some(&dump(&connection)), whole.last());
                assert!(copy.exists() && !suffixed(&copy, ".partial").exists());
            }
        }
        assert!(killed.len() > 50 && seen.iter().all(|seen| *seen), "{} {seen:?}", killed.len());
    }

    #[test]
    fn the_copy_that_is_made_first_is_whole_and_for_its_owners_eyes_only() {
        use std::io::Write as _;
        use std::os::unix::fs::PermissionsExt as _;

        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("umishop.db");
        let mut connection = old_database(&path);
        let old = dump(&connection);
        let mut left = create_private(&suffixed(&path, ".before-2.partial")).unwrap();
        left.write_all(b"what a killed attempt left").unwrap();
        drop(left);
        apply(&mut connection, &path, TEST_STEPS).unwrap();
        let copy = suffixed(&path, ".before-2");
        assert_eq!(dump(&Connection::open(&copy).unwrap()), old);
        assert_eq!(copy.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!suffixed(&path, ".before-2.partial").exists() && !suffixed(&path, ".before-3").exists());
    }

    #[test]
    fn a_new_database_needs_no_copy_and_a_step_that_leaves_orphans_is_undone() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("umishop.db");
        let mut connection = connect(&path).unwrap();
        apply(&mut connection, &path, TEST_STEPS).unwrap();
        assert!(!suffixed(&path, ".before-1").exists());
        let path = scratch.path().join("old.db");
        let mut connection = old_database(&path);
        let old = dump(&connection);
        let refused = apply(&mut connection, &path, &[STEPS[0], "DELETE FROM users WHERE name = 'Ana'"]);
        assert!(matches!(&refused, Err(OpenError::Dangling { step: 2, .. })), "{refused:?}");
        assert_eq!(dump(&connection), old);
        let enforced: bool = connection.pragma_query_value(None, "foreign_keys", |row| row.get(0)).unwrap();
        assert!(enforced);
    }

    #[test]
    fn what_earlier_versions_left_in_free_pages_is_overwritten_by_the_upgrade() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("umishop.db");
        let mut connection = connect(&path).unwrap();
        let earlier = STEPS.iter().position(|step| step.contains("free_pages"));
        apply(&mut connection, &path, &STEPS[..earlier.unwrap()]).unwrap();
        connection.pragma_update(None, "secure_delete", "FAST").unwrap();
        for number in 0..250_u8 {
            let sql =
                "INSERT INTO inbox (id, received_at, request_line, headers, body, why) VALUES (?1, 0, '', '', ?2, '')";
            let body = format!("{} ana@example.com", "x".repeat(9000));
            connection.execute(sql, (&[number; 16][..], body.as_bytes())).unwrap();
        }
        connection.execute("DELETE FROM inbox", []).unwrap();
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        let left = || String::from_utf8_lossy(&std::fs::read(&path).unwrap()).contains("ana@example.com");
        assert!(left(), "FAST leaves free pages as they are");
        connection.pragma_update(None, "secure_delete", true).unwrap();
        apply(&mut connection, &path, STEPS).unwrap();
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        assert!(!left());
    }
}
