-- From version 1: where a campaign is sent, what a pass held before its send, every change of a row held to the table, time zones and
-- exclusions.

ALTER TABLE campaigns ADD COLUMN api TEXT NOT NULL DEFAULT '';
ALTER TABLE rows ADD COLUMN baseline INTEGER NOT NULL DEFAULT 0 CHECK (baseline IN (0, 1));
ALTER TABLE rows ADD COLUMN baseline_text TEXT;
ALTER TABLE rows ADD COLUMN pass_status TEXT NOT NULL DEFAULT '';
ALTER TABLE rows ADD COLUMN device_type TEXT NOT NULL DEFAULT '';
ALTER TABLE rows ADD COLUMN zone TEXT NOT NULL DEFAULT '';
ALTER TABLE campaigns ADD COLUMN zones TEXT NOT NULL DEFAULT '[""]';

DROP INDEX rows_by_status;
CREATE INDEX rows_by_status ON rows (campaign, status, zone, due_at, row, reason);

CREATE TABLE exclusions (
    campaign INTEGER NOT NULL,
    pass_key TEXT NOT NULL,
    PRIMARY KEY (campaign, pass_key)
) STRICT, WITHOUT ROWID;

ALTER TABLE campaigns ADD COLUMN account TEXT NOT NULL DEFAULT '';
ALTER TABLE rows ADD COLUMN quiet_until REAL NOT NULL DEFAULT 0;
ALTER TABLE runners ADD COLUMN quiet REAL NOT NULL DEFAULT 0;
ALTER TABLE runners ADD COLUMN hold INTEGER NOT NULL DEFAULT 0 CHECK (hold IN (0, 1));
CREATE INDEX campaigns_by_account ON campaigns (account);

DROP TRIGGER rows_that_ended_stay;

-- A row changes only as domain/model.py draws it; a test holds the two together.
CREATE TRIGGER rows_change_as_drawn BEFORE UPDATE OF status ON rows
WHEN OLD.status <> NEW.status AND OLD.status || ' ' || NEW.status NOT IN (
    'pending sending', 'pending skipped', 'sending pending', 'sending delivered', 'sending not_delivered', 'sending failed', 'sending unknown',
    'sending skipped', 'unknown accepted', 'unknown pending', 'unknown failed', 'not_delivered pending', 'failed pending', 'invalid pending')
BEGIN
    SELECT RAISE (ABORT, 'a row can not change like this');
END;
