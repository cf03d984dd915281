-- Few rows are sorted by their ids faster than all rows are kept sorted by them, twice.
DROP INDEX users_first;
DROP INDEX users_last;
DROP INDEX requests_first;
DROP INDEX requests_last;
CREATE INDEX users_first    ON users (first_origin);
CREATE INDEX users_last     ON users (coalesce(registered_origin, last_origin));
CREATE INDEX requests_first ON requests (first_origin);
CREATE INDEX requests_last  ON requests (last_origin);
