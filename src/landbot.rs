//! What is to be typed or pasted into Landbot, filled in from the configuration.
//!
//! `umishop landbot` prints it, the console shows it. Every value in a body is quoted: an unset variable then leaves an
//! empty text instead of broken JSON.

/// Fields of where the customer came from, by Landbot's hidden fields of the same names.
const ORIGIN: &str = r#"  "landbot_customer_id": "@{id}",
  "chat_uuid": "@{umi_chat}",
  "channel": "web",
  "utm_source": "@{utm_source}",
  "utm_medium": "@{utm_medium}",
  "utm_campaign": "@{utm_campaign}",
  "utm_term": "@{utm_term}",
  "utm_content": "@{utm_content}",
  "gclid": "@{gclid}",
  "fbclid": "@{fbclid}",
  "ref": "@{ref}",
  "referrer": "@{page_referrer}",
  "landing_page": "@{landing_page}""#;

/// What to paste.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The address that Landbot reaches, without a slash at its end; `None`: it is not configured yet.
    pub public_url: Option<String>,
    /// What to write as the secret, or where it is to be found; `None`: the webhooks ask for none.
    pub secret: Option<String>,
    /// The labels of the buttons.
    pub topics: Vec<String>,
}

/// A Webhook block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// Which of the two.
    pub name: &'static str,
    /// Where it posts to.
    pub url: String,
    /// What it posts.
    pub body: String,
}

impl Setup {
    /// The two Webhook blocks: the one that registers the customer, and the one that carries the question.
    pub fn hooks(&self) -> [Hook; 2] {
        [
            Hook { name: "user", url: self.url("user"), body: user_body() },
            Hook { name: "topic", url: self.url("topic"), body: topic_body() },
        ]
    }

    /// The headers of both.
    pub fn headers(&self) -> Vec<(&'static str, &str)> {
        let mut headers = vec![("Content-Type", "application/json")];
        headers.extend(self.secret.as_deref().map(|secret| ("X-Umishop-Secret", secret)));
        headers
    }

    fn url(&self, hook: &str) -> String {
        format!("{}/umishop_api/{hook}", self.public_url.as_deref().unwrap_or("https://YOUR-PUBLIC-ADDRESS"))
    }

    /// A description of the whole bot, for Landbot's own assistant to build.
    pub fn prompt(&self) -> String {
        let headers: Vec<String> = self.headers().iter().map(|(name, value)| format!("   {name}: {value}")).collect();
        format!(
            r#"Build a chatbot for the online shop UmiShop.

1. Greet the visitor and ask for their name. Save it as @name.
2. Ask for their e-mail address with an e-mail question. Save it as @email.
3. Ask for their phone number with a phone question. Save it as @phone. Let them skip it.
4. Set the field @umi_chat to ${{chat_uuid}}.
5. Add a Webhook block: POST {user_url}
   with these headers:
{headers}
   and this custom body:
{user_body}
   Save from the answer: message as @umi_message, status as @umi_status, field as @umi_field.
   On 200, say @umi_message and go on. On 422, say @umi_message and go back to step 2.
   On anything else, apologise, say that we will get in touch by e-mail, and go on.
6. Ask "How can we help?" with buttons (not with a Yes/No question): {topics}. Save the choice as @topic.
7. Ask "What would you like to know?" Save it as @question.
8. Add a Webhook block: POST {topic_url}
   with the same headers and this custom body:
{topic_body}
   Save from the answer: message as @umi_message, status as @umi_status, field as @umi_field.
   On 200, say @umi_message. On 422, say @umi_message and go back to step 7.
   On anything else, apologise and give an e-mail address to write to.
9. Clear @topic and @question. Ask "Anything else?" with the buttons "Another question" (go to step 6) and
   "No, thank you" (say goodbye).

Do not use Code blocks. Read hidden fields of these names from the page's address: utm_source, utm_medium,
utm_campaign, utm_term, utm_content, gclid, fbclid, ref."#,
            user_url = self.url("user"),
            topic_url = self.url("topic"),
            headers = headers.join("\n"),
            user_body = user_body(),
            topic_body = topic_body(),
            topics = self.topics.join(", "),
        )
    }
}

fn user_body() -> String {
    format!("{{\n  \"name\": \"@{{name}}\",\n  \"email\": \"@{{email}}\",\n  \"phone\": \"@{{phone}}\",\n{ORIGIN}\n}}")
}

fn topic_body() -> String {
    format!(
        "{{\n  \"topic\": \"@{{topic}}\",\n  \"question\": \"@{{question}}\",\n  \"name\": \"@{{name}}\",\n  \
         \"email\": \"@{{email}}\",\n  \"phone\": \"@{{phone}}\",\n{ORIGIN}\n}}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bodies_are_json_before_any_variable_is_filled_in() {
        for body in [user_body(), topic_body()] {
            let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&body).unwrap();
            assert!(fields.values().all(serde_json::Value::is_string));
        }
    }
}
