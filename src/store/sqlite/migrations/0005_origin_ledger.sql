-- The ledger: users and requests know which origins are credited with them, and when the first message arrived. So what
-- is counted outlives the messages, which are pruned.

-- What told where customers came from, each combination once, and what it means by the rules of that version.
CREATE TABLE origins (
    id           INTEGER NOT NULL PRIMARY KEY,
    clues        TEXT    NOT NULL UNIQUE,           -- JSON
    rules        INTEGER NOT NULL DEFAULT 0,        -- 0: not told yet
    source       TEXT    NOT NULL DEFAULT '',
    medium       TEXT    NOT NULL DEFAULT '',
    campaign     TEXT    NOT NULL DEFAULT '',
    referrer     TEXT    NOT NULL DEFAULT '',
    channel      TEXT    NOT NULL DEFAULT '',
    country      TEXT    NOT NULL DEFAULT '',
    landing_page TEXT    NOT NULL DEFAULT ''
) STRICT;

ALTER TABLE users ADD COLUMN first_origin      INTEGER;   -- NULL: from before the ledger, and not counted yet
ALTER TABLE users ADD COLUMN last_origin       INTEGER;   -- of the last touch that told a source, else the first
ALTER TABLE users ADD COLUMN registered_origin INTEGER;   -- the same as of the registration
ALTER TABLE users ADD COLUMN welcomed_at       INTEGER;   -- when the welcome was delivered
ALTER TABLE users ADD COLUMN bounced           INTEGER NOT NULL DEFAULT 0;   -- the welcome's address does not exist
CREATE INDEX users_registered ON users (registered_at) WHERE registered_at IS NOT NULL;
CREATE INDEX users_uncounted  ON users (id) WHERE first_origin IS NULL;

ALTER TABLE requests ADD COLUMN first_origin INTEGER;
ALTER TABLE requests ADD COLUMN last_origin  INTEGER;
ALTER TABLE requests ADD COLUMN delivered_at INTEGER;     -- the first of its messages
CREATE INDEX requests_created   ON requests (created_at);
CREATE INDEX requests_uncounted ON requests (id) WHERE first_origin IS NULL;

-- Whole days (of UTC) of the columns above, packed, so that they are read many times faster. A day that changes is
-- deleted; NULL: it is being packed.
CREATE TABLE registration_days (day INTEGER NOT NULL PRIMARY KEY, facts BLOB) STRICT;
CREATE TABLE request_days      (day INTEGER NOT NULL PRIMARY KEY, facts BLOB) STRICT;
