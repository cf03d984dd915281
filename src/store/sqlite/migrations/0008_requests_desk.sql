-- Requests know a note and who looks after them, and when somebody reacted, which the ledger counts. Users and requests are
-- found by the origins that are credited with them, messages by their channel.

ALTER TABLE requests ADD COLUMN note            TEXT NOT NULL DEFAULT '';
ALTER TABLE requests ADD COLUMN assignee        TEXT NOT NULL DEFAULT '';   -- '': nobody was named
ALTER TABLE requests ADD COLUMN acknowledged_at INTEGER;                    -- or answered, if that came first
ALTER TABLE requests ADD COLUMN answered_at     INTEGER;

UPDATE requests
   SET acknowledged_at = (SELECT min(at) FROM request_changes
                           WHERE request_id = requests.id AND state IN ('acknowledged', 'answered')),
       answered_at = (SELECT at FROM request_changes WHERE request_id = requests.id AND state = 'answered')
 WHERE state <> 'new';

-- Only added to: every note and every name there was.
CREATE TABLE request_edits (
    request_id BLOB    NOT NULL REFERENCES requests (id) ON DELETE CASCADE,
    at         INTEGER NOT NULL,
    field      TEXT    NOT NULL CHECK (field IN ('note', 'assignee')),
    value      TEXT    NOT NULL,
    by         TEXT    NOT NULL                          -- who says so
) STRICT;
CREATE INDEX request_edits_request ON request_edits (request_id);

CREATE INDEX requests_assignee ON requests (assignee, id) WHERE assignee <> '';
CREATE INDEX requests_first    ON requests (first_origin, id);
CREATE INDEX requests_last     ON requests (last_origin, id);
CREATE INDEX users_first       ON users (first_origin, id);
CREATE INDEX users_last        ON users (coalesce(registered_origin, last_origin), id);

-- A note can be written when the question has gone already.
DROP INDEX requests_worded;
CREATE INDEX requests_worded ON requests (id) WHERE state = 'closed' AND (question <> '' OR note <> '');

-- What few messages have is found without a look at all others.
CREATE INDEX messages_channel ON messages (channel, id);
CREATE INDEX messages_rare    ON messages (purpose, id)
    WHERE purpose IN ('test', 'alert', 'acknowledged', 'answered', 'closed');

-- Packed without what is counted now.
DELETE FROM request_days;
