//! The way from the sources to a valid configuration.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::channels::{self, Loading};
use super::environment::{Environment, Variables};
use super::layers::{Document, Layers};
use super::problems::{Place, Problem, Problems, shown_key};
use super::reader::Reader;
use super::references::{MissingReference, Resolved};
use super::{
    Config, Loaded, Sources, alerts, effective, origins, reports, routes, rules, sections, server, shape, told, tree,
};
use crate::domain::ChannelAddress;

/// The name of the shop's own file.
const FILE: &str = "config.toml";

/// Longest configuration that is read.
const LONGEST_FILE: u64 = 1024 * 1024;

/// Reads, merges and checks the configuration. Does not touch the process's environment.
pub fn load(sources: &Sources) -> Result<Loaded, Problems> {
    let (input, mut problems) = Input::read(sources)?;
    let mut tree = input.layers.merged();
    let resolved = Resolved::resolve(&mut tree, &input.variables, &input.base, &input.layers, &mut problems);
    resolved.fall_back(&mut tree, &input.layers.shipped.values);
    let sandbox = tree.get("sandbox").and_then(figment::value::Value::to_bool).unwrap_or(true);
    let mut reader = Reader {
        tree: &tree,
        layers: &input.layers,
        resolved: &resolved,
        base: &input.base,
        sandbox,
        problems,
        warnings: Vec::new(),
    };
    let mut loading = Loading { missing: missing_outside_channels(&mut reader) };
    let config = config(&mut reader, &mut loading);
    match config {
        Some(config) if reader.problems.is_empty() => Ok(Loaded {
            config: Config { file: input.origin.clone(), ..config },
            origin: input.origin,
            warnings: Problems::new(reader.warnings).0,
            missing: loading.missing,
        }),
        _ => Err(Problems::new(reader.problems)),
    }
}

/// What was read, before it means anything.
struct Input {
    layers: Layers,
    variables: Variables,
    /// The file that was read.
    origin: Option<PathBuf>,
    /// Where relative paths start.
    base: PathBuf,
}

impl Input {
    /// The input, and what was wrong with it; an error when the file could not be read at all.
    fn read(sources: &Sources) -> Result<(Self, Vec<Problem>), Problems> {
        let mut problems = Vec::new();
        let origin =
            sources.file.clone().or_else(|| Some(super::beside(&sources.directory, FILE)).filter(|file| file.exists()));
        let base = match origin.as_deref().and_then(Path::parent) {
            Some(parent) if parent == Path::new("") => PathBuf::from("."),
            Some(parent) => parent.to_owned(),
            None => sources.directory.clone(),
        };
        let variables = Variables::read(&base, &sources.environment, &mut problems);
        let file = match origin.as_deref().map(read_file).transpose() {
            Ok(file) => file,
            Err(problem) => {
                problems.push(problem);
                return Err(Problems::new(problems));
            }
        };
        let shipped = Document::parse(None, super::SHIPPED).expect("a test reads the compiled-in file");
        let mut layers = Layers { shipped, file, environment: Environment::default() };
        let mut values = layers.file.as_mut().map(|file| std::mem::take(&mut file.values)).unwrap_or_default();
        shape::check(&mut values, &layers.shipped.values, &tree::Path::new(), &layers, &mut problems);
        if let Some(file) = &mut layers.file {
            file.values = values;
        }
        layers.environment = Environment::read(&variables, &layers.merged(), &mut problems);
        let mut values = std::mem::take(&mut layers.environment.values);
        shape::check(&mut values, &layers.shipped.values, &tree::Path::new(), &layers, &mut problems);
        layers.environment.values = values;
        Ok((Self { layers, variables, origin, base }, problems))
    }
}

