//! The pages in a real Chromium, used as people use them.
//!
//! `tests/browser/driver` starts the driver. So these tests run where the environment names one, as in `.ci/run`;
//! elsewhere they say that they were left out. After each of them the console has said nothing, and nothing has left the
//! machine.

mod access;
mod accessibility;
mod chat;
mod chromium;
mod console;
mod driver;
mod keyboard;
mod messages;
mod network;
mod notes;
mod numbers;
mod phone;
mod reports;
mod strangers;
mod tables;
mod unsubscribe;
mod updates;
mod welcome;
