//! The sections with a fixed set of keys, but for `[server]`.

use std::collections::BTreeMap;
use std::time::Duration;

use figment::value::Value;
use secrecy::SecretString;
use tracing::level_filters::LevelFilter;
use url::Url;

use super::beside;
use super::reader::Reader;
use super::tree::path;
use super::{
    Admin, Auth, Backup, ChannelConfig, Display, Intake, Landbot, Log, LogFormat, Retention, StoreUrl, Templates,
    Welcome,
};
use crate::domain::{ChannelAddress, Country, Rate, is_language};

/// Longest time between a registration and its welcome.
const LONGEST_DELAY: Duration = Duration::from_hours(30 * 24);

/// How long a session of the console may last. Browsers keep no cookie for longer.
const SESSION: std::ops::RangeInclusive<Duration> = Duration::from_mins(5)..=Duration::from_hours(400 * 24);

pub(super) fn intake(reader: &mut Reader<'_>) -> Option<Intake> {
    let is_secret = reader.parse("intake.auth", "\"secret\" or \"none\"", "secret", |text| match text {
        "secret" => Some(true),
        "none" => Some(false),
        _ => None,
    });
    let secret = secret(reader, "intake.secret");
    let default_country = reader.parse("intake.default_country", "a country's two letters", "ES", Country::parse);
    if is_secret == Some(true) && secret.is_none() && !reader.sandbox {
        refuse_missing_secret(reader);
    }
    let burst = reader.number("intake.burst", 1..=1_000_000, 500);
    let rate = reader.parse("intake.rate", "a rate like \"50/s\", or \"none\"", "50/s", |text| match text {
        "none" => Some(None),
        _ => text.parse::<Rate>().ok().map(Some),
    });
    Some(Intake {
        auth: if is_secret? { Auth::Secret(secret) } else { Auth::None },
        default_country: default_country?,
        rate: burst.and_then(|burst| Some(rate?.map(|rate| rate.with_burst(burst))))?,
    })
}

fn refuse_missing_secret(reader: &mut Reader<'_>) {
    let key = path("intake.secret");
    let reference =
        reader.resolved.missing.iter().find(|(path, _)| *path == key).map(|(_, reference)| reference.to_string());
    let reference = reference.unwrap_or_else(|| "secret = \"env:UMISHOP_SECRET\" and that variable".to_owned());
    let mend = format!("set {reference} to a long random text, or write auth = \"none\" to let anybody call them");
    reader.problem(&key, "missing: live, a call to the webhooks must carry a secret", mend);
}

fn secret(reader: &Reader<'_>, key: &str) -> Option<SecretString> {
    Some(reader.text(key)).filter(|text| !text.is_empty()).map(SecretString::from)
}

pub(super) fn admin(reader: &mut Reader<'_>) -> Option<Admin> {
    let idle_timeout = session_time(reader, "admin.idle_timeout", "12h");
    let session_lifetime = session_time(reader, "admin.session_lifetime", "7days");
    Some(Admin {
        token: secret(reader, "admin.token"),
        metrics_token: secret(reader, "admin.metrics_token"),
        idle_timeout: idle_timeout?,
        session_lifetime: session_lifetime?,
    })
}

/// How long a session may last: not so short that nobody can work, nor so long that a cookie is as good as a token.
fn session_time(reader: &mut Reader<'_>, key: &str, example: &str) -> Option<Duration> {
    let time = reader.duration(key, example)?;
    if SESSION.contains(&time) {
        return Some(time);
    }
    let mend = format!("write a time between, as in \"{example}\"");
    reader.problem(&path(key), "shorter than 5 minutes or longer than 400 days", mend);
    None
}

pub(super) fn store(reader: &mut Reader<'_>) -> Option<StoreUrl> {
    let base = reader.base;
    reader.parse("store.url", "sqlite: and the path of a file", "sqlite:umishop.db", |text| {
        let file = text.strip_prefix("sqlite:")?;
        let file = file.strip_prefix("//").unwrap_or(file);
        (!file.is_empty() && !file.starts_with(':') && !file.contains('?'))
            .then(|| StoreUrl::Sqlite(beside(base, file)))
    })
}

pub(super) fn keep_free(reader: &mut Reader<'_>) -> Option<u64> {
    reader.parse("store.keep_free", "a size like \"256MiB\" or \"2GiB\"", "256MiB", size)
}

/// A number of bytes: `0`, or a whole number with a binary unit.
fn size(text: &str) -> Option<u64> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let number: u64 = digits.parse().ok()?;
    let power = match unit.trim_start() {
        "" if number == 0 => 0,
        "KiB" => 1,
        "MiB" => 2,
        "GiB" => 3,
        "TiB" => 4,
        _ => return None,
    };
    number.checked_mul(1024_u64.pow(power))
}

