//! What invented customers ask, and what was sent that nobody could read.

/// A topic that customers ask about, and what they ask.
pub(super) struct Question {
    pub(super) weight: f64,
    /// What the bot's button says, in English and in Spanish.
    pub(super) topic: [&'static str; 2],
    english: &'static [&'static str],
    spanish: &'static [&'static str],
    /// In Portuguese, French and German.
    others: [&'static str; 3],
}

/// Every topic; the last one has no route.
pub(super) const QUESTIONS: &[Question] = &[
    Question {
        weight: 30.0,
        topic: ["Sales", "Ventas"],
        english: &[
            "Which wetsuit is warm enough for the Atlantic in October?",
            "Do you have the two-person kayak in blue?",
            "Is the full-face mask safe for a child of ten?",
            "Does the paddle come in two parts? It has to fit into a small car.",
        ],
        spanish: &[
            "¿Qué traje abriga lo suficiente para el Atlántico en octubre?",
            "¿Tenéis el kayak de dos plazas en azul?",
            "¿Hay gafas graduadas para bucear?",
            "¿La tabla hinchable aguanta 110 kg?",
        ],
        others: [
            "Têm barbatanas no tamanho 46?",
            "Avez-vous des combinaisons pour enfants de six ans ?",
            "Passt das Kajak auf einen normalen Dachgepäckträger?",
        ],
    },
    Question {
        weight: 22.0,
        topic: ["Pricing", "Precios"],
        english: &[
            "Is there a discount for four masks?",
            "How much is the inflatable kayak with paddles?",
            "I saw the sale on Friday. Does it still count for the red one?",
        ],
        spanish: &[
            "¿Cuánto cuesta el kayak hinchable con remos?",
            "¿Hacéis descuento a clubes?",
            "¿El precio de la web lleva IVA?",
        ],
        others: [
            "O preço inclui o IVA?",
            "Le code DIVE10 ne marche pas, pouvez-vous m'aider ?",
            "Gibt es Rabatt, wenn ich zwei Anzüge kaufe?",
        ],
    },
    Question {
        weight: 20.0,
        topic: ["Shipping", "Envíos"],
        english: &[
            "How long does it take to the Azores?",
            "Can I pick it up at the harbour shop on Saturday?",
            "My parcel has been in the same place for four days.",
        ],
        spanish: &[
            "¿Enviáis a Canarias?\n¿Y cuánto tarda?",
            "¿Puedo recogerlo en la tienda del puerto?",
            "El seguimiento no se mueve desde el lunes.",
        ],
        others: [
            "Enviam para a Madeira?",
            "Livrez-vous en point relais ?",
            "Wann kommt mein Paket an? Ich fahre am Samstag in den Urlaub.",
        ],
    },
    Question {
        weight: 12.0,
        topic: ["Returns", "Devoluciones"],
        english: &["The wetsuit is too tight. How do I send it back?", "One of the fins has a crack. What now?"],
        spanish: &["El traje me queda pequeño, ¿cómo lo cambio?", "Quiero devolver las aletas, no las he usado."],
        others: [
            "Como faço para trocar o tamanho?",
            "Je voudrais un remboursement, la taille ne va pas.",
            "Die Brille ist undicht. Kann ich sie umtauschen?",
        ],
    },
    Question {
        weight: 9.0,
        topic: ["Wholesale", "Mayoristas"],
        english: &["We run a diving school and need thirty masks. Whom do we talk to?"],
        spanish: &["Somos un club de remo, queremos 20 chalecos. ¿Hay tarifa?"],
        others: [
            "Temos uma escola de surf e precisamos de 15 fatos.",
            "Nous avons un centre de plongée, proposez-vous un tarif pro ?",
            "Wir verleihen Kajaks. Gibt es eine Preisliste für Händler?",
        ],
    },
    Question {
        weight: 4.0,
        topic: ["Something else", "Otra cosa"],
        english: &["Do you repair a kayak that leaks?", "Are you looking for people for the summer?"],
        spanish: &["¿Reparáis kayaks?", "¿Dais clases de esnórquel?"],
        others: ["Fazem reparações?", "Réparez-vous les combinaisons ?", "Repariert ihr auch Fremdmarken?"],
    },
];

/// What is asked about one of [`QUESTIONS`] by somebody who speaks that language.
pub(super) fn questions(about: usize, language: &str) -> &'static [&'static str] {
    let question = &QUESTIONS[about];
    let other = |place: usize| question.others.get(place..=place).unwrap_or_default();
    match language.get(..2) {
        Some("es") => question.spanish,
        Some("pt") => other(0),
        Some("fr") => other(1),
        Some("de") => other(2),
        _ => question.english,
    }
}

/// Who says what became of a question: the shop's desks.
pub(super) const DESKS: &[&str] = &["sales desk", "support desk", "harbour shop"];

/// Bodies that nobody could read, and why.
pub(super) const UNREADABLE: &[(&str, &str)] = &[
    (
        "{\"name\": \"Mari \"la jefa\" Tavila\", \"email\": \"mari.tavila@example.com\"}",
        "no JSON, and nothing that could be mended into it: at line 1 column 17",
    ),
    ("{\"name\": \"Lune Sorami\", \"email\": ", "the JSON ends in the middle: at line 1 column 34"),
    ("[]", "JSON, but no object with the customer's fields"),
];
