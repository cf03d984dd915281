//! What stands in the configuration.

use std::collections::BTreeSet;

use super::finding::{self, Area, Finding, Severity};
use crate::config::{Loaded, MissingReference, Problem, Problems, Reference};

/// A configuration that cannot be used.
pub fn refused(problems: &Problems) -> Vec<Finding> {
    problems.0.iter().map(|problem| told(problem, Severity::Problem)).collect()
}

pub(super) fn look(loaded: &Loaded) -> Vec<Finding> {
    let origin = match &loaded.origin {
        Some(file) => format!("{} can be used", file.display()),
        None => "the built-in one is used: there is no config.toml here".to_owned(),
    };
    // What a channel lacks is told with the channel.
    let missing = loaded.missing.iter().filter(|missing| missing.channels.is_empty());
    let mut findings = vec![finding::ok(Area::Configuration, "configuration", origin)];
    findings.extend(missing.map(|missing| told(&missing.to_problem(), Severity::Warning)));
    findings.extend(loaded.warnings.iter().map(|warning| told(warning, Severity::Warning)));
    findings
}

/// What a channel goes without, by its names.
pub(super) fn lacks<'a>(missing: impl Iterator<Item = &'a MissingReference>) -> String {
    let names: BTreeSet<String> = missing
        .map(|missing| match &missing.reference {
            Reference::Variable(name) => name.clone(),
            Reference::File(path) => path.display().to_string(),
        })
        .collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}

fn told(problem: &Problem, severity: Severity) -> Finding {
    let subject = if problem.key.is_empty() { problem.place.to_string() } else { problem.key.clone() };
    let what =
        if problem.key.is_empty() { problem.what.clone() } else { format!("{}: {}", problem.place, problem.what) };
    Finding::new(Area::Configuration, subject, severity, what, problem.mend.clone())
}
