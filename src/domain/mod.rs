//! What umishop is about, free of the web, the database and the clock.
//!
//! Everything here is a value or a pure function: who a customer is and where they came from, which route a
//! request takes, what a message may become, when to try again. Nothing here reads a clock, rolls dice or does
//! I/O; time and chance come in as arguments. The module imports no other module of the crate.

mod access;
mod attribution;
mod channel_address;
mod clues;
mod condition;
mod context;
mod email_address;
mod id;
mod language;
mod link;
mod message;
mod origin;
mod outcome;
mod phone;
mod rate;
mod reach;
mod rendered;
mod report;
mod report_calendar;
mod request;
mod retry;
mod routing;
mod rules;
mod suppression;
mod text;
mod time;
mod timeline;
mod topic;
mod transition;
mod user;
mod words;

pub use access::{Actor, ActorError, AuditEntry, Role, SecretHash};
pub use attribution::{Attributed, Attribution, CreditedTouch, Dimension, OriginRules, UnknownDimension, UnknownTouch};
pub use channel_address::{ChannelAddress, ChannelAddressError};
pub use clues::Clues;
pub use condition::{Aspect, Condition, Pattern, Told};
pub use context::{About, Context};
pub use email_address::{EmailAddress, EmailAddressError, Mailbox, MailboxError};
pub use id::{AuditId, BootId, CallId, IdError, InboxId, MessageId, RequestId, TokenId, UserId};
pub use language::{is_language, language_of, languages_for};
pub use link::{Link, LinkKey};
pub use message::{Attempt, Claim, Message, NewMessage, Purpose, Settlement, State};
pub use origin::Origin;
pub use outcome::{OnUnknown, Outcome, Scope};
pub use phone::{Country, Phone};
pub use rate::{Bucket, Rate, RateError};
pub use rendered::{Markup, Picture, Rendered};
pub use report::{Report, ReportPart, ReportRow};
pub use report_calendar::{Cadence, ReportCalendar, ReportPeriod};
pub use request::{
    Fingerprint, Follower, NewRequest, REPEAT_WINDOW, Request, RequestChange, RequestChangeError, RequestEdit,
    RequestField, RequestState,
};
pub use retry::{LONGEST_RETRY_AFTER, RetrySchedule, RetryScheduleError};
pub use routing::{Decision, Destination, Route, RoutingTable, Step, Verdict};
pub use rules::{ALERT_EXPIRES, Fallback, POISON_AFTER, Rules, SUSPECT_AFTER, wait_after_crash};
pub use suppression::{ErasureKey, Suppression, SuppressionCause};
pub use text::{Truncated, mask_addresses, one_line, truncate};
pub use time::Timestamp;
pub use timeline::{Bucketing, Timeline, TimelineError, Today};
pub use topic::{Topic, TopicKey};
pub use transition::Transition;
pub use user::{Contact, ContactField, NewUser, User};
pub use words::UnknownWord;
