//! The program as its users meet it: real sockets, real databases, real servers that misbehave on request.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod access;
mod alerts;
mod attack;
mod backup;
mod channel_answers;
mod channel_contract;
mod chats;
mod client;
mod clock;
mod command_line;
mod crash;
mod customers;
mod delivery;
mod doctor;
mod every_kind;
mod faults;
mod follow_ups;
mod hostile;
mod http_kind;
mod laws;
mod ledger;
mod mail;
mod mail_answers;
mod mail_servers;
mod matrix_server;
mod messengers;
mod name_server;
mod observability;
mod operator;
mod outbox_model;
mod process;
mod requests;
mod retention;
mod rights;
mod routing;
mod sinks;
mod smtp_server;
mod store_contract;
mod support;
mod tidy;
mod trouble;
mod unsubscribe;
mod upgrade;
mod webhooks;
