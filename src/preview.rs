//! Shows an operator what a message says, byte for byte as it goes over the wire.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::channel::Channel;
use crate::domain::{ChannelAddress, Rendered};
use crate::render::{Draft, Renderer};
use crate::store::MessageHistory;

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// The text on the wire, credentials left out; else, in parentheses, why there is none.
    pub text: String,
    /// Whether the sandbox kept it; else it is as it would be sent now.
    pub captured: bool,
}

/// What `history`'s message says: what the sandbox kept, else what its channel would send now.
pub fn preview(
    history: &MessageHistory,
    renderer: &Renderer,
    channels: &BTreeMap<ChannelAddress, Arc<dyn Channel>>,
) -> Preview {
    if let Some(bytes) = &history.capture {
        return Preview { text: String::from_utf8_lossy(bytes).into_owned(), captured: true };
    }
    let address = &history.message.channel;
    let text = match channels.get(address).map(|channel| compose(&history.message, renderer, address, &**channel)) {
        None => format!("(the channel {address} is no longer configured)"),
        Some(Ok((_, bytes))) => String::from_utf8_lossy(&bytes).into_owned(),
        Some(Err(why)) => format!("(it cannot be rendered: {why})"),
    };
    Preview { text, captured: false }
}

/// A message's words, and the bytes that go over the wire with them, credentials left out; else why there are none.
pub fn compose<'a>(
    draft: impl Into<Draft<'a>>,
    renderer: &Renderer,
    address: &ChannelAddress,
    channel: &dyn Channel,
) -> Result<(Rendered, Vec<u8>), String> {
    let message = renderer.render(draft, address, channel.markup()).map_err(|error| error.to_string())?;
    let composed = channel.compose(&message)?;
    Ok((message, composed))
}
