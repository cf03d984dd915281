-- When a customer came back to the chat by the link in their welcome, which the ledger counts.
ALTER TABLE users ADD COLUMN opened_at INTEGER;   -- the first time; NULL: they have not

-- Packed without it.
DELETE FROM registration_days;
