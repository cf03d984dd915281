//! Numbers, and the rows that they lead to.

use std::time::Duration;

use serde_json::{Value, json};
use umishop::clock::Clock;

use crate::sinks::HttpSink;
use crate::support::TestApp;

use super::driver::browse;

const DAY: Duration = Duration::from_hours(24);

/// Where each number of the page leads to, and the number.
const NUMBERS: &str = "
const shown = (link) => (link.querySelector('b') ?? link).textContent.match(/[\\d,]+/)?.[0].replaceAll(',', '');
const links = [...document.querySelectorAll('main a')].filter(visible);
const counting = links.filter((link) => /^#\\/(users|requests|messages)\\?/.test(link.hash));
return counting.map((link) => [link.hash, Number(shown(link))]);";

/// How many rows the page's list has.
const ROWS: &str = "return [...document.querySelectorAll('main tbody tr')].filter(visible).length";

/// A shop of two days: what was asked yesterday was partly delivered or given up then, partly today.
async fn two_days(sink: &HttpSink) -> TestApp {
    let channel = |name: &str, url: &str| {
        format!("[channels.http.{name}]\nurl = \"{url}\"\nprivate_networks = [\"127.0.0.1\"]\n")
    };
    let channels = [channel("shop", &sink.url("/hook")), channel("gone", &sink.url("/s/422"))].concat();
    let app = TestApp::start_live(&format!(
        "[welcome]\nchannel = \"\"\n{channels}[[routes]]\ntopic = \"Gone\"\nchannels = [\"http.gone\"]\n\
         [[routes]]\ntopic = \"Sales\"\naliases = [\"ventas\"]\nchannels = [\"http.shop\"]\n\
         [[routes]]\nchannels = [\"http.shop\"]\n"
    ))
    .await;
    app.set_clock(Clock::system().now().before(DAY));
    visit(&app, "eva", "google").await;
    app.ask("Sales", "Delivered yesterday?").await;
    app.ask("Gone", "Given up yesterday?").await;
    app.deliver_due().await;
    app.ask("ventas", "Delivered today?").await;
    app.ask("Gone", "Given up today?").await;
    app.advance(DAY).await;
    visit(&app, "leo", "newsletter").await;
    app.ask("Sales", "Not delivered yet?").await;
    // A period that is running ends now, and does not hold what comes now.
    app.pass(Duration::from_secs(1));
    app
}

async fn visit(app: &TestApp, name: &str, source: &str) {
    let body = json!({ "name": name, "email": format!("{name}@example.com"), "utm_source": source });
    assert_eq!(app.post("/umishop_api/user", &body).await.status, 200);
}

#[tokio::test]
async fn every_number_leads_to_as_many_rows_as_it_says() {
    let sink = HttpSink::start().await;
    let app = two_days(&sink).await;
    browse(async |browser| {
        browser.sign_in(&app).await;
        for (page, least) in [("#/", 10), ("#/origins", 6), ("#/origins?by=medium&source=google", 2)] {
            browser.go(page).await;
            let numbers = browser.look(NUMBERS, &[]).await;
            let numbers = numbers.as_array().unwrap();
            assert!(numbers.len() >= least, "{page}: {numbers:?}");
            for number in numbers {
                let (list, said) = (number[0].as_str().unwrap(), &number[1]);
                browser.go(list).await;
                let rows: Value = browser.look(ROWS, &[]).await;
                assert_eq!(&rows, said, "{page} leads to {list}");
            }
        }
    })
    .await;
}
