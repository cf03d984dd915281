//! What is known of those who carry a shop's mail.

/// One of them.
#[derive(Debug)]
pub(super) struct Provider {
    /// What it is called.
    pub(super) name: &'static str,
    /// Its servers: these hosts and all below them.
    hosts: &'static [&'static str],
    /// What the sender's SPF record must include; `None`: mail goes out under a return address of the provider, whose
    /// domain is the one that is asked, or how it does is not known.
    pub(super) spf: Option<&'static str>,
    /// The selectors it signs with unless one chose others; empty: each shop has its own.
    pub(super) selectors: &'static [&'static str],
    /// Where its customers set signing up.
    pub(super) signing: &'static str,
}

/// What they document themselves, at the address above each.
const PROVIDERS: &[Provider] = &[
    // https://www.twilio.com/docs/sendgrid/ui/account-and-settings/how-to-set-up-domain-authentication
    Provider {
        name: "SendGrid",
        hosts: &["sendgrid.net", "sendgrid.com"],
        spf: None,
        selectors: &["s1", "s2"],
        signing: "authenticate the domain in SendGrid under Settings, Sender Authentication",
    },
    // https://support.google.com/a/answer/33786 and https://support.google.com/a/answer/174124
    Provider {
        name: "Google Workspace",
        hosts: &["smtp.gmail.com", "smtp-relay.gmail.com", "smtp.googlemail.com"],
        spf: Some("_spf.google.com"),
        selectors: &["google"],
        signing: "turn signing on in the Google Admin console: Apps, Gmail, Authenticate email",
    },
    // https://learn.microsoft.com/defender-office-365/email-authentication-spf-configure and …-dkim-configure
    Provider {
        name: "Microsoft 365",
        hosts: &["smtp.office365.com", "mail.protection.outlook.com"],
        spf: Some("spf.protection.outlook.com"),
        selectors: &["selector1", "selector2"],
        signing: "turn signing on in the Microsoft Defender portal: Email authentication settings, DKIM",
    },
    // https://docs.aws.amazon.com/ses/latest/dg/send-email-authentication-dkim-easy.html
    Provider {
        name: "Amazon SES",
        hosts: &["amazonaws.com"],
        spf: None,
        selectors: &[],
        signing: "verify the domain in Amazon SES with Easy DKIM",
    },
    // https://postmarkapp.com/support/article/1091-how-do-i-set-up-dkim-for-postmark
    Provider {
        name: "Postmark",
        hosts: &["smtp.postmarkapp.com", "smtp-broadcasts.postmarkapp.com"],
        spf: None,
        selectors: &[],
        signing: "add the domain in Postmark under Sender Signatures",
    },
    // https://documentation.mailgun.com/docs/mailgun/user-manual/domains/domains-verify
    Provider {
        name: "Mailgun",
        hosts: &["mailgun.org", "mailgun.net"],
        spf: None,
        selectors: &[],
        signing: "verify the domain in Mailgun under Sending, Domains",
    },
    // https://www.fastmail.help/hc/en-us/articles/360060591153
    Provider {
        name: "Fastmail",
        hosts: &["smtp.fastmail.com"],
        spf: Some("spf.messagingengine.com"),
        selectors: &["fm1", "fm2", "fm3"],
        signing: "set the domain up in Fastmail under Settings, Domains",
    },
    // https://proton.me/support/anti-spoofing-custom-domain
    Provider {
        name: "Proton Mail",
        hosts: &["smtp.protonmail.ch"],
        spf: Some("_spf.protonmail.ch"),
        selectors: &["protonmail", "protonmail2", "protonmail3"],
        signing: "set the domain up in Proton Mail under Settings, Domain names",
    },
];

/// Selectors that are customary in many places.
pub(super) const CUSTOMARY_SELECTORS: &[&str] =
    &["default", "dkim", "mail", "k1", "s1", "s2", "google", "selector1", "selector2", "key1", "smtp"];

/// Whose server `host` is.
pub(super) fn of(host: &str) -> Option<&'static Provider> {
    let host = host.to_ascii_lowercase();
    let is_below = |above: &str| host.strip_suffix(above).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    PROVIDERS.iter().find(|provider| provider.hosts.iter().any(|above| is_below(above)))
}
