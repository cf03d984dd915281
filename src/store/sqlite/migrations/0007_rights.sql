-- Customers can be erased: their row stays, without anything that tells who they were, so that what is counted stays true.

ALTER TABLE users ADD COLUMN erased_at INTEGER;
CREATE INDEX users_erased ON users (erased_at) WHERE erased_at IS NOT NULL;

-- What stands for the address of an erased customer who had unsubscribed: its keyed hash. It becomes a suppression again
-- when somebody registers with that address.
CREATE TABLE erased_suppressions (
    mark  BLOB    NOT NULL PRIMARY KEY,
    since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What is pruned by its age.
CREATE INDEX touches_told    ON touches (at) WHERE origin <> '{}';
CREATE INDEX requests_worded ON requests (id) WHERE state = 'closed' AND question <> '';

-- Pages that were freed by earlier versions may still hold what was deleted. From now on a page is overwritten when it is
-- freed; these are used up once, and freed again.
CREATE TABLE free_pages (zeros BLOB NOT NULL) STRICT;
INSERT INTO free_pages
WITH RECURSIVE free (pages) AS (SELECT freelist_count FROM pragma_freelist_count
                                UNION ALL SELECT pages - 1 FROM free WHERE pages > 1)
SELECT zeroblob(4000) FROM free WHERE pages > 0;
DROP TABLE free_pages;