pub(super) fn welcome(reader: &mut Reader<'_>) -> Option<Welcome> {
    let delay = reader.duration("welcome.delay", "1m");
    if delay.is_some_and(|delay| delay > LONGEST_DELAY) {
        reader.problem(&path("welcome.delay"), "longer than 30 days", "write a shorter time, as in delay = \"1m\"");
    }
    let channel = reader.parse(
        "welcome.channel",
        "a channel like email.welcome, or empty for no welcome",
        "email.welcome",
        |text| match text {
            "" => Some(None),
            _ => text.parse::<ChannelAddress>().ok().map(Some),
        },
    );
    Some(Welcome { delay: delay?, channel: channel? })
}

/// Notes a channel for the welcome that writes to no customer.
pub(super) fn refuse_silent_welcome(
    reader: &mut Reader<'_>,
    welcome: Option<&ChannelAddress>,
    channels: &BTreeMap<ChannelAddress, ChannelConfig>,
) {
    if let Some(address) = welcome
        && channels.get(address).is_some_and(|found| found.channel.writes_to().is_none())
    {
        reader.problem(
            &path("welcome.channel"),
            format!("{address} does not write to customers, so it can welcome none"),
            "name a channel that does, as in channel = \"email.welcome\"",
        );
    }
}

pub(super) fn templates(reader: &mut Reader<'_>) -> Templates {
    let directory =
        Some(reader.text("templates.directory")).filter(|text| !text.is_empty()).map(|text| beside(reader.base, text));
    if directory.as_ref().is_some_and(|directory| !directory.is_dir()) {
        reader.problem(
            &path("templates.directory"),
            "there is no such directory",
            "make it, or leave the key empty for the built-in texts",
        );
    }
    let language = reader.parse("templates.language", "a language like \"es\" or \"pt-BR\"", "es", |text| {
        (text.is_empty() || is_language(text)).then(|| text.to_owned())
    });
    Templates { directory, language: language.unwrap_or_default() }
}

pub(super) fn landbot(reader: &mut Reader<'_>) -> Option<Landbot> {
    let example = "https://landbot.pro/v3/H-1234567-ABCDEFGH/index.html";
    let config_url =
        reader.parse("landbot.config_url", "the address of a bot that Landbot shows under Share", example, |text| {
            match text {
                "" => Some(None),
                _ => config_url(text).map(Some),
            }
        });
    let display =
        reader.parse("landbot.display", "\"livechat\", \"popup\", \"container\" or \"fullpage\"", "livechat", |text| {
            Some(match text {
                "livechat" => Display::Livechat,
                "popup" => Display::Popup,
                "container" => Display::Container,
                "fullpage" => Display::Fullpage,
                _ => return None,
            })
        });
    let height = reader.parse("landbot.height", "a height like 640px or 80vh", "640px", |text| {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_lowercase() || c == '%');
        let is_number = !digits.is_empty() && digits.len() <= 5 && digits.bytes().all(|byte| byte.is_ascii_digit());
        (is_number && ["px", "vh", "rem", "em", "%"].contains(&&text[digits.len()..])).then(|| text.to_owned())
    });
    Some(Landbot { config_url: config_url?, display: display?, height: height? })
}

/// The bot's own configuration: Landbot's widget loads it from `…/index.json`, while people copy the page `…/index.html`.
fn config_url(text: &str) -> Option<String> {
    let url = Url::parse(text.trim())
        .ok()
        .filter(|url| url.scheme() == "https" && url.port().is_none() && url.username().is_empty())?;
    let path = url.path();
    let bot = path
        .strip_suffix("index.html")
        .or_else(|| path.strip_suffix("index.json"))
        .unwrap_or(path)
        .trim_end_matches('/');
    let is_plain = bot.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte));
    if !is_plain || !bot.rsplit('/').next().is_some_and(|last| last.starts_with("H-")) {
        return None;
    }
    match url.host_str()? {
        host @ ("landbot.pro" | "landbot.online") => {
            Some(format!("https://storage.googleapis.com/{host}{bot}/index.json"))
        }
        host @ "storage.googleapis.com" if bot.starts_with("/landbot.pro/") || bot.starts_with("/landbot.online/") => {
            Some(format!("https://{host}{bot}/index.json"))
        }
        host @ "chats.landbot.io" => Some(format!("https://{host}{bot}/index.json")),
        _ => None,
    }
}

pub(super) fn retention(reader: &mut Reader<'_>) -> Option<Retention> {
    let delivered = reader.duration("retention.delivered", "90days");
    let dead = reader.duration("retention.dead", "365days");
    let inbox = reader.duration("retention.inbox", "90days");
    let captures = optional_duration(reader, "retention.captures", "30days");
    let attempts = optional_duration(reader, "retention.attempts", "365days");
    let questions = optional_duration(reader, "retention.questions", "365days");
    let touches = optional_duration(reader, "retention.touches", "730days");
    let customers = optional_duration(reader, "retention.customers", "1095days");
    let audit = optional_duration(reader, "retention.audit", "730days");
    let prune = times(reader, "retention.prune", "0 17 3 * * *");
    Some(Retention {
        delivered: delivered?,
        dead: dead?,
        inbox: inbox?,
        captures,
        attempts,
        questions,
        touches,
        customers,
        audit,
        prune: prune?,
    })
}

