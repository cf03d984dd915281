//! Which file says what: `welcome.txt`, `welcome.es.html`, `request.slack.pricing.md`.
//!
//! A file is named `<purpose>[.<kind>.<name>][.<language>].<notation>`. The files of one purpose, channel and language are
//! a *variant*, and are only used together, so that a subject, its text and its HTML never come from different
//! languages. A variant has a `.txt`, which holds the subject.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::RenderError;
use crate::domain::{ChannelAddress, Markup, Purpose, is_language, languages_for};

/// The purpose of the bot's answer to a visitor, which is no message.
pub(super) const REPLY: &str = "reply";

/// The notations, by the last part of a file's name.
const NOTATIONS: &[Markup] = &[Markup::Plain, Markup::Html, Markup::Mrkdwn, Markup::Markdown, Markup::Inline];

/// What sets the files of a purpose apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Variant {
    purpose: String,
    /// Only for messages over this channel.
    channel: Option<String>,
    /// Only for those who read this language, in lower case.
    language: Option<String>,
}

impl Variant {
    /// The one for everybody.
    fn base(purpose: &str) -> Self {
        Self { purpose: purpose.to_owned(), channel: None, language: None }
    }

    /// The name under which this variant's part of that extension is compiled.
    pub(super) fn name(&self, extension: &str) -> String {
        let middle = self.channel.iter().chain(&self.language);
        [self.purpose.as_str()]
            .into_iter()
            .chain(middle.map(String::as_str))
            .chain([extension])
            .collect::<Vec<_>>()
            .join(".")
    }

    /// What its messages are for; `None`: it is for the bot's answer.
    pub(super) fn purpose(&self) -> Option<Purpose> {
        self.purpose.parse().ok()
    }

    /// The variant and the notation of a file; the error says what is wrong with its name.
    fn of_file(name: &str, channels: &[ChannelAddress]) -> Result<(Self, Markup), String> {
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
        let markup = NOTATIONS.iter().find(|markup| markup.extension() == extension).copied();
        let markup = markup.ok_or_else(|| {
            let known: Vec<_> = NOTATIONS.iter().map(|markup| format!(".{}", markup.extension())).collect();
            format!("a template's name ends in one of {}", known.join(", "))
        })?;
        let mut parts = stem.split('.');
        let purpose = parts.next().unwrap_or_default();
        if purpose != REPLY && purpose.parse::<Purpose>().is_err() {
            let known: Vec<_> = Purpose::ALL.iter().map(|purpose| purpose.as_str()).chain([REPLY]).collect();
            return Err(format!("a template's name begins with what it is for: {}", known.join(", ")));
        }
        let parts: Vec<&str> = parts.collect();
        let (channel, language) = match parts[..] {
            [] => (None, None),
            [language] => (None, Some(language)),
            [kind, name] => (Some(format!("{kind}.{name}")), None),
            [kind, name, language] => (Some(format!("{kind}.{name}")), Some(language)),
            _ => return Err("its name has too many parts".to_owned()),
        };
        if let Some(channel) = &channel
            && !channels.iter().any(|known| known.as_str() == channel)
        {
            let known: Vec<_> = channels.iter().map(ChannelAddress::as_str).collect();
            return Err(format!("there is no channel {channel}; the configured ones are {}", known.join(", ")));
        }
        if let Some(language) = language.filter(|language| !is_language(language)) {
            return Err(format!(
                "`{language}` is no language: write it like `es` or `pt-BR`, or name a channel like `slack.pricing`"
            ));
        }
        let variant = Self { purpose: purpose.to_owned(), channel, language: language.map(str::to_ascii_lowercase) };
        if variant.purpose().is_none() && (variant.channel.is_some() || markup != Markup::Plain) {
            return Err("the bot's answer is plain text, for no channel: reply.txt, reply.es.txt".to_owned());
        }
        Ok((variant, markup))
    }
}

/// A template as it was found.
#[derive(Debug)]
pub(super) struct Source {
    /// Its file, for people.
    pub(super) place: String,
    pub(super) text: String,
    /// Whether it is the shop's own.
    own: bool,
}

