-- From version 8: what is known of near ids, and where the open retry began.

ALTER TABLE campaigns ADD COLUMN near_ids INTEGER NOT NULL DEFAULT 1;
ALTER TABLE campaigns ADD COLUMN retry_after INTEGER;
