//! What Linux says of this process. Elsewhere nobody is asked, and the figures are missing.

use std::fs;

use super::text::Page;

/// Writes the process's memory and open files down.
pub(super) fn write(page: &mut Page) {
    if let Some(bytes) = resident_bytes() {
        page.gauge("process_resident_memory_bytes", "Memory in use.").value(&[], bytes);
    }
    // One of them is the directory that is read here.
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        page.gauge("process_open_fds", "Open file descriptors.").value(&[], open.count().saturating_sub(1));
    }
}

/// From `status`, whose numbers are in KiB; those of `statm` are in pages of a size that it does not tell.
fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let kib: u64 =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}
