//! What umishop shows of its own configuration: to customers on the shop's page, to operators in the console.

use secrecy::ExposeSecret as _;

use crate::config::{Auth, Config, Display, StoreUrl};
use crate::domain::{Timestamp, Topic};
use crate::http::{Landbot, PageSettings, Setting, Settings};
use crate::landbot::Setup;

/// What to paste into Landbot; the secret itself only with `show_secret`.
pub fn landbot_setup(config: &Config, show_secret: bool) -> Setup {
    let secret = match &config.intake.auth {
        Auth::Secret(Some(secret)) if show_secret => Some(secret.expose_secret().to_owned()),
        Auth::Secret(Some(_)) => Some("(your intake secret; `umishop landbot --show-secret` prints it)".to_owned()),
        Auth::Secret(None) => Some("(the value you give UMISHOP_SECRET)".to_owned()),
        Auth::None => None,
    };
    Setup {
        public_url: config.server.public_url.clone(),
        secret,
        topics: config.routes.topics().map(Topic::as_str).map(str::to_owned).collect(),
    }
}

/// How umishop is set up, started at `now`.
pub(super) fn settings(config: &Config, now: Timestamp) -> Settings {
    let StoreUrl::Sqlite(database) = &config.store;
    let keys = config.settings.iter().map(|setting| Setting {
        key: setting.key.clone(),
        value: setting.value.clone(),
        from: setting.written.as_str(),
        place: setting.place.to_string(),
        line: setting.line(),
    });
    Settings {
        started_at: now,
        sandbox: config.sandbox,
        keys: keys.collect(),
        database: database.clone(),
        config: config.file.clone(),
        templates: config.templates.directory.clone(),
        backups: config.backup.directory.clone(),
    }
}

/// The shop's page. `is_open` says whether the webhooks let in who shows no secret, as the demo chat does.
pub(super) fn page(config: &Config, is_open: bool) -> PageSettings {
    let landbot = config.landbot.config_url.clone().map(|config_url| Landbot {
        config_url,
        display: match config.landbot.display {
            Display::Livechat => "livechat",
            Display::Popup => "popup",
            Display::Container => "container",
            Display::Fullpage => "fullpage",
        },
        height: config.landbot.height.clone(),
    });
    PageSettings {
        shop: "UmiShop",
        sandbox: config.sandbox,
        demo: landbot.is_none() && is_open,
        landbot,
        topics: config.routes.topics().map(Topic::as_str).map(str::to_owned).collect(),
    }
}
