-- Times are Unix milliseconds in UTC, ids are UUIDv7 in 16 bytes, `origin` and `context` are JSON.

CREATE TABLE users (
    id                  BLOB    NOT NULL PRIMARY KEY,
    name                TEXT    NOT NULL,
    email               TEXT,
    phone               TEXT,                       -- as it came
    phone_e164          TEXT,                       -- when it could be told
    landbot_customer_id TEXT,
    language            TEXT    NOT NULL,
    origin              TEXT    NOT NULL,           -- first touch
    source              TEXT    NOT NULL,           -- the same in one readable line
    created_at          INTEGER NOT NULL,
    registered_at       INTEGER,                    -- NULL: has only asked for help
    welcomed            INTEGER NOT NULL DEFAULT 0 CHECK (welcomed IN (0, 1))
) STRICT;
CREATE UNIQUE INDEX users_email   ON users (email) WHERE email IS NOT NULL;
CREATE INDEX        users_phone   ON users (coalesce(phone_e164, phone)) WHERE phone IS NOT NULL;
CREATE INDEX        users_landbot ON users (landbot_customer_id) WHERE landbot_customer_id IS NOT NULL;

CREATE TABLE touches (
    user_id BLOB    NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    at      INTEGER NOT NULL,
    origin  TEXT    NOT NULL,
    source  TEXT    NOT NULL
) STRICT;
CREATE INDEX touches_user ON touches (user_id, at);

CREATE TABLE requests (
    id              BLOB    NOT NULL PRIMARY KEY,
    user_id         BLOB    REFERENCES users (id) ON DELETE CASCADE,
    topic           TEXT    NOT NULL,
    topic_unknown   INTEGER NOT NULL CHECK (topic_unknown IN (0, 1)),
    question        TEXT    NOT NULL,
    origin          TEXT    NOT NULL,
    source          TEXT    NOT NULL,
    idempotency_key TEXT,
    fingerprint     BLOB    NOT NULL,
    created_at      INTEGER NOT NULL,
    seen_at         INTEGER NOT NULL                -- the last time the same request came
) STRICT;
CREATE UNIQUE INDEX requests_key         ON requests (idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX        requests_fingerprint ON requests (fingerprint, seen_at);
CREATE INDEX        requests_user        ON requests (user_id) WHERE user_id IS NOT NULL;

-- The outbox.
CREATE TABLE messages (
    id          BLOB    NOT NULL PRIMARY KEY,
    user_id     BLOB    REFERENCES users (id) ON DELETE CASCADE,
    request_id  BLOB    REFERENCES requests (id) ON DELETE CASCADE,
    channel     TEXT    NOT NULL,
    purpose     TEXT    NOT NULL CHECK (purpose IN ('welcome', 'request', 'test')),
    state       TEXT    NOT NULL CHECK (state IN ('pending', 'sending', 'delivered', 'dead', 'held', 'cancelled')),
    created_at  INTEGER NOT NULL,
    due_at      INTEGER NOT NULL,
    finished_at INTEGER,
    attempts    INTEGER NOT NULL DEFAULT 0,         -- those that count against the retry schedule
    lease_epoch INTEGER NOT NULL DEFAULT 0,         -- raised by every claim, checked by every settlement
    boot        BLOB,                               -- who is sending it
    reference   TEXT    NOT NULL DEFAULT '',
    last_error  TEXT    NOT NULL DEFAULT '',
    context     TEXT    NOT NULL,
    CHECK ((state = 'sending') = (boot IS NOT NULL)),
    CHECK ((state IN ('delivered', 'dead', 'cancelled')) = (finished_at IS NOT NULL))
) STRICT;
CREATE INDEX messages_due      ON messages (channel, due_at) WHERE state = 'pending';
CREATE INDEX messages_sending  ON messages (boot) WHERE state = 'sending';
CREATE INDEX messages_trouble  ON messages (state, id) WHERE state IN ('dead', 'held');
CREATE INDEX messages_finished ON messages (state, finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX messages_user     ON messages (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX messages_request  ON messages (request_id) WHERE request_id IS NOT NULL;

CREATE TABLE attempts (
    message_id  BLOB    NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    epoch       INTEGER NOT NULL,
    started_at  INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    outcome     TEXT    NOT NULL,
    scope       TEXT    NOT NULL,
    error       TEXT    NOT NULL,
    PRIMARY KEY (message_id, epoch)
) STRICT, WITHOUT ROWID;

-- The exact bytes that a sandboxed channel kept instead of sending.
CREATE TABLE captures (
    message_id BLOB NOT NULL PRIMARY KEY REFERENCES messages (id) ON DELETE CASCADE,
    bytes      BLOB NOT NULL
) STRICT;

-- Webhooks that nobody could read.
CREATE TABLE inbox (
    id           BLOB    NOT NULL PRIMARY KEY,
    received_at  INTEGER NOT NULL,
    request_line TEXT    NOT NULL,
    headers      TEXT    NOT NULL,
    body         BLOB    NOT NULL,
    why          TEXT    NOT NULL
) STRICT;

-- Marks of MessageHook deliveries, which Landbot repeats until it is answered.
CREATE TABLE traces (
    trace   TEXT    NOT NULL PRIMARY KEY,
    seen_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX traces_seen ON traces (seen_at);

-- What the program itself must remember.
CREATE TABLE settings (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
