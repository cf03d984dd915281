//! Shows an operator what a message says, byte for byte as it goes over the wire.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::channel::Channel;
use crate::domain::{ChannelAddress, Message};
use crate::render::Renderer;
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
    match &history.capture {
        Some(bytes) => Preview { text: String::from_utf8_lossy(bytes).into_owned(), captured: true },
        None => Preview { text: compose(&history.message, renderer, channels), captured: false },
    }
}

fn compose(message: &Message, renderer: &Renderer, channels: &BTreeMap<ChannelAddress, Arc<dyn Channel>>) -> String {
    let Some(channel) = channels.get(&message.channel) else {
        return format!("(the channel {} is no longer configured)", message.channel);
    };
    let composed = renderer
        .render(message, &message.channel, channel.markup())
        .map_err(|error| error.to_string())
        .and_then(|rendered| channel.compose(&rendered));
    match composed {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(why) => format!("(it cannot be rendered: {why})"),
    }
}
