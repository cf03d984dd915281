-- Who may use the API and the console, and what they changed. Of every secret only the SHA-256 is kept.

CREATE TABLE tokens (
    id           BLOB    NOT NULL PRIMARY KEY,
    name         TEXT    NOT NULL,
    role         TEXT    NOT NULL,
    hash         BLOB    NOT NULL UNIQUE,
    created_at   INTEGER NOT NULL,
    created_by   TEXT    NOT NULL,
    last_used_at INTEGER,                  -- written at most once an hour
    expires_at   INTEGER,                  -- NULL: never
    revoked_at   INTEGER
) STRICT;
CREATE UNIQUE INDEX tokens_by_name ON tokens (name) WHERE revoked_at IS NULL;

-- The console's sessions, each known by its cookie.
CREATE TABLE sessions (
    hash       BLOB    NOT NULL PRIMARY KEY,
    token      BLOB,                       -- the hash of the token that began it, and ends with it; NULL: a login link did
    name       TEXT    NOT NULL,
    role       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL,           -- written at most once a minute
    expires_at INTEGER NOT NULL
) STRICT;

-- Login links, each of which begins one session.
CREATE TABLE login_links (
    hash       BLOB    NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL,
    role       TEXT    NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at    INTEGER
) STRICT;

CREATE TABLE audit (
    id     BLOB    NOT NULL PRIMARY KEY,
    at     INTEGER NOT NULL,
    who    TEXT    NOT NULL,
    role   TEXT    NOT NULL,
    action TEXT    NOT NULL,
    target TEXT    NOT NULL,
    detail TEXT    NOT NULL
) STRICT;
