//! The rules of the configuration, each from a shop's file and environment to what comes of it.

use std::path::Path;
use std::time::Duration;

use secrecy::ExposeSecret as _;

use super::*;

mod channels;
mod layers;
mod mistakes;
mod rules;

/// What a live shop needs besides its changes.
const LIVE: &str = "sandbox = false\nserver.public_url = \"https://shop.test\"\nalerts.channels = [\"email.sales\"]\n[channels.email.welcome]\nfrom = \"Shop <hello@shop.test>\"\n";

/// The variables that the compiled-in file refers to.
const VARIABLES: [(&str, &str); 6] = [
    ("SENDGRID_EMAIL_HOST_USER", "apikey"),
    ("SENDGRID_EMAIL_HOST_PASSWORD", "hunter2"),
    ("EMAIL_SALES", "sales@shop.test"),
    ("SLACK_TOKEN", "xoxb-1"),
    ("SLACK_CHANNEL", "C1"),
    ("UMISHOP_SECRET", "s3cret"),
];

/// A directory with a shop's files.
struct Shop {
    directory: tempfile::TempDir,
    environment: Vec<(String, String)>,
}

impl Shop {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), environment: Vec::new() }
    }

    fn of(config: &str) -> Self {
        Self::new().file("config.toml", config)
    }

    fn file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.directory.path().join(name), text).unwrap();
        self
    }

    fn set(mut self, variables: &[(&str, &str)]) -> Self {
        self.environment.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self
    }

    fn load(&self) -> Result<Loaded, Problems> {
        load(&Sources {
            file: None,
            directory: self.directory.path().to_owned(),
            environment: self.environment.clone(),
        })
    }

    #[track_caller]
    fn loaded(&self) -> Loaded {
        self.load().unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// The problems, a line each, without the directory's name.
    #[track_caller]
    fn problems(&self) -> Vec<String> {
        let problems = self.load().err().expect("a problem");
        problems.0.iter().map(|problem| self.local(problem)).collect()
    }

    fn local(&self, text: &impl ToString) -> String {
        text.to_string().replace(&format!("{}/", self.directory.path().display()), "")
    }

    /// Asserts that there is exactly one problem and that it says this.
    #[track_caller]
    fn says(&self, text: &str) {
        let problems = self.problems();
        assert!(problems.len() == 1 && problems[0].contains(text), "expected {text:?}, found {problems:#?}");
    }
}

fn address(text: &str) -> ChannelAddress {
    text.parse().unwrap()
}
