//! One test message over a channel: what `umishop send-test` and the console's test send.
//!
//! It goes past the outbox. Whoever tries a channel wants to read its answer at once, and nobody waits for the message.

use crate::channel::Channel;
use crate::clock::Clock;
use crate::domain::{About, ChannelAddress, ContactField, Context, EmailAddress, MessageId, Purpose, Rendered};
use crate::preview;
use crate::render::{Draft, Renderer};

/// A test message, ready to be delivered.
#[derive(Clone, Debug)]
pub struct Trial {
    /// What is handed to the channel.
    pub message: Rendered,
    /// The bytes that go over the wire, credentials left out.
    pub composed: Vec<u8>,
}

impl Trial {
    /// A test message over `channel`, for a customer who is reached at `to`; without it, for the channel's own address.
    /// The error says why there is none.
    pub fn new(
        renderer: &Renderer,
        address: &ChannelAddress,
        channel: &dyn Channel,
        to: Option<&str>,
        clock: &Clock,
    ) -> Result<Self, String> {
        let context = match to {
            Some(to) => customer_at(to, address, channel.writes_to())?,
            None => Context::default(),
        };
        let (now, about) = (clock.now(), About::default());
        let draft =
            Draft { id: MessageId::new(now), created_at: now, purpose: Purpose::Test, about, context: &context };
        let (message, composed) = preview::compose(draft, renderer, address, channel)?;
        Ok(Self { message, composed })
    }
}

/// A customer who is reached at `to`.
fn customer_at(to: &str, channel: &ChannelAddress, field: Option<ContactField>) -> Result<Context, String> {
    let field = field.ok_or_else(|| format!("{channel} does not write to customers: leave the address out"))?;
    let mut context = Context::default();
    match field {
        ContactField::Email => {
            context.email = Some(EmailAddress::parse(to).map_err(|error| format!("{to}: {error}"))?);
        }
        ContactField::Phone => to.clone_into(&mut context.phone),
        ContactField::LandbotCustomerId => to.clone_into(&mut context.landbot_customer_id),
    }
    match context.address(field) {
        Some(_) => Ok(context),
        None => Err(format!("{to} is no {}: write something like {}", field.description(), example(field))),
    }
}

/// What an address of this sort looks like.
pub const fn example(field: ContactField) -> &'static str {
    match field {
        ContactField::Email => "name@example.com",
        ContactField::Phone => "+34600123456",
        ContactField::LandbotCustomerId => "123456789",
    }
}
