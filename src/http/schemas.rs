//! Texts as the API's description shows them: an id is no mere string, and null is said to be possible.
//!
//! A parameter of these types takes any text; the handler reads it, so that its answer says what is wrong with it.

use std::borrow::Cow;
use std::ops::Deref;

use poem_openapi::registry::{MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::{ParseError, ParseFromJSON, ParseFromParameter, ParseResult, ToJSON, Type};
use serde_json::Value;

use crate::domain::{Cadence, Dimension, Purpose, RequestState, State};

/// The words of [`CreditedTouch`](crate::domain::CreditedTouch), and none.
const TOUCHES: [&str; 3] = ["", "first", "last"];

/// The words of [`Bucketing`](crate::domain::Bucketing), and none.
const BUCKETS: [&str; 6] = ["", "none", "hour", "day", "week", "month"];

/// A value, or null. Always there, where the framework's `Option` would be described as one that may be left out.
#[derive(Debug)]
pub(super) struct OrNull<T>(Option<T>);

impl<T> From<Option<T>> for OrNull<T> {
    fn from(value: Option<T>) -> Self {
        Self(value)
    }
}

impl<T: Type> Type for OrNull<T> {
    const IS_REQUIRED: bool = true;

    type RawValueType = T::RawValueType;
    type RawElementValueType = T::RawElementValueType;

    fn name() -> Cow<'static, str> {
        format!("{}_or_null", T::name()).into()
    }

    fn schema_ref() -> MetaSchemaRef {
        let schema = match T::schema_ref() {
            MetaSchemaRef::Inline(schema) => *schema,
            reference @ MetaSchemaRef::Reference(_) => {
                MetaSchema { all_of: vec![reference], ..MetaSchema::new("object") }
            }
        };
        MetaSchemaRef::Inline(Box::new(MetaSchema { nullable: true, ..schema }))
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn as_raw_value(&self) -> Option<&Self::RawValueType> {
        self.0.as_raw_value()
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self::RawElementValueType> + 'a> {
        self.0.raw_element_iter()
    }
}

impl<T: ToJSON> ToJSON for OrNull<T> {
    fn to_json(&self) -> Option<Value> {
        Some(self.0.to_json().unwrap_or_default())
    }
}

impl<T: ParseFromJSON> ParseFromJSON for OrNull<T> {
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
    /// A request's state.
    RequestStateText,
    "string_request_state",
    one_of(RequestState::ALL.iter().map(|state| state.as_str()))
);

parameter!(
    /// A message's purpose.
    PurposeText,
    "string_purpose",
    one_of(Purpose::ALL.iter().map(|purpose| purpose.as_str()))
);

parameter!(
    /// What a row of the ledger stands for; empty: not told.
    DimensionText,
    "string_dimension",
    one_of(std::iter::once("").chain(Dimension::ALL.iter().map(|dimension| dimension.as_str())))
);

parameter!(
    /// Which visit is credited; empty: not told.
    TouchText,
    "string_touch",
    one_of(TOUCHES.into_iter())
);

parameter!(
    /// How a period is cut; empty: not told.
    BucketText,
    "string_bucket",
    one_of(BUCKETS.into_iter())
);

parameter!(
    /// How often a report comes.
    CadenceText,
    "string_cadence",
    one_of(Cadence::ALL.iter().map(|cadence| cadence.as_str()))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Bucketing, CreditedTouch};

    #[test]
    fn every_word_that_is_described_means_something() {
        for word in &TOUCHES[1..] {
            assert_eq!(word.parse::<CreditedTouch>().unwrap().to_string(), *word);
        }
        for word in &BUCKETS[1..] {
            assert_eq!(word.parse::<Bucketing>().unwrap().to_string(), *word);
        }
    }
}
