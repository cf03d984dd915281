//! What an operator does about messages.

use std::time::Duration;

use crate::sinks::{Entrance, SmtpSink};
use crate::support::TestApp;

use super::console::id;
use super::driver::browse;

/// A live app with one dead letter: the mail server does not know the customer. The sink, once mended, does.
async fn with_a_dead_letter() -> (TestApp, SmtpSink) {
    let sink = SmtpSink::start(Entrance::Plain).await;
    let config = format!(
        "[channels.email.welcome]\nserver = \"smtp://{}\"\nfrom = \"UmiShop <hello@shop.test>\"\n\
         [channels.email.sales]\nserver = \"smtp://{}\"\nfrom = \"UmiShop <hello@shop.test>\"\nto = \"sales@shop.test\"\n\
         [[routes]]\nchannels = [\"email.sales\"]\n",
        sink.address(),
        sink.address()
    );
    let app = TestApp::start_live(&config).await;
    app.catch_up();
    app.register("Ana", "perm550@example.com").await;
    app.advance(Duration::from_mins(1)).await;
    (app, sink)
}

#[tokio::test]
async fn a_dead_letter_is_retried_in_the_console_and_delivered() {
    let (app, sink) = with_a_dead_letter().await;
    browse(async |browser| {
        browser.sign_in(&app).await;
        browser.click("link", "Messages").await;
        browser.click("link", "dead").await;
        browser.click_row("no such user").await;
        browser.see("550 5.1.1 no such user").await;
        sink.mend();
        browser.click("button", "Retry").await;
        browser.see("It is pending again").await;
        assert_eq!(app.deliver_due().await, 1);
        browser.see("delivered").await;
        browser.see_no_more("It is pending again").await;
        let message = app.items("/api/messages").await.remove(0);
        assert!(browser.client.current_url().await.unwrap().as_str().ends_with(id(&message)));
        assert_eq!(sink.mails().len(), 1);
    })
    .await;
}
