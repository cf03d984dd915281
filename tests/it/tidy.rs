//! The structure of the source, held by tests: imports run one way, foreign crates stay behind their wall, every module
//! says what it is for, and the architecture page names every file.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What each module may import of ours. Nobody imports what is not in its row.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("crash", &[]),
    ("clock", &["domain"]),
    ("wake", &["domain"]),
    ("landbot", &[]),
    ("trial", &["domain", "channel", "clock", "preview", "render"]),
    ("changes", &[]),
    ("conditions", &["domain", "changes"]),
    ("metrics", &["domain"]),
    ("intake", &["domain"]),
    // What is counted is a plain value, like a number: the store keeps its own.
    ("store", &["domain", "crash", "metrics", "changes"]),
    ("channel", &["domain", "crash"]),
    ("render", &["domain"]),
    ("preview", &["domain", "channel", "render", "store"]),
    ("config", &["domain", "channel"]),
    ("relay", &["domain", "crash", "store", "channel", "clock", "conditions", "metrics", "render", "wake"]),
    (
        "http",
        &[
            "domain",
            "crash",
            "store",
            "channel",
            "clock",
            "conditions",
            "metrics",
            "render",
            "wake",
            "intake",
            "preview",
            "backups",
            "changes",
            "landbot",
            "trial",
            "sheet",
            "reports",
        ],
    ),
    ("backups", &["domain", "store", "clock", "changes"]),
    ("housekeeping", &["domain", "store", "clock", "backups", "reports"]),
    ("reports", &["domain", "store", "clock", "wake"]),
    ("alerts", &["domain", "store", "clock", "conditions", "wake", "backups"]),
    ("demo", &["domain", "store"]),
    ("sheet", &["domain", "store"]),
    ("doctor", &["domain", "store", "channel", "clock", "render", "backups", "config"]),
    (
        "app",
        &[
            "alerts",
            "reports",
            "domain",
            "store",
            "channel",
            "clock",
            "conditions",
            "metrics",
            "render",
            "wake",
            "relay",
            "http",
            "housekeeping",
            "backups",
            "config",
            "landbot",
        ],
    ),
    (
        "cli",
        &[
            "domain", "intake", "store", "channel", "clock", "render", "preview", "http", "backups", "config",
            "doctor", "demo", "sheet", "app", "trial", "reports",
        ],
    ),
    ("lib", &[]),
    ("main", &[]),
];

/// Where each foreign crate may be named.
const FENCES: &[(&str, &[&str])] = &[
    ("poem", &["http/", "app.rs"]),
    ("poem_openapi", &["http/"]),
    ("rusqlite", &["store/sqlite/"]),
    ("mail_send", &["channel/email"]),
    ("simple_dns", &["doctor/dns.rs"]),
    ("csv", &["sheet.rs", "cli/import/"]),
    ("smtp_proto", &["channel/email"]),
    ("ureq", &["channel/", "cli/simulate.rs"]),
    ("clap", &["cli/", "main.rs"]),
    ("figment", &["config/", "channel/"]),
    ("tokio_cron_scheduler", &["housekeeping.rs"]),
    ("png", &["render/chart.rs"]),
    ("anyhow", &["cli/", "app.rs", "app/", "main.rs"]),
    ("minijinja", &["render", "channel/http"]),
];

/// What may be filled into SQL: lists of columns, and words that are written out where it is called. Values are bound.
const FILLED_INTO_SQL: &[&str] = &[
    "rows::USER",
    "rows::REQUEST",
    "rows::MESSAGE",
    "rows::ROUTED_REQUEST",
    "rows::INBOX",
    "ledger::CREDIT",
    "condition",
    "column",
    "alone",
    "mode",
    "table",
    "column",
    "BITE",
];

struct Source {
    /// Below `src/`.
    path: String,
    text: String,
}

impl Source {
    /// The lines of code that ship: without comments and without the tests at the foot.
    fn code(&self) -> impl Iterator<Item = &str> {
        let shipped = self.text.split("\n#[cfg(test)]\nmod tests {").next().unwrap();
        shipped.lines().map(str::trim_start).filter(|line| !line.starts_with("//"))
    }