fn read_file(file: &Path) -> Result<Document, Problem> {
    let name = file.display().to_string();
    let text = super::read_text(file, LONGEST_FILE).map_err(|error| Problem {
        place: Place::File { name: name.clone(), line: None },
        key: String::new(),
        what: format!("cannot be read: {error}"),
        mend: "name a file that exists, or leave --config out; `umishop config` prints one to start from".to_owned(),
    })?;
    Document::parse(Some(&name), &text)
}

/// The references outside `[channels]` that lead nowhere: in the sandbox noted, live a problem. The intake's secret has
/// its own rules.
fn missing_outside_channels(reader: &mut Reader<'_>) -> Vec<MissingReference> {
    let mut missing = Vec::new();
    let secret = tree::path("intake.secret");
    let is_open = reader.text("intake.auth") == "none";
    for (path, reference) in reader.resolved.missing.iter().filter(|(path, _)| path[0] != "channels") {
        let found = MissingReference {
            place: reader.layers.place(path),
            key: shown_key(path),
            reference: reference.clone(),
            channels: Vec::new(),
        };
        if *path == secret && (is_open || !reader.sandbox) {
            continue;
        }
        if reader.sandbox {
            missing.push(found);
        } else {
            reader.problems.push(found.to_problem());
        }
    }
    missing
}

/// Everything, read to its end even when a part of it is wrong.
fn config(reader: &mut Reader<'_>, loading: &mut Loading) -> Option<Config> {
    let server = server::server(reader);
    let intake = sections::intake(reader);
    let admin = sections::admin(reader);
    let store = sections::store(reader);
    let keep_free = sections::keep_free(reader);
    let welcome = sections::welcome(reader);
    let templates = sections::templates(reader);
    let landbot = sections::landbot(reader);
    let retention = sections::retention(reader);
    let origins = Arc::new(origins::origins(reader));
    let backup = sections::backup(reader);
    let log = sections::log(reader);
    let tables = channels::tables(reader);
    let known: BTreeSet<ChannelAddress> = tables.iter().map(|table| table.address.clone()).collect();
    let (routes, route_places) = routes::routes(reader, &known);
    let alerts = alerts::alerts(reader, &known);
    let reports = reports::reports(reader, &known);
    let asked: BTreeSet<ChannelAddress> = routes.routes().flat_map(|route| route.channels.clone()).collect();
    let told: Vec<_> = reports.iter().flat_map(|reports| reports.channels.values().flatten()).cloned().collect();
    let mut used = asked.clone();
    used.extend(routes.routes().filter_map(|route| route.fallback.clone()));
    if let Some(address) = welcome.as_ref().and_then(|welcome| welcome.channel.as_ref()) {
        routes::refuse_unknown(reader, &tree::path("welcome.channel"), address, &known);
        used.insert(address.clone());
    }
    used.extend(alerts.channels.iter().cloned());
    used.extend(told.iter().cloned());
    used.extend(rules::fallbacks(&tables, &used));
    let mut channels = channels::channels(reader, tables, &used, loading);
    rules::tell_fallbacks_apart(&mut channels);
    routes::refuse_without_address(reader, &channels);
    told::refuse_without_address(reader, "alerts.channels", "an alert", &channels);
    reports::refuse_without_address(reader, &channels);
    let welcomes = welcome.as_ref().and_then(|welcome| welcome.channel.as_ref());
    sections::refuse_silent_welcome(reader, welcomes, &channels);
    let asked = asked.into_iter().chain(told).collect();
    rules::refuse_bad_fallbacks(reader, &channels, &known, welcomes, &asked);
    let settings = effective::settings(reader.layers, &channels);
    Some(Config {
        sandbox: reader.sandbox,
        server: server?,
        intake: intake?,
        admin: admin?,
        store: store?,
        keep_free: keep_free?,
        welcome: welcome?,
        templates,
        landbot: landbot?,
        alerts,
        reports: reports?,
        retention: retention?,
        origins,
        backup: backup?,
        log: log?,
        channels,
        routes,
        route_places,
        file: None,
        settings,
    })
}
