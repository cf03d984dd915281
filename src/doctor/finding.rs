//! What a look has shown.

use serde::Serialize;

/// How one thing is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it belongs to.
    pub area: Area,
    /// What was looked at: a channel, a domain, a file.
    pub subject: String,
    /// How well it is.
    pub severity: Severity,
    /// What was seen.
    pub what: String,
    /// What to do about it; empty when there is nothing to do.
    pub mend: String,
}

/// How well a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It is well.
    Ok,
    /// It works, but not as it should or not for long.
    Warning,
    /// It does not work.
    Problem,
    /// It cannot be known from here.
    Unknown,
}

impl Severity {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
            Self::Unknown => "unknown",
        }
    }
}

/// A part of what a shop depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Area {
    /// What stands in the configuration.
    Configuration,
    /// The ways to reach people.
    Channels,
    /// What the world's mail servers think of the shop's mail.
    Mail,
    /// Where others reach the server.
    Address,
    /// This machine's clock.
    Clock,
    /// The database, its disk and its backups.
    Disk,
    /// Who may get in.
    Exposure,
}

impl Area {
    /// A heading.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Configuration => "Configuration",
            Self::Channels => "Channels",
            Self::Mail => "Mail",
            Self::Address => "Address",
            Self::Clock => "Clock",
            Self::Disk => "Database and disk",
            Self::Exposure => "Who may get in",
        }
    }
}

impl Finding {
    pub(super) fn new(
        area: Area,
        subject: impl Into<String>,
        severity: Severity,
        what: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self { area, subject: subject.into(), severity, what: what.into(), mend: mend.into() }
    }
}

/// It is well.
pub(super) fn ok(area: Area, subject: impl Into<String>, what: impl Into<String>) -> Finding {
    Finding::new(area, subject, Severity::Ok, what, "")
}

/// It works, but not as it should.
pub(super) fn warning(
    area: Area,
    subject: impl Into<String>,
    what: impl Into<String>,
    mend: impl Into<String>,
) -> Finding {
    Finding::new(area, subject, Severity::Warning, what, mend)
}

/// It does not work.
pub(super) fn problem(
    area: Area,
    subject: impl Into<String>,
    what: impl Into<String>,
    mend: impl Into<String>,
) -> Finding {
    Finding::new(area, subject, Severity::Problem, what, mend)
}

/// It cannot be known from here.
pub(super) fn unknown(
    area: Area,
    subject: impl Into<String>,
    what: impl Into<String>,
    mend: impl Into<String>,
) -> Finding {
    Finding::new(area, subject, Severity::Unknown, what, mend)
}