    fn module(&self) -> &str {
        self.path.split(['/', '.']).next().unwrap()
    }

    fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    walk(&root().join("src"), &mut |path| {
        if path.extension().is_some_and(|extension| extension == "rs") {
            let relative = path.strip_prefix(root().join("src")).unwrap().to_str().unwrap().to_owned();
            sources.push(Source { path: relative, text: fs::read_to_string(path).unwrap() });
        }
    });
    assert!(sources.len() > 30, "the walk found only {} files", sources.len());
    sources
}

fn walk(directory: &Path, visit: &mut dyn FnMut(&Path)) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { walk(&path, visit) } else { visit(&path) }
    }
}

/// The identifiers that follow `prefix` where it stands alone, as in `crate::` but not `$crate::`.
fn after<'a>(line: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    line.match_indices(prefix).filter_map(move |(at, _)| {
        let before = line[..at].chars().next_back();
        let alone = !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$' || c == ':');
        let rest = &line[at + prefix.len()..];
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        alone.then(|| &rest[..end])
    })
}

#[test]
fn imports_run_one_way() {
    let mut crossed = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test()) {
        let module = source.module();
        let allowed = MAY_IMPORT.iter().find(|(name, _)| *name == module).map_or(&[][..], |(_, allowed)| *allowed);
        assert!(MAY_IMPORT.iter().any(|(name, _)| *name == module), "{} is in no row of the table", source.path);
        for line in source.code() {
            for imported in after(line, "crate::") {
                if imported != module && !allowed.contains(&imported) {
                    crossed.push(format!("{}: {line}", source.path));
                }
            }
        }
    }
    assert!(crossed.is_empty(), "these imports go the wrong way:\n{}", crossed.join("\n"));
}

#[test]
fn foreign_crates_stay_behind_their_wall() {
    let mut crossed = Vec::new();
    for source in sources() {
        for (foreign, places) in FENCES {
            let inside = places.iter().any(|place| source.path.starts_with(place));
            let named = |line: &str| after(line, &format!("{foreign}::")).next().is_some();
            if !inside && let Some(line) = source.code().find(|line| named(line)) {
                crossed.push(format!("{}: {line}", source.path));
            }
        }
    }
    assert!(crossed.is_empty(), "these lines name a crate outside its wall:\n{}", crossed.join("\n"));
}

/// The arguments of each `format!` whose text is SQL: what stands in its braces, and what follows its text.
fn filled_into_sql(code: &str) -> Vec<String> {
    let verbs = ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "PRAGMA ", " WHERE ", "VACUUM ", "ATTACH ", "CREATE "];
    let mut filled = Vec::new();
    for (_, rest) in code.match_indices("format!(\"").map(|(at, found)| code.split_at(at + found.len())) {
        let Some((text, rest)) = rest.split_once('"') else { continue };
        if !verbs.iter().any(|verb| text.contains(verb)) {
            continue;
        }
        let inside = text.split('{').skip(1).filter_map(|part| part.split_once('}')).map(|(name, _)| name);
        let behind = rest.split(')').next().unwrap_or_default().split(',').map(str::trim);
        filled.extend(inside.chain(behind).filter(|name| !name.is_empty()).map(str::to_owned));
    }
    filled
}

#[test]
fn values_are_bound_and_never_written_into_sql() {
    let sources = sources();
    let filled: Vec<(&str, String)> = sources
        .iter()
        .filter(|source| source.path.starts_with("store/") && !source.is_test())
        .flat_map(|source| {
            let code: Vec<&str> = source.code().collect();
            filled_into_sql(&code.join("\n")).into_iter().map(|name| (source.path.as_str(), name))
        })
        .collect();
    let wrong = r#"query(&format!("SELECT {} FROM users WHERE name = '{name}'", rows::USER, id), [])"#;
    assert_eq!(filled_into_sql(wrong), ["name", "rows::USER", "id"]);
    assert!(filled.len() > 5, "the search found only {filled:?}");
    let wrong: Vec<_> = filled.iter().filter(|(_, name)| !FILLED_INTO_SQL.contains(&name.as_str())).collect();
    assert!(wrong.is_empty(), "bind these as parameters: {wrong:?}");
}

