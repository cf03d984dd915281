//! What a request is about, as a chat button says it.

use serde::{Deserialize, Deserializer};

use super::text::fold;
use super::{one_line, truncate};

/// Longest topic we keep, in characters: it is a button's label.
const LONGEST: usize = 100;

/// A topic as it came: `💶 Precios`. Compare topics by their [`key`](Topic::key).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topic(String);

impl Topic {
    /// Takes any text, on one line and at most 100 characters of it.
    pub fn new(text: &str) -> Self {
        Self(truncate(&one_line(text), LONGEST).text.trim_end().to_owned())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What counts when topics are compared.
    pub fn key(&self) -> TopicKey {
        TopicKey::new(&self.0)
    }
}

impl<'de> Deserialize<'de> for Topic {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::new(&String::deserialize(deserializer)?))
    }
}

/// A topic without case, accents, emoji and punctuation: `precios`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TopicKey(String);

impl TopicKey {
    fn new(text: &str) -> Self {
        let letters: String = fold(text).map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect();
        let key = letters.split_whitespace().collect::<Vec<_>>().join(" ");
        // A label of nothing but emoji is compared as it is.
        Self(if key.is_empty() { text.trim().to_owned() } else { key })
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_accents_emoji_and_punctuation_do_not_count() {
        let key = |text: &str| Topic::new(text).key();
        for same in ["Facturación", "facturacion", " 🧾 FACTURACIÓN! ", "Facturacio\u{301}n"] {
            assert_eq!(key(same), key("facturacion"), "{same}");
        }
        assert_eq!(key("Ventas – precios"), key("ventas/precios"));
        assert_ne!(key("Sales"), key("Pricing"));
    }

    #[test]
    fn a_topic_that_was_cut_behind_a_word_reads_as_itself() {
        let topic = Topic::new(&format!("{} cut", "a".repeat(99)));
        assert_eq!(topic.as_str(), "a".repeat(99));
        assert_eq!(Topic::new(topic.as_str()), topic);
    }

    #[test]
    fn a_label_of_emoji_alone_is_still_a_topic() {
        assert_eq!(Topic::new(" 💶 ").key().as_str(), "💶");
        assert_ne!(Topic::new("💶").key(), Topic::new("🧾").key());
        assert_eq!(Topic::new("  ").key().as_str(), "");
    }
}
