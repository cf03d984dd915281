//! Texts as the API's description shows them: an id is no mere string, and null is said to be possible.
//!
//! A parameter of these types takes any text; the handler reads it, so that its answer says what is wrong with it.

use std::borrow::Cow;
use std::ops::Deref;

use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{ParseError, ParseFromJSON, ParseFromParameter, ParseResult, ToJSON, Type};
use serde_json::Value;

use crate::domain::{Purpose, State};

/// A text, or null. Always there.
#[derive(Debug)]
pub(super) struct TextOrNull(Option<String>);

impl From<Option<String>> for TextOrNull {
    fn from(text: Option<String>) -> Self {
        Self(text)
    }
}

impl Type for TextOrNull {
    const IS_REQUIRED: bool = true;

    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "string_or_null".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema { nullable: true, ..MetaSchema::new("string") }))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(self.as_raw_value().into_iter())
    }
}

impl ToJSON for TextOrNull {
    fn to_json(&self) -> Option<Value> {
        Some(self.0.clone().map_or(Value::Null, Value::String))
    }
}

impl ParseFromJSON for TextOrNull {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        Option::parse_from_json(value).map(Self).map_err(ParseError::propagate)
    }
}

macro_rules! parameter {
    ($(#[$doc:meta])* $name:ident, $type_name:literal, $schema:expr) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(super) struct $name(String);

        impl Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl Type for $name {
            const IS_REQUIRED: bool = true;

            type RawValueType = Self;
            type RawElementValueType = Self;

            fn name() -> Cow<'static, str> {
                $type_name.into()
            }

            fn schema_ref() -> MetaSchemaRef {
                MetaSchemaRef::Inline(Box::new($schema))
            }

            fn as_raw_value(&self) -> Option<&Self> {
                Some(self)
            }

            fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
                Box::new(self.as_raw_value().into_iter())
            }
        }

        impl ParseFromParameter for $name {
            fn parse_from_parameter(text: &str) -> ParseResult<Self> {
                Ok(Self(text.to_owned()))
            }
        }
    };
}

parameter!(
    /// An id.
    IdText,
    "string_id",
    MetaSchema::new_with_format("string", "uuid")
);

parameter!(
    /// A mail address.
    AddressText,
    "string_address",
    MetaSchema::new_with_format("string", "email")
);

parameter!(
    /// How many entries of a list: any whole number, for what is too much is cut to what is not.
    LimitText,
    "integer_limit",
    MetaSchema { minimum: Some(0.0), ..MetaSchema::new("integer") }
);

parameter!(
    /// A message's state.
    StateText,
    "string_state",
    one_of(State::ALL.iter().map(|state| state.as_str()))
);

parameter!(
    /// A message's purpose.
    PurposeText,
    "string_purpose",
    one_of(Purpose::ALL.iter().map(|purpose| purpose.as_str()))
);

parameter!(
    /// A channel's address.
    ChannelText,
    "string_channel",
    MetaSchema {
        pattern: Some(r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$".to_owned()),
        max_length: Some(100),
        ..MetaSchema::new("string")
    }
);

fn one_of(words: impl Iterator<Item = &'static str>) -> MetaSchema {
    MetaSchema { enum_items: words.map(Value::from).collect(), ..MetaSchema::new("string") }
}
