//! The sandbox's stand-in for any channel: keeps the exact bytes that would have been sent, and sends nothing.

use std::sync::Arc;

use async_trait::async_trait;

use super::Channel;
use crate::domain::{ContactField, Markup, Outcome, Rendered, Scope};

/// Wraps a channel so that nothing leaves this machine.
pub struct Capture(Arc<dyn Channel>);

impl Capture {
    /// Stands in for `channel`.
    pub fn new(channel: Arc<dyn Channel>) -> Self {
        Self(channel)
    }
}

#[async_trait]
impl Channel for Capture {
    fn markup(&self) -> Markup {
        self.0.markup()
    }

    fn has_own_address(&self) -> bool {
        self.0.has_own_address()
    }

    fn writes_to(&self) -> Option<ContactField> {
        self.0.writes_to()
    }

    fn keeps_threads(&self) -> bool {
        self.0.keeps_threads()
    }

    fn follows(&self) -> bool {
        self.0.follows()
    }

    fn compose(&self, message: &Rendered) -> Result<Vec<u8>, String> {
        self.0.compose(message)
    }

    async fn deliver(&self, message: &Rendered) -> Outcome {
        match self.0.compose(message) {
            Ok(bytes) => Outcome::Delivered { reference: "captured".to_owned(), capture: Some(bytes) },
            Err(why) => Outcome::dead(Scope::Message, why, ""),
        }
    }
}
