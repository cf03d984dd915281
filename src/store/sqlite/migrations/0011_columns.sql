-- Days are packed column by column now; those that were packed otherwise are packed again.
DELETE FROM registration_days;
DELETE FROM request_days;
