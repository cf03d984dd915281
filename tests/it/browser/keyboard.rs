//! The console without a mouse.

use fantoccini::key::Key;

use crate::support::{ADMIN_TOKEN, TestApp};

use super::driver::{Browser, browse};

impl Browser {
    /// Goes on by the keyboard until something of this role and name has the focus.
    async fn tab_to(&self, role: &str, name: &str) {
        self.tab_until(async |found, called| found == role && called == name).await;
    }

    /// Goes on by the keyboard until a link in the row in which this stands has the focus.
    async fn tab_to_row(&self, text: &str) {
        let in_row = "return plain(document.activeElement.closest('tr, [role=row], li, article')?.innerText).includes(plain(arguments[0]))";
        self.tab_until(async |found, _| found == "link" && self.look(in_row, &[text.into()]).await == true).await;
    }

    /// Every stop on the way says what it is, and the one that is looked for can be seen to have the focus.
    async fn tab_until(&self, there: impl AsyncFn(&str, &str) -> bool) {
        let mut passed = Vec::new();
        for _ in 0..80 {
            self.press(Key::Tab).await;
            let (role, name) = self.focus().await;
            if there(&role, &name).await {
                self.until("document.activeElement.matches(':focus-visible')", &[]).await;
                return;
            }
            let at_the_end = self.look("return document.activeElement === document.body", &[]).await == true;
            assert!(at_the_end || !name.is_empty(), "a {role} without a name takes the focus after {passed:?}");
            passed.push(format!("{role} {name}"));
        }
        panic!("not on the way: {passed:#?}")
    }
}

#[tokio::test]
async fn everything_from_the_login_to_an_action_is_done_with_the_keyboard_alone() {
    let app = TestApp::start().await;
    app.catch_up();
    app.register("Ana Ruíz", "ana@example.com").await;
    browse(async |browser| {
        browser.open(&format!("http://{}/admin", app.address)).await;
        browser.find("field", "token").await;
        // The page puts the focus where one begins.
        assert_eq!(browser.focus().await.0, "textbox");
        browser.type_text(ADMIN_TOKEN).await;
        browser.press(Key::Enter).await;
        browser.see("Sign out").await;
        browser.settle().await;

        browser.tab_to("link", "Messages").await;
        browser.press(Key::Enter).await;
        browser.settle().await;
        browser.see("Ana Ruíz").await;
        browser.tab_to_row("Ana Ruíz").await;
        browser.press(Key::Enter).await;
        browser.find("button", "Cancel").await;
        browser.tab_to("button", "Cancel").await;
        browser.press(Key::Enter).await;
        browser.see("cancelled").await;
        assert_eq!(app.items("/api/messages").await[0]["state"], "cancelled");
        // Whoever listens hears what happened and is not thrown back to the start.
        assert_ne!(browser.look("return document.activeElement.tagName", &[]).await, "BODY");
    })
    .await;
}