/// A length of time; `None`: the text is empty, or a problem.
fn optional_duration(reader: &mut Reader<'_>, key: &str, example: &str) -> Option<Duration> {
    if reader.text(key).is_empty() { None } else { reader.duration(key, example) }
}

fn times(reader: &mut Reader<'_>, key: &str, example: &str) -> Option<String> {
    reader.parse(key, "six fields: second minute hour day month weekday", example, |text| {
        // As the scheduler reads it.
        let parser =
            croner::parser::CronParser::builder().seconds(croner::parser::Seconds::Required).dom_and_dow(true).build();
        parser.parse(text).is_ok().then(|| text.to_owned())
    })
}

pub(super) fn backup(reader: &mut Reader<'_>) -> Option<Backup> {
    let directory =
        Some(reader.text("backup.directory")).filter(|text| !text.is_empty()).map(|text| beside(reader.base, text));
    // Not made, and no reason not to start: it may be a disk that is not there today, and customers are served anyway.
    if directory.as_ref().is_some_and(|directory| !directory.is_dir()) {
        reader.warning(
            &path("backup.directory"),
            "there is no such directory, so that no backup can be made",
            "make it, or leave the key empty for no backups",
        );
    }
    let at = times(reader, "backup.at", "0 40 2 * * *");
    let keep = reader.value("backup.keep").and_then(Value::to_u128).and_then(|keep| usize::try_from(keep).ok());
    let keep = keep.or_else(|| usize::try_from(reader.value("backup.keep")?.to_i128()?).ok()).filter(|keep| *keep > 0);
    if keep.is_none() {
        reader.problem(&path("backup.keep"), "expected a whole number from 1 on", "write keep = 7");
    }
    Some(Backup { directory, at: at?, keep: keep? })
}

pub(super) fn log(reader: &mut Reader<'_>) -> Option<Log> {
    let format = reader.parse("log.format", "\"text\" or \"json\"", "text", |text| match text {
        "text" => Some(LogFormat::Text),
        "json" => Some(LogFormat::Json),
        _ => None,
    });
    let level =
        reader.parse("log.level", "\"error\", \"warn\", \"info\", \"debug\" or \"trace\"", "info", |text| match text {
            "error" => Some(LevelFilter::ERROR),
            "warn" => Some(LevelFilter::WARN),
            "info" => Some(LevelFilter::INFO),
            "debug" => Some(LevelFilter::DEBUG),
            "trace" => Some(LevelFilter::TRACE),
            _ => None,
        });
    Some(Log { format: format?, level: level? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bots_share_page_and_its_configuration_are_the_same_bot() {
        let bot = "https://storage.googleapis.com/landbot.pro/v3/H-3448554-ONJS9LMP6EK79HU6/index.json";
        for text in [
            bot,
            "https://landbot.pro/v3/H-3448554-ONJS9LMP6EK79HU6/index.html",
            "https://landbot.pro/v3/H-3448554-ONJS9LMP6EK79HU6/",
            "https://storage.googleapis.com/landbot.pro/v3/H-3448554-ONJS9LMP6EK79HU6/index.html",
            "https://landbot.pro/v3/H-3448554-ONJS9LMP6EK79HU6/index.html?utm_source=x",
        ] {
            assert_eq!(config_url(text).as_deref(), Some(bot), "{text}");
        }
        assert_eq!(
            config_url("https://chats.landbot.io/u/H-1-A/index.html").as_deref(),
            Some("https://chats.landbot.io/u/H-1-A/index.json")
        );
    }

    #[test]
    fn a_size_has_a_unit_that_means_one_thing() {
        assert_eq!(size("256MiB"), Some(256 * 1024 * 1024));
        assert_eq!((size("0"), size("4 GiB"), size("1TiB")), (Some(0), Some(4 << 30), Some(1 << 40)));
        for text in ["", "256", "256MB", "MiB", "-1MiB", "1.5GiB", "99999999999TiB"] {
            assert_eq!(size(text), None, "{text}");
        }
    }

    #[test]
    fn other_addresses_are_no_bots() {
        for text in [
            "http://landbot.pro/v3/H-1-A/index.html",
            "https://landbot.pro.evil.example/v3/H-1-A/index.json",
            "https://storage.googleapis.com/evil/H-1-A/index.json",
            "https://landbot.pro/v3/H-1-A'/index.json",
            "https://landbot.pro/",
            "H-1-A",
            "https://landbot.pro:444/v3/H-1-A/",
            "https://x@landbot.pro/v3/H-1-A/",
            "https://storage.googleapis.com/landbot.pro/../evil/H-1-A/index.json",
        ] {
            assert_eq!(config_url(text), None, "{text}");
        }
    }
}
