//! `/api/settings` and `/api/backup`: how umishop is set up, and a copy of what it knows.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi};

use super::super::access::{Owner, Reader};
use super::super::errors::ApiError;
use super::super::schemas::OrNull;
use super::super::{SharedWeb, Web};
use super::{Group, record};
use crate::backups::LastBackup;
use crate::domain::Timestamp;
use crate::store::BackupError;

/// How long a backup is waited for: less than a caller may wait for an answer, which is half a minute.
const LONGEST: Duration = Duration::from_secs(20);

/// How umishop is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// When it was started.
    pub started_at: Timestamp,
    /// Whether messages are kept instead of sent.
    pub sandbox: bool,
    /// Every key that counts.
    pub keys: Vec<Setting>,
    /// The database.
    pub database: PathBuf,
    /// The configuration's file, if there is one.
    pub config: Option<PathBuf>,
    /// Where the shop's own texts are.
    pub templates: Option<PathBuf>,
    /// Where backups are made.
    pub backups: Option<PathBuf>,
}

/// One key of the configuration.
#[derive(Clone, Debug)]
pub struct Setting {
    /// As in `server.listen`.
    pub key: String,
    /// What it holds; a secret is not shown, a reference as it is written.
    pub value: String,
    /// Who wrote it: `default`, `file` or `environment`.
    pub from: &'static str,
    /// Where exactly: a file and its line, or a variable's name.
    pub place: String,
    /// The line in the file.
    pub line: Option<usize>,
}

/// One key of the configuration.
#[derive(Debug, Object)]
struct SettingItem {
    /// As in `server.listen`.
    key: String,
    /// What it holds. A secret is `•••`; a reference to one, as in `env:NAME`, is as it is written.
    value: String,
    /// Who wrote it: `default`, `file` or `environment`.
    from: String,
    /// Where exactly: a file and its line, or a variable's name.
    place: String,
    /// The line in the file.
    line: OrNull<u32>,
}

impl From<&Setting> for SettingItem {
    fn from(setting: &Setting) -> Self {
        let Setting { key, value, from, place, line } = setting.clone();
        let line = line.and_then(|line| u32::try_from(line).ok()).into();
        Self { key, value, from: from.to_owned(), place, line }
    }
}

/// Where things are.
#[derive(Debug, Object)]
struct FilesItem {
    database: String,
    /// The configuration's file.
    config: OrNull<String>,
    /// The directory of the shop's own texts.
    templates: OrNull<String>,
    /// The directory of backups.
    backups: OrNull<String>,
}

/// How the last backup went.
#[derive(Debug, Object)]
struct LastBackupItem {
    /// When the newest one was taken.
    last_at: OrNull<String>,
    /// Its file.
    file: OrNull<String>,
    /// Its size.
    bytes: OrNull<u64>,
    /// Why there is no newer one.
    error: OrNull<String>,
}

impl From<LastBackup> for LastBackupItem {
    fn from(last: LastBackup) -> Self {
        let LastBackup { success, file, error } = last;
        let (file, bytes) = file.map(|(file, bytes)| (file.display().to_string(), bytes)).unzip();
        Self {
            last_at: success.map(|moment| moment.to_string()).into(),
            file: file.into(),
            bytes: bytes.into(),
            error: error.map(|(_, why)| why).into(),
        }
    }
}

/// How umishop is set up.
#[derive(Debug, Object)]
struct SettingsItem {
    version: String,
    started_at: String,
    /// Whether messages are kept instead of sent.
    sandbox: bool,
    /// Every key that counts, each with where it comes from. Channels that nothing uses are left out.
    config: Vec<SettingItem>,
    files: FilesItem,
    backup: LastBackupItem,
}

impl SettingsItem {
    fn new(web: &Web) -> Self {
        let Settings { started_at, sandbox, keys, database, config, templates, backups } = &web.settings;
        let shown = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string()).into();
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: started_at.to_string(),
            sandbox: *sandbox,
            config: keys.iter().map(SettingItem::from).collect(),
            files: FilesItem {
                database: database.display().to_string(),
                config: shown(config),
                templates: shown(templates),
                backups: shown(backups),
            },
            backup: web.backup.last().into(),
        }
    }
}

/// A backup that was made.
#[derive(Debug, Object)]
struct BackupItem {
    /// Whether it is done; else it goes on, and `/api/settings` tells when it is.
    done: bool,
    /// Its file; empty while it goes on.
    file: String,
    /// Its size; 0 while it goes on.
    bytes: u64,
    /// In milliseconds.
    took_ms: u64,
}

/// How umishop is set up.
pub(in crate::http) struct SettingsPage;

#[OpenApi(tag = "Group::Operator")]
impl SettingsPage {
    /// Show the configuration as it counts, and where each key of it comes from
    #[oai(path = "/api/settings", method = "get")]
    async fn show_settings(&self, web: Data<&SharedWeb>, _reader: Reader) -> Result<Json<SettingsItem>, ApiError> {
        Ok(Json(SettingsItem::new(&web)))
    }

    /// Make a backup now
    ///
    /// In the directory of `[backup]`, where it is one of those that are kept. One that takes longer than 20 seconds goes
    /// on after the answer.
    #[oai(path = "/api/backup", method = "post")]
    async fn back_up(&self, web: Data<&SharedWeb>, owner: Owner) -> Result<Json<BackupItem>, ApiError> {
        let Some(backups) = &web.backups else {
            return Err(ApiError::conflict("there is no place for backups: set [backup] directory, and restart"));
        };
        let (backups, stop, begun) = (Arc::clone(backups), web.draining.clone(), Instant::now());
        let took_ms = || u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        // A task of its own, so that it comes to its end when its caller has gone.
        let making = tokio::spawn(async move { backups.make(stop).await });
        record(&web, &owner, "backup.make", "", "").await;
        let made = tokio::select! {
            made = making => made,
            () = web.clock.sleep_until(None, LONGEST) => {
                return Ok(Json(BackupItem { done: false, file: String::new(), bytes: 0, took_ms: took_ms() }));
            }
        };
        match made {
            Ok(Ok(made)) => {
                let (file, bytes) = (made.file.display().to_string(), made.bytes);
                Ok(Json(BackupItem { done: true, file, bytes, took_ms: took_ms() }))
            }
            Ok(Err(error @ (BackupError::Exists(_) | BackupError::InUse(_)))) => {
                Err(ApiError::conflict(error.to_string()))
            }
            Ok(Err(error)) => Err(ApiError::unavailable(error.to_string())),
            Err(error) => {
                tracing::error!(%error, "A backup ended badly");
                Err(ApiError::unavailable("the backup ended badly; the log says more"))
            }
        }
    }
}
