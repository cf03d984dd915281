//! How an operator comes in.

use crate::process::Process;

use super::driver::browse;

#[tokio::test]
async fn the_link_of_the_first_start_opens_the_console() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("config.toml"), "[server]\nlisten = \"127.0.0.1:0\"\n").unwrap();
    let process = Process::start(directory.path());
    let link = process.banner.split_whitespace().find(|word| word.contains("/admin#")).unwrap();
    browse(async |browser| {
        browser.open(link).await;
        browser.see("Sign out").await;
        assert!(
            !browser.client.current_url().await.unwrap().as_str().contains("umi_"),
            "the secret stays in the address"
        );
    })
    .await;
}
