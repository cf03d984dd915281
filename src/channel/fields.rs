//! What a message fills into a text that its receiver keeps: a template, approved beforehand, in which only gaps are
//! left. WhatsApp takes no other from a business that was not written to within 24 hours.
//!
//! Sources: developers.facebook.com, WhatsApp Business Platform, "Template components" (a body holds 1,024 characters) and
//! "Error codes" (132000, 132005, 132012); a value with a line break, a tab or more than four spaces is refused, and so
//! is an empty one.

use serde::Deserialize;

use crate::domain::{EmailAddress, Rendered, one_line, truncate};

/// How many characters all values may have together: what the template says itself takes the rest of its 1,024.
const ROOM: usize = 800;

/// One of a message's fields.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Field {
    Name,
    Email,
    Phone,
    Topic,
    Question,
    Source,
    ChatUrl,
    Subject,
    Text,
}

impl Field {
    fn of(self, message: &Rendered) -> &str {
        let said = &message.context;
        match self {
            Self::Name => &said.name,
            Self::Email => said.email.as_ref().map(EmailAddress::as_str).unwrap_or_default(),
            Self::Phone => &said.phone,
            Self::Topic => &said.topic,
            Self::Question => &said.question,
            Self::Source => &said.source,
            Self::ChatUrl => message.chat_url.as_deref().unwrap_or_default(),
            Self::Subject => &message.subject,
            Self::Text => &message.text,
        }
    }
}

/// What leads somewhere is of no use once it is cut.
const fn is_whole_or_nothing(field: Field) -> bool {
    matches!(field, Field::Email | Field::Phone | Field::ChatUrl)
}

/// What stands in the gaps, in this order: each on one line, none empty, and the long ones cut so that all fit.
pub(super) fn fill(fields: &[Field], message: &Rendered) -> Vec<String> {
    let shown = |field: &Field| Some(one_line(field.of(message))).filter(|value| !value.is_empty());
    let values: Vec<String> = fields.iter().map(|field| shown(field).unwrap_or_else(|| "-".to_owned())).collect();
    let length = |value: &String| value.chars().count();
    let fair = ROOM / values.len().max(1);
    let (long, short): (Vec<usize>, Vec<usize>) = values.iter().map(length).partition(|length| *length > fair);
    let share = (ROOM - short.iter().sum::<usize>()) / long.len().max(1);
    let fitted = |(field, value): (&Field, String)| {
        if length(&value) <= share.max(fair) {
            value
        } else if is_whole_or_nothing(*field) {
            "-".to_owned()
        } else {
            format!("{}…", truncate(&value, share.saturating_sub(1)).text)
        }
    };
    fields.iter().zip(values).map(fitted).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{About, Context, MessageId, Purpose, Timestamp};

    /// A message with this subject, and this text for its question, too.
    pub(in crate::channel) fn saying(subject: &str, text: &str) -> Rendered {
        let created_at = Timestamp::from_millis(1_795_509_000_000);
        Rendered {
            id: MessageId::new(created_at),
            created_at,
            attempted_at: created_at,
            purpose: Purpose::Request,
            about: About::default(),
            subject: subject.into(),
            heading: subject.into(),
            text: text.into(),
            rich: String::new(),
            picture: None,
            chat_url: None,
            unsubscribe_url: None,
            thread: None,
            context: Context { question: text.into(), ..Context::default() },
        }
    }

    #[test]
    fn what_is_short_leaves_its_room_to_what_is_long() {
        let values = fill(&[Field::Name, Field::Subject, Field::Question], &saying("Pricing", &"a".repeat(1000)));
        assert_eq!((values[0].as_str(), values[1].as_str()), ("-", "Pricing"));
        assert_eq!(values[2], "a".repeat(791) + "…");
    }

    proptest! {
        #[test]
        fn what_fills_a_template_is_never_empty_broken_or_too_long(
            text in "[a-z🛒\t\n ]{0,2000}", subject in any::<String>()
        ) {
            let values = fill(&[Field::Name, Field::Question, Field::Subject, Field::Text], &saying(&subject, &text));
            for value in &values {
                let is_broken = value.contains(['\n', '\t', '\r']) || value.contains("    ");
                prop_assert!(!value.is_empty() && !is_broken, "{value:?}");
            }
            prop_assert!(values.iter().map(|value| value.chars().count()).sum::<usize>() <= ROOM);
        }
    }
}
