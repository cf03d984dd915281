//! The console as an operator enters it and goes through it.

use fantoccini::key::Key;
use serde_json::Value;

use crate::support::{ADMIN_TOKEN, TestApp};

use super::driver::Browser;

impl Browser {
    /// Enters the console of this app as somebody who has the token.
    pub(super) async fn sign_in(&self, app: &TestApp) {
        self.sign_in_with(app, ADMIN_TOKEN).await;
    }

    pub(super) async fn sign_in_with(&self, app: &TestApp, token: &str) {
        self.open(&format!("http://{}/admin", app.address)).await;
        self.write("token", token).await;
        self.press(Key::Enter).await;
        self.until("!find('field', 'token')", &[]).await;
        self.settle().await;
    }

    /// Goes to a page of the console, as a link in it does: the document stays.
    pub(super) async fn go(&self, page: &str) {
        self.look("go(arguments[0])", &[page.into()]).await;
        self.settle().await;
    }

    /// Every page of the console: those of its navigation, and one of each kind that lists lead to.
    pub(super) async fn every_page(&self, app: &TestApp) -> Vec<String> {
        let sections =
            self.until("[...document.querySelectorAll('nav a[href^=\"#/\"]')].map((link) => link.hash)", &[]).await;
        let mut pages: Vec<String> = serde_json::from_value(sections).unwrap();
        // Filters lead to the same pages.
        pages.retain(|page| !page.contains('?'));
        assert!(pages.len() >= 3, "{pages:?}");
        pages.push("#/origins/reports".to_owned());
        for list in ["users", "messages", "requests"] {
            if pages.contains(&format!("#/{list}")) {
                let first = app.items(&format!("/api/{list}")).await.remove(0);
                pages.push(format!("#/{list}/{}", id(&first)));
            }
        }
        pages
    }
}

pub(super) fn id(item: &Value) -> &str {
    item["id"].as_str().unwrap()
}