#[test]
fn every_module_says_what_it_is_for() {
    for source in sources() {
        assert!(source.text.starts_with("//! "), "src/{} does not begin with what it is for", source.path);
    }
}

#[test]
fn every_kind_of_channel_is_listed() {
    let kinds: BTreeSet<&str> = umishop::channel::KINDS.iter().map(|kind| kind.name).collect();
    let declared = |source: &Source| source.code().any(|line| line.contains("const KIND: Kind"));
    let files = sources().into_iter().filter(|source| source.path.starts_with("channel/") && declared(source)).count();
    assert_eq!(kinds.len(), files, "a kind is not in KINDS, or twice");
}

#[test]
fn the_architecture_page_names_every_file() {
    let page = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    // A heading for each folder of `src/`; beneath it its files, relative to it.
    let names = |path: &str| match path.split_once('/') {
        None => page.contains(&format!("`{path}`")),
        Some((folder, file)) => page
            .split_once(&format!("`src/{folder}/`"))
            .and_then(|(_, rest)| rest.split("\n### ").next())
            .is_some_and(|section| section.contains(&format!("`{file}`"))),
    };
    let missing: Vec<String> = sources().into_iter().map(|source| source.path).filter(|path| !names(path)).collect();
    assert!(missing.is_empty(), "docs/architecture.md does not name {missing:?}");
    let files: BTreeSet<String> = sources().into_iter().map(|source| source.path).collect();
    let sections = page.split("\n### `src/").skip(1).filter_map(|section| section.split_once("/`\n"));
    let gone: Vec<String> = sections
        .flat_map(|(folder, text)| {
            let list = text.trim_start().split("\n\n").next().unwrap_or_default();
            let listed = list.split('`').filter(|name| Path::new(name).extension().is_some_and(|end| end == "rs"));
            listed.map(move |file| format!("{folder}/{file}"))
        })
        .filter(|path| !files.contains(path))
        .collect();
    assert!(gone.is_empty(), "docs/architecture.md names {gone:?}, which are not there");
}

#[test]
fn every_place_where_the_program_can_end_is_tried_by_the_campaign() {
    let row = fs::read_to_string(root().join("tests/reliability/rows/crashes.py")).unwrap();
    let list = row.split_once("PLACES = (").and_then(|(_, rest)| rest.split_once("\n)")).unwrap().0;
    let tried: BTreeSet<&str> = list.split('"').skip(1).step_by(2).collect();
    let sources = sources();
    let marked: BTreeSet<&str> = sources
        .iter()
        .flat_map(Source::code)
        .filter_map(|line| line.strip_prefix("crash::point(\"")?.split('"').next())
        .collect();
    assert!(marked.len() > 15, "the search found only {marked:?}");
    assert_eq!(tried, marked);
}

#[test]
fn migrations_are_numbered_without_gaps() {
    let mut names = Vec::new();
    walk(&root().join("src/store/sqlite/migrations"), &mut |path| {
        names.push(path.file_name().unwrap().to_str().unwrap().to_owned());
    });
    names.sort();
    let steps = fs::read_to_string(root().join("src/store/sqlite/migrations.rs")).unwrap();
    for (index, name) in names.iter().enumerate() {
        assert!(name.starts_with(&format!("{:04}_", index + 1)), "{name} is out of order");
        assert!(steps.contains(&format!("include_str!(\"migrations/{name}\")")), "{name} is never applied");
    }
}

#[test]
fn the_openapi_document_is_the_one_that_was_reviewed() {
    let path = root().join("docs/openapi.json");
    let document: serde_json::Value = serde_json::from_str(&umishop::http::openapi()).unwrap();
    let document = format!("{}\n", serde_json::to_string_pretty(&document).unwrap());
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, &document).unwrap();
    }
    let reviewed = fs::read_to_string(&path).unwrap_or_default();
    assert!(reviewed == document, "the API changed: run `just bless` and read the difference in docs/openapi.json");
}
