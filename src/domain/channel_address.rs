//! The name a channel goes by: `kind.name`, as in `slack.pricing`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text is not a channel's address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a channel: write `kind.name`, as in `email.sales` for the table [channels.email.sales]")]
pub struct ChannelAddressError(String);

/// Where a message goes: the table `[channels.<kind>.<name>]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelAddress {
    text: String,
    dot: usize,
}

impl ChannelAddress {
    /// The code behind the channel: `slack` of `slack.pricing`.
    pub fn kind(&self) -> &str {
        &self.text[..self.dot]
    }

    /// What the shop calls it: `pricing` of `slack.pricing`.
    pub fn name(&self) -> &str {
        &self.text[self.dot + 1..]
    }

    /// Both, with the dot.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for ChannelAddress {
    type Err = ChannelAddressError;

    fn from_str(text: &str) -> Result<Self, ChannelAddressError> {
        let plain =
            |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        match text.split_once('.') {
            Some((kind, name)) if plain(kind) && plain(name) && text.len() <= 100 => {
                Ok(Self { text: text.to_owned(), dot: kind.len() })
            }
            _ => Err(ChannelAddressError(super::truncate(text, 60).text.to_owned())),
        }
    }
}

impl fmt::Display for ChannelAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for ChannelAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for ChannelAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_kind_and_a_name() {
        let address: ChannelAddress = "slack.pricing".parse().unwrap();
        assert_eq!((address.kind(), address.name(), address.as_str()), ("slack", "pricing", "slack.pricing"));
        for bad in ["", "slack", "slack.", ".x", "a.b.c", "slack.pri cing"] {
            assert!(bad.parse::<ChannelAddress>().is_err(), "{bad}");
        }
    }
}
