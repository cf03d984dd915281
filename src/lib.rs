//! umishop registers the customers that a chatbot brings, welcomes them by mail, and carries their questions to the
//! channel of their topic; it loses nothing on the way.
//!
//! The modules in the order a request meets them: [`http`] takes it in, [`intake`] reads it, [`domain`] decides,
//! [`store`] keeps it, [`wake`] nudges the [`relay`], [`render`] finds the words, and a [`channel`] carries them.
//! [`config`] says how, [`housekeeping`] tidies up and makes [`backups`], [`alerts`] tell the operator what is wrong, [`reports`] the product department where customers came from,
//! [`clock`] tells the time, [`conditions`] how each channel is doing, [`changes`] what has changed, [`metrics`] count
//! what happens, [`preview`] shows an operator what was said, a [`trial`] tries a channel, [`landbot`] says what to paste
//! there, [`sheet`] writes tables, [`doctor`] says whether all is well, [`demo`] makes a year up, [`crash`] lets the
//! campaign end it anywhere. [`app`] puts all of it together, and [`cli`] is the way in.

pub mod alerts;
pub mod app;
pub mod backups;
pub mod changes;
pub mod channel;
pub mod cli;
pub mod clock;
pub mod conditions;
pub mod config;
mod crash;
pub mod demo;
pub mod doctor;
pub mod domain;
pub mod housekeeping;
pub mod http;
pub mod intake;
pub mod landbot;
pub mod metrics;
pub mod preview;
pub mod relay;
pub mod render;
pub mod reports;
pub mod sheet;
pub mod store;
pub mod trial;
pub mod wake;
