//! What a body says, before anybody asks what it means: a small tree.
//!
//! Not `serde_json::Value`, for three reasons: the entries of an object keep their order and their repetitions (the last
//! one that is not missing counts, and only whoever reads it can tell), nesting ends at [`DEEPEST`], and secrets are left
//! out on the way in, so that nothing behind this point can keep or show one.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Serialize, Serializer};

use super::aliases::snake_case;

/// How many objects and lists may lie in one another.
const DEEPEST: usize = 32;

/// The entries of an object, in order.
pub(super) type Entries = Vec<(String, Value)>;

/// One value of a body.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
    List(Vec<Value>),
    Object(Entries),
}

impl Value {
    /// Reads JSON; the error says where it ends being JSON and never quotes it.
    pub(super) fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        let mut json = serde_json::Deserializer::from_str(text);
        let value = Nested { levels: DEEPEST }.deserialize(&mut json)?;
        json.end().map(|()| value)
    }

    /// Its entry of that name, when it is an object that has one.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(entries) = self else { return None };
        entries.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Whether it is an object, or a list with one or with another list in it: more than any single field of ours says.
    pub(super) fn is_composite(&self) -> bool {
        match self {
            Self::Object(_) => true,
            Self::List(values) => values.iter().any(|value| matches!(value, Self::List(_) | Self::Object(_))),
            _ => false,
        }
    }

    /// Its text, when it is one.
    pub(super) fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

/// Adds an entry, unless its name says that it is a secret.
pub(super) fn add(entries: &mut Entries, key: String, value: Value) {
    if !is_secret(&snake_case(&key)) {
        entries.push((key, value));
    }
}

/// Whether a name, in snake case, says that what it names is a secret.
pub(super) fn is_secret(name: &str) -> bool {
    const SECRETS: [&str; 5] = ["secret", "token", "password", "apikey", "authorization"];
    // By the end of a word: `accessToken`, `user_token`, `usertoken`, but not `secretaria`.
    let name = name.replace("api_key", "apikey");
    name.split('_').any(|word| SECRETS.iter().any(|secret| word.ends_with(secret)))
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(value) => value.serialize(serializer),
            Self::Text(value) => serializer.serialize_str(value),
            Self::List(values) => serializer.collect_seq(values),
            Self::Object(entries) => serializer.collect_map(entries.iter().map(|(key, value)| (key, value))),
        }
    }
}

/// Reads a value in which no more than `levels` objects and lists lie in one another.
#[derive(Clone, Copy)]
struct Nested {
    levels: usize,
}

impl Nested {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        match self.levels.checked_sub(1) {
            Some(levels) => Ok(Self { levels }),
            None => Err(E::custom(format_args!("more than {DEEPEST} levels deep"))),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Nested {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Nested {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(serde_json::Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = sequence.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Value::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut entries = Entries::new();
        while let Some(key) = map.next_key()? {
            add(&mut entries, key, map.next_value_seed(inner)?);
        }
        Ok(Value::Object(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compact(json: &str) -> String {
        serde_json::to_string(&Value::from_json(json).unwrap()).unwrap()
    }

    #[test]
    fn order_and_repetitions_stay_and_secrets_do_not() {
        assert_eq!(
            compact(r#"{"b": [1, 2.5, true, null], "a": "x", "b": ""}"#),
            r#"{"b":[1,2.5,true,null],"a":"x","b":""}"#
        );
        assert_eq!(
            compact(
                r#"{"agent": {"id": 7, "API-Key": "k", "accessToken": "t", "Password": "p"}, "x-umishop-secret": 1}"#
            ),
            r#"{"agent":{"id":7}}"#
        );
    }

    #[test]
    fn nesting_ends_at_32_levels_without_a_stack_overflow() {
        let nested = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        assert!(Value::from_json(&nested(32)).is_ok());
        for levels in [33, 100, 1_000_000] {
            let error = Value::from_json(&nested(levels)).unwrap_err().to_string();
            assert_eq!(error, "more than 32 levels deep at line 1 column 33");
        }
    }
}
