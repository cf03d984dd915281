//! What a test does with a page, by role, name and text; and every wait has a limit.

use fantoccini::Locator;
use fantoccini::actions::{InputSource as _, KeyAction, KeyActions};
use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use fantoccini::key::Key;
use http::Method;
use serde_json::{Value, json};

use super::driver::{Browser, PATIENCE};

/// How often a page may change under a test's hands.
const CHANGES: usize = 20;

impl Browser {
    pub(super) async fn open(&self, address: &str) {
        self.client.goto(address).await.unwrap_or_else(|error| panic!("{address}: {error}"));
    }

    /// What a script gives that knows the functions of `look.js`.
    pub(super) async fn look(&self, script: &str, arguments: &[Value]) -> Value {
        self.try_look(script, arguments).await.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    async fn try_look(&self, script: &str, arguments: &[Value]) -> Result<Value, CmdError> {
        self.client.execute(&format!("{}\n{script}", include_str!("look.js")), arguments.to_vec()).await
    }

    /// What an expression gives, once it gives something that is true. It has its values as `wanted`.
    pub(super) async fn until(&self, expression: &str, wanted: &[Value]) -> Value {
        let script = format!("const wanted = [...arguments]; return eventually({PATIENCE}, () => {expression})");
        for _ in 0..CHANGES {
            match self.try_look(&script, wanted).await {
                Ok(found) if !found.is_null() => return found,
                Ok(_) => panic!("{PATIENCE} ms were not enough for {expression} of {wanted:?}"),
                Err(error) if went_away(&error) => {}
                Err(error) => panic!("{expression} of {wanted:?}: {error}"),
            }
        }
        panic!("the page keeps changing: {expression} of {wanted:?}")
    }

    /// Waits for somebody to be able to read this.
    pub(super) async fn see(&self, text: &str) {
        self.until("reads(wanted[0])", &[json!(text)]).await;
    }

    /// Waits until nobody can read this any more.
    pub(super) async fn see_no_more(&self, text: &str) {
        self.until("!reads(wanted[0])", &[json!(text)]).await;
    }

    /// Waits until the page has everything it asked the server for.
    pub(super) async fn settle(&self) {
        self.until("settled()", &[]).await;
    }

    /// Waits for something of this role and name.
    pub(super) async fn find(&self, role: &str, name: &str) -> Element {
        self.element("find(wanted[0], wanted[1])", &[json!(role), json!(name)]).await
    }

    async fn element(&self, expression: &str, wanted: &[Value]) -> Element {
        let found = self.until(expression, wanted).await;
        let reference: String = found.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned();
        Element::from_element_id(self.client.clone(), reference.into())
    }

    /// Clicks on something of this role and name.
    pub(super) async fn click(&self, role: &str, name: &str) {
        self.click_on("find(wanted[0], wanted[1])", &[json!(role), json!(name)]).await;
    }

    /// Follows the first row in which this stands.
    pub(super) async fn click_row(&self, text: &str) {
        self.click_on("findRow(wanted[0])", &[json!(text)]).await;
    }

    /// A live page may put a new element in place of the one that was found.
    async fn click_on(&self, expression: &str, wanted: &[Value]) {
        let mut last = None;
        for _ in 0..CHANGES {
            match self.element(expression, wanted).await.click().await {
                Ok(()) => return,
                Err(error) => last = Some(error),
            }
        }
        panic!("{expression} of {wanted:?} cannot be clicked on: {last:?}")
    }

    /// Writes into the field of this name, whatever stood there.
    pub(super) async fn write(&self, field: &str, text: &str) {
        let field = self.find("field", field).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Presses a key, wherever the focus is.
    pub(super) async fn press(&self, key: Key) {
        let value = char::from(key);
        let keys = KeyActions::new("keyboard".to_owned()).then(KeyAction::Down { value }).then(KeyAction::Up { value });
        self.client.perform_actions(keys).await.unwrap();
    }

    /// Writes with the keyboard, wherever the focus is.
    pub(super) async fn type_text(&self, text: &str) {
        let press = |keys: KeyActions, value| keys.then(KeyAction::Down { value }).then(KeyAction::Up { value });
        let keys = text.chars().fold(KeyActions::new("keyboard".to_owned()), press);
        self.client.perform_actions(keys).await.unwrap();
    }

    /// What has the focus, as the browser tells a screen reader: its role and its name.
    pub(super) async fn focus(&self) -> (String, String) {
        let element = self.client.active_element().await.unwrap().element_id();
        let ask = async |what: &str| {
            let path = format!("element/{}/computed{what}", element.as_ref());
            self.command(Method::GET, &path, Value::Null).await.as_str().unwrap_or_default().trim().to_owned()
        };
        (ask("role").await, ask("label").await)
    }

    /// Gives the page this many pixels; a phone reads the page's viewport, too.
    pub(super) async fn screen(&self, width: u32, height: u32) {
        let screen = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", screen).await;
    }

    /// `light` or `dark`, as somebody has set their machine.
    pub(super) async fn theme(&self, theme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": theme },
                              { "name": "prefers-reduced-motion", "value": "reduce" }]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    /// What can be read in the first frame of the page.
    pub(super) async fn text_in_frame(&self) -> String {
        let frame = self.client.find(Locator::Css("iframe")).await.unwrap();
        frame.enter_frame().await.unwrap();
        let text = self.client.execute("return document.body.innerText", Vec::new()).await;
        self.client.enter_parent_frame().await.unwrap();
        text.unwrap().as_str().unwrap().to_owned()
    }
}

/// Whether the page was left while it was looked at.
fn went_away(error: &CmdError) -> bool {
    let text = error.to_string();
    error.is_stale_element_reference()
        || ["document unloaded", "aborted by navigation", "navigat", "context"].iter().any(|words| text.contains(words))
}
