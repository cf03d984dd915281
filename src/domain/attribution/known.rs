//! Names, hosts and click ids that are known without being told.

/// What kind of place a known host is; says which medium brought a customer that it linked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Search,
    Social,
    Mail,
    Messenger,
    Assistant,
}

impl Kind {
    /// The medium, as web analytics calls it.
    pub(super) const fn medium(self) -> &'static str {
        match self {
            Self::Search => "organic",
            Self::Social => "social",
            Self::Mail => "email",
            Self::Messenger => "messenger",
            Self::Assistant => "assistant",
        }
    }

    /// What a host of that kind is the host of.
    pub(super) const fn described(self) -> &'static str {
        match self {
            Self::Search => "a known search engine",
            Self::Social => "a known social network",
            Self::Mail => "a known mail service",
            Self::Messenger => "a known messenger",
            Self::Assistant => "a known assistant",
        }
    }
}

/// Hosts and what we call them. A name that ends in a dot stands for every country's domain: `google.` is `google.es`
/// and `google.co.uk`, too. A host counts with all below it (`l.facebook.com`); the longest that fits is taken.
pub(super) const HOSTS: &[(&str, &str, Kind)] = &[
    ("google.", "google", Kind::Search),
    ("com.google.android.googlequicksearchbox", "google", Kind::Search),
    ("mail.google.com", "gmail", Kind::Mail),
    ("com.google.android.gm", "gmail", Kind::Mail),
    ("bing.com", "bing", Kind::Search),
    ("duckduckgo.com", "duckduckgo", Kind::Search),
    ("yahoo.", "yahoo", Kind::Search),
    ("mail.yahoo.com", "yahoo mail", Kind::Mail),
    ("ecosia.org", "ecosia", Kind::Search),
    ("qwant.com", "qwant", Kind::Search),
    ("search.brave.com", "brave", Kind::Search),
    ("startpage.com", "startpage", Kind::Search),
    ("yandex.", "yandex", Kind::Search),
    ("ya.ru", "yandex", Kind::Search),
    ("baidu.com", "baidu", Kind::Search),
    ("facebook.com", "facebook", Kind::Social),
    ("fb.com", "facebook", Kind::Social),
    ("fb.me", "facebook", Kind::Social),
    ("instagram.com", "instagram", Kind::Social),
    ("threads.net", "threads", Kind::Social),
    ("threads.com", "threads", Kind::Social),
    ("t.co", "x", Kind::Social),
    ("x.com", "x", Kind::Social),
    ("twitter.com", "x", Kind::Social),
    ("linkedin.com", "linkedin", Kind::Social),
    ("lnkd.in", "linkedin", Kind::Social),
    ("com.linkedin.android", "linkedin", Kind::Social),
    ("youtube.com", "youtube", Kind::Social),
    ("youtu.be", "youtube", Kind::Social),
    ("tiktok.com", "tiktok", Kind::Social),
    ("pinterest.", "pinterest", Kind::Social),
    ("pin.it", "pinterest", Kind::Social),
    ("reddit.com", "reddit", Kind::Social),
    ("com.reddit.frontpage", "reddit", Kind::Social),
    ("snapchat.com", "snapchat", Kind::Social),
    ("bsky.app", "bluesky", Kind::Social),
    ("outlook.live.com", "outlook", Kind::Mail),
    ("outlook.office.com", "outlook", Kind::Mail),
    ("outlook.office365.com", "outlook", Kind::Mail),
    ("whatsapp.com", "whatsapp", Kind::Messenger),
    ("wa.me", "whatsapp", Kind::Messenger),
    ("t.me", "telegram", Kind::Messenger),
    ("telegram.org", "telegram", Kind::Messenger),
    ("org.telegram.messenger", "telegram", Kind::Messenger),
    ("m.me", "messenger", Kind::Messenger),
    ("messenger.com", "messenger", Kind::Messenger),
    ("chatgpt.com", "chatgpt", Kind::Assistant),
    ("chat.openai.com", "chatgpt", Kind::Assistant),
    ("perplexity.ai", "perplexity", Kind::Assistant),
    ("gemini.google.com", "gemini", Kind::Assistant),
    ("copilot.microsoft.com", "copilot", Kind::Assistant),
    ("claude.ai", "claude", Kind::Assistant),
];

/// Other names that people and advertising networks use in `utm_source`.
pub(super) const NAMES: &[(&str, &str)] = &[
    ("adwords", "google"),
    ("google ads", "google"),
    ("google_ads", "google"),
    ("google-ads", "google"),
    ("googleads", "google"),
    ("bing ads", "bing"),
    ("bingads", "bing"),
    ("fb", "facebook"),
    ("facebook ads", "facebook"),
    ("facebook_ads", "facebook"),
    ("facebook-ads", "facebook"),
    ("ig", "instagram"),
    ("twitter", "x"),
    ("yt", "youtube"),
    ("wa", "whatsapp"),
];

/// Other names of a medium.
pub(super) const MEDIA: &[(&str, &str)] = &[
    ("ppc", "cpc"),
    ("paidsearch", "cpc"),
    ("paid-search", "cpc"),
    ("paid_search", "cpc"),
    ("paid search", "cpc"),
    ("e-mail", "email"),
    ("e_mail", "email"),
    ("mail", "email"),
    ("social-media", "social"),
    ("social_media", "social"),
    ("social media", "social"),
    ("none", ""),
    ("(none)", ""),
    ("(not set)", ""),
];

/// What a click id says: it is added by whoever showed the link. `fbclid`, `igshid` and `epik` come with links that
/// nobody paid for as well, so they say nothing of money.
pub(super) const CLICKS: &[(&str, &str, &str)] = &[
    ("gclid", "google", "cpc"),
    ("gbraid", "google", "cpc"),
    ("wbraid", "google", "cpc"),
    ("dclid", "google", "display"),
    ("msclkid", "bing", "cpc"),
    ("ttclid", "tiktok", "cpc"),
    ("twclid", "x", "cpc"),
    ("li_fat_id", "linkedin", "cpc"),
    ("sccid", "snapchat", "cpc"),
    ("rdt_cid", "reddit", "cpc"),
    ("yclid", "yandex", "cpc"),
    ("ctwa_clid", "facebook", "cpc"),
    ("fbclid", "facebook", "social"),
    ("igshid", "instagram", "social"),
    ("epik", "pinterest", "social"),
    ("mc_eid", "mailchimp", "email"),
];
