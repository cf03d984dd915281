//! Shows an operator what a message says, byte for byte as it goes over the wire.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::channel::Channel;
use crate::domain::{
    About, ChannelAddress, Context, Markup, MessageId, Picture, Purpose, Rendered, Report, ReportPeriod,
};
use crate::render::{Draft, Renderer};
use crate::store::MessageHistory;

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// The text on the wire, credentials left out; else, in parentheses, why there is none.
    pub text: String,
    /// Whether the sandbox kept it; else it is as it would be sent now.
    pub captured: bool,
    /// Its parts, as they would be now; `None`: it cannot be put into words now.
    pub words: Option<Words>,
}

/// The parts of what a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// One line of plain text.
    pub subject: String,
    /// The text without any notation.
    pub text: String,
    /// The same as HTML, if the channel shows that.
    pub html: Option<String>,
    /// Whether what the sandbox kept says the same; also when it kept nothing.
    pub current: bool,
}

impl Words {
    fn of(rendered: &Rendered, shows_html: bool, current: bool) -> Self {
        Self {
            subject: rendered.subject.clone(),
            text: rendered.text.clone(),
            html: shows_html.then(|| with_picture(rendered)),
            current,
        }
    }
}

/// The HTML, its picture within it: a page cannot look for that beside it, as a mail program does (RFC 2397).
fn with_picture(rendered: &Rendered) -> String {
    match &rendered.picture {
        None => rendered.rich.clone(),
        Some(Picture { content_id, bytes }) => {
            let data = format!("data:image/png;base64,{}", STANDARD.encode(bytes));
            rendered.rich.replace(&format!("cid:{content_id}"), &data)
        }
    }
}

/// What `history`'s message says: what the sandbox kept, else what its channel would send now.
pub fn preview(
    history: &MessageHistory,
    renderer: &Renderer,
    channels: &BTreeMap<ChannelAddress, Arc<dyn Channel>>,
) -> Preview {
    let (address, capture) = (&history.message.channel, history.capture.as_ref());
    let channel = channels.get(address);
    let composed = match channel.map(|channel| compose(&history.message, renderer, address, &**channel)) {
        None => Err(format!("(the channel {address} is no longer configured)")),
        Some(Err(why)) => Err(format!("(it cannot be rendered: {why})")),
        Some(Ok(composed)) => Ok(composed),
    };
    let words = composed.as_ref().ok().map(|(rendered, bytes)| {
        let shows_html = channel.is_some_and(|channel| channel.markup() == Markup::Html);
        Words::of(rendered, shows_html, capture.is_none_or(|kept| kept == bytes))
    });
    let text = match (capture, composed) {
        (Some(kept), _) => String::from_utf8_lossy(kept).into_owned(),
        (None, Ok((_, bytes))) => String::from_utf8_lossy(&bytes).into_owned(),
        (None, Err(why)) => why,
    };
    Preview { text, captured: capture.is_some(), words }
}

/// The parts of what `report` about that period would say over a channel, and what would go over the wire, credentials left
/// out; else why there are none.
pub fn report(
    report: Report,
    period: &ReportPeriod,
    renderer: &Renderer,
    address: &ChannelAddress,
    channel: &dyn Channel,
) -> Result<(Words, String), String> {
    let context = Context { report: Some(Box::new(report)), ..Context::default() };
    // Of no message, so that it stays the same while the numbers do.
    let (id, created_at) = (MessageId::from_bytes([0; 16]), period.to);
    let draft = Draft { id, created_at, purpose: Purpose::Report, about: About::default(), context: &context };
    let (message, bytes) = compose(draft, renderer, address, channel)?;
    let words = Words::of(&message, channel.markup() == Markup::Html, true);
    Ok((words, String::from_utf8_lossy(&bytes).into_owned()))
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
