-- Messages learn the purpose `report`. A CHECK cannot be changed in place, so the table is made anew, this time without
-- one for its purposes: there may be more of them, and each would mean to write every message again. Foreign keys are off
-- meanwhile; see migrations.rs.

CREATE TABLE messages_new (
    id               BLOB    NOT NULL PRIMARY KEY,
    user_id          BLOB    REFERENCES users (id) ON DELETE CASCADE,
    request_id       BLOB    REFERENCES requests (id) ON DELETE CASCADE,
    channel          TEXT    NOT NULL,
    fallback         TEXT,                               -- who takes over, if the message's route says
    handed_over_from TEXT,                               -- the channel that did not deliver it
    purpose          TEXT    NOT NULL,
    state            TEXT    NOT NULL CHECK (state IN ('pending', 'sending', 'delivered', 'dead', 'held', 'cancelled')),
    created_at       INTEGER NOT NULL,
    due_at           INTEGER NOT NULL,
    first_due_at     INTEGER NOT NULL,                   -- over this channel
    finished_at      INTEGER,
    attempts         INTEGER NOT NULL DEFAULT 0,         -- those that count against the retry schedule
    crashes          INTEGER NOT NULL DEFAULT 0,         -- attempts in a row that ended with the end of the process
    lease_epoch      INTEGER NOT NULL DEFAULT 0,         -- raised by every claim, checked by every settlement
    boot             BLOB,                               -- who is sending it
    reference        TEXT    NOT NULL DEFAULT '',
    last_error       TEXT    NOT NULL DEFAULT '',
    context          TEXT    NOT NULL,
    CHECK ((state = 'sending') = (boot IS NOT NULL)),
    CHECK ((state IN ('delivered', 'dead', 'cancelled')) = (finished_at IS NOT NULL))
) STRICT;

INSERT INTO messages_new (id, user_id, request_id, channel, fallback, handed_over_from, purpose, state, created_at, due_at,
                          first_due_at, finished_at, attempts, crashes, lease_epoch, boot, reference, last_error, context)
SELECT id, user_id, request_id, channel, fallback, handed_over_from, purpose, state, created_at, due_at,
       first_due_at, finished_at, attempts, crashes, lease_epoch, boot, reference, last_error, context
  FROM messages ORDER BY rowid;

DROP TABLE messages;
ALTER TABLE messages_new RENAME TO messages;

CREATE INDEX messages_due      ON messages (channel, due_at) WHERE state = 'pending' AND crashes < 3;
CREATE INDEX messages_suspect  ON messages (channel, due_at) WHERE state = 'pending' AND crashes >= 3;
CREATE INDEX messages_sending  ON messages (boot) WHERE state = 'sending';
CREATE INDEX messages_trouble  ON messages (state, id) WHERE state IN ('dead', 'held');
CREATE INDEX messages_finished ON messages (state, finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX messages_user     ON messages (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX messages_request  ON messages (request_id) WHERE request_id IS NOT NULL;
CREATE INDEX messages_channel  ON messages (channel, id);
CREATE INDEX messages_rare     ON messages (purpose, id)
    WHERE purpose IN ('test', 'alert', 'acknowledged', 'answered', 'closed', 'report');

-- The newest period of each cadence that is done with.
CREATE TABLE reports (
    cadence   TEXT    NOT NULL PRIMARY KEY CHECK (cadence IN ('daily', 'weekly', 'monthly')),
    first_day TEXT    NOT NULL,                          -- of that period, as in 2026-11-16
    told_at   INTEGER                                    -- the last one that was sent; NULL: none was yet
) STRICT, WITHOUT ROWID;
