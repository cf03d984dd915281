//! `/metrics`: everything that is counted, and how things stand, for Prometheus.
//!
//! It tells how a shop's business goes, so it wants a token. Who asks from this machine is nobody special: a proxy in
//! front of umishop passes the whole world on from there.

use poem::web::Data;
use poem::{Request, Response, handler};

use super::{SharedWeb, Web, auth};
use crate::domain::ChannelAddress;
use crate::metrics::{CONTENT_TYPE, Page, SECONDS};
use crate::store::Backlog;

/// What is counted, for whoever may look at anything, or shows the token for metrics.
#[handler]
pub(super) async fn metrics(Data(web): Data<&SharedWeb>, request: &Request) -> poem::Result<Response> {
    auth::check_watcher(web, request).await?;
    let mut page = Page::default();
    let build = [("version", env!("CARGO_PKG_VERSION")), ("store", &web.store.figures().engine)];
    page.gauge("umishop_build_info", "What runs; always 1.").value(&build, 1);
    web.metrics.write(&mut page);
    let jumps = web.clock.jumps().borrow().count;
    page.counter("umishop_clock_jumps_total", "How often the machine's clock jumped.").value(&[], jumps);
    let help = "Consoles that follow what changes.";
    page.gauge("umishop_event_streams_open", help).value(&[], web.events.open());
    write_conditions(web, &mut page);
    write_outbox(web, &mut page).await;
    write_store(web, &mut page);
    Ok(Response::builder().content_type(CONTENT_TYPE).body(page.finish()))
}

fn write_conditions(web: &Web, page: &mut Page) {
    let mut family = page.gauge("umishop_channel_in_trouble", "1: nothing but a probe now and then is sent over it.");
    for (channel, condition) in web.conditions.all() {
        family.value(&[("channel", channel.as_str())], u8::from(condition.trouble.is_some()));
    }
    let mut family = page.gauge("umishop_channel_paused", "1: an operator paused it.");
    for (channel, condition) in web.conditions.all() {
        family.value(&[("channel", channel.as_str())], u8::from(condition.paused_at.is_some()));
    }
}

/// What the store must be read for. When it cannot be, all the rest is told.
async fn write_outbox(web: &Web, page: &mut Page) {
    let backlogs = web.store.backlogs().await;
    page.gauge("umishop_store_readable", "0: the store could not be read just now, and the outbox is missing here.")
        .value(&[], u8::from(backlogs.is_ok()));
    let mut backlogs = match backlogs {
        Ok(backlogs) => backlogs,
        Err(error) => {
            tracing::error!(%error, "The store did not say what waits in it");
            return;
        }
    };
    let quiet = |channel: &ChannelAddress| backlogs.iter().all(|backlog| backlog.channel != *channel);
    let quiet: Vec<_> =
        web.conditions.all().map(|(channel, _)| channel).filter(|channel| quiet(channel)).cloned().collect();
    backlogs.extend(quiet.into_iter().map(Backlog::empty));
    let mut family = page.gauge("umishop_outbox_messages", "Messages in the outbox, counted up to 10000.");
    for backlog in &backlogs {
        let counts = [
            ("pending", backlog.pending),
            ("sending", backlog.sending),
            ("held", backlog.held),
            ("dead", backlog.dead),
        ];
        for (state, count) in counts {
            family.value(&[("channel", backlog.channel.as_str()), ("state", state)], count);
        }
    }
    let now = web.clock.now();
    let mut family = page.gauge("umishop_oldest_due_age_seconds", "How late the longest due message is; 0: none is.");
    for backlog in &backlogs {
        let late = backlog.oldest_due.map_or(0.0, |due| now.since(due).as_secs_f64());
        family.value(&[("channel", backlog.channel.as_str())], late);
    }
}

fn write_store(web: &Web, page: &mut Page) {
    let (figures, files) = (web.store.figures(), web.store.files());
    page.gauge("umishop_store_queued_writes", "Writes that wait for their turn.").value(&[], figures.queued);
    page.histogram("umishop_store_batch_writes", "Writes that shared a commit.").distribution(
        &[],
        &figures.batches,
        1.0,
    );
    page.histogram("umishop_store_commit_seconds", "How long a commit took; most of it is the disk's sync.")
        .distribution(&[], &figures.commits, SECONDS);
    page.counter("umishop_store_failed_commits_total", "Commits that failed.").value(&[], figures.failed_commits);
    page.gauge("umishop_store_log_bytes", "Length of the write-ahead log.").value(&[], files.log);
    if let Some(free) = files.free {
        page.gauge("umishop_store_free_bytes", "Room on the store's disk.").value(&[], free);
    }
}