/// The files of every variant, by their notation.
#[derive(Debug, Default)]
pub(super) struct Variants(BTreeMap<Variant, BTreeMap<&'static str, Source>>);

impl Variants {
    /// The built-in ones, and the shop's own in `directory` in their place: a text of its own for everybody takes the
    /// place of everything that is built in for the purpose, one for some takes the place of that variant.
    pub(super) fn read(
        built_in: &[(&str, &str)],
        directory: Option<&Path>,
        channels: &[ChannelAddress],
    ) -> Result<Self, RenderError> {
        let mut variants = Self::default();
        for (name, text) in built_in {
            let source = Source { place: format!("templates/{name}"), text: (*text).to_owned(), own: false };
            let (variant, markup) = Variant::of_file(name, channels)
                .map_err(|why| RenderError::Name { path: source.place.clone().into(), why })?;
            variants.0.entry(variant).or_default().insert(markup.extension(), source);
        }
        if let Some(directory) = directory {
            variants.lay_over(own(directory, channels)?);
        }
        variants.refuse_without_text()?;
        Ok(variants)
    }

    fn lay_over(&mut self, own: Vec<(Variant, Markup, Source)>) {
        for (variant, markup, _) in &own {
            if *markup == Markup::Plain {
                let is_base = *variant == Variant::base(&variant.purpose);
                self.0.retain(|built_in, _| built_in != variant && !(is_base && built_in.purpose == variant.purpose));
            }
        }
        for (variant, markup, source) in own {
            self.0.entry(variant).or_default().insert(markup.extension(), source);
        }
    }

    fn refuse_without_text(&self) -> Result<(), RenderError> {
        for (variant, sources) in &self.0 {
            if let Some(source) = sources.values().next().filter(|_| !sources.contains_key("txt")) {
                let why = format!("it needs {} beside it, which begins with the subject", variant.name("txt"));
                return Err(RenderError::Name { path: source.place.clone().into(), why });
            }
        }
        Ok(())
    }

    /// Every template.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Variant, &'static str, &Source)> {
        self.0
            .iter()
            .flat_map(|(variant, sources)| sources.iter().map(move |(extension, source)| (variant, *extension, source)))
    }

    /// The variant for a message over `channel` to somebody who reads the first of `languages` that there is one for.
    /// What is written for the channel comes before what is written for the language.
    pub(super) fn choose(&self, purpose: &str, channel: Option<&ChannelAddress>, languages: &[&str]) -> &Variant {
        let tags: Vec<String> = languages.iter().flat_map(|language| languages_for(language)).collect();
        let channels = channel.map(|channel| Some(channel.as_str().to_owned())).into_iter().chain([None]);
        let wanted = channels.flat_map(|channel| {
            let tags = tags.iter().cloned().map(Some).chain([None]);
            tags.map(move |language| Variant { purpose: purpose.to_owned(), channel: channel.clone(), language })
        });
        let mut found = wanted.filter_map(|wanted| self.0.get_key_value(&wanted).map(|(variant, _)| variant));
        // Every purpose has a built-in variant for everybody; a test holds that.
        found.next().or_else(|| self.0.keys().find(|variant| variant.purpose == purpose)).unwrap_or(&NOTHING)
    }

    /// Whether `variant` has a file in this notation.
    pub(super) fn has(&self, variant: &Variant, extension: &str) -> bool {
        self.0.get(variant).is_some_and(|sources| sources.contains_key(extension))
    }

    /// The file of `variant` in this notation, for people, and whether it is the shop's own.
    pub(super) fn place(&self, variant: &Variant, extension: &str) -> Option<(&str, bool)> {
        self.0.get(variant)?.get(extension).map(|source| (source.place.as_str(), source.own))
    }
}

static NOTHING: Variant = Variant { purpose: String::new(), channel: None, language: None };

/// The shop's own templates.
fn own(directory: &Path, channels: &[ChannelAddress]) -> Result<Vec<(Variant, Markup, Source)>, RenderError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |error| RenderError::Unreadable { path, error }
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable(directory))? {
        let path = entry.map_err(unreadable(directory))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with('.') {
            continue;
        }
        let (variant, markup) =
            Variant::of_file(&name, channels).map_err(|why| RenderError::Name { path: path.clone(), why })?;
        let text = fs::read_to_string(&path).map_err(unreadable(&path))?;
        found.push((variant, markup, Source { place: path.display().to_string(), text, own: true }));
    }
    Ok(found)
}
