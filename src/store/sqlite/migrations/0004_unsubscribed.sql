-- An address may be suppressed because its customer asked for it, not only because a mail server said that nobody is there.

ALTER TABLE suppressions ADD COLUMN cause TEXT NOT NULL DEFAULT 'bounced' CHECK (cause IN ('bounced', 'unsubscribed'));
