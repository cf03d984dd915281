//! Notes beside requests, which several people write.

use serde_json::json;

use crate::support::{ADMIN_TOKEN, TestApp};

use super::driver::visit;

/// Somebody else writes this note.
async fn write(app: &TestApp, id: &str, note: &str) {
    let bearer = format!("Bearer {ADMIN_TOKEN}");
    let body = json!({ "note": note }).to_string();
    let path = format!("/api/requests/{id}/note");
    assert_eq!(app.send("POST", &path, &[("Authorization", &bearer)], body.as_bytes()).await.status, 200);
}

#[tokio::test]
async fn who_writes_over_a_note_that_somebody_else_has_changed_is_shown_both_and_chooses() {
    let app = TestApp::start().await;
    app.catch_up();
    let id = app.ask("Sales", "How much?").await.json()["id"].as_str().unwrap().to_owned();
    let visited = visit(async |browser| {
        browser.sign_in(&app).await;
        browser.go(&format!("#/requests/{id}")).await;
        for (theirs, choice, kept) in [("Theirs", "Keep mine", "Mine"), ("Theirs again", "Take theirs", "Theirs again")]
        {
            browser.write("Note", "Mine").await;
            write(&app, &id, theirs).await;
            browser.click("button", "Save the note").await;
            browser.see("Somebody has changed the note meanwhile").await;
            browser
                .until(
                    "document.querySelector('[role=status] blockquote')?.textContent === wanted[0]",
                    &[json!(theirs)],
                )
                .await;
            browser.click("button", choice).await;
            browser.see_no_more("Somebody has changed the note meanwhile").await;
            browser.until("find('field', 'Note').value === wanted[0]", &[json!(kept)]).await;
            assert_eq!(app.items("/api/requests").await[0]["note"], kept);
        }
    })
    .await;
    if let Some(mut visited) = visited {
        visited.said.retain(|line| !line.contains("the server responded with a status of 409"));
        visited.judge();
    }
}
