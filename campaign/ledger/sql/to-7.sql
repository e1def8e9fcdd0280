-- From version 6: rows may be sent in one of the vendor's batches.

ALTER TABLE rows ADD COLUMN batch INTEGER;

CREATE TABLE batches (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    campaign     INTEGER NOT NULL,
    name         TEXT NOT NULL UNIQUE CHECK (name <> ''),
    entity       TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('claimed', 'creating', 'created', 'releasing', 'cancelling', 'ended')),
    claimant     INTEGER NOT NULL,
    runner       INTEGER,
    rows         TEXT NOT NULL DEFAULT '[]',
    remote_id    TEXT NOT NULL DEFAULT '',
    creates      INTEGER NOT NULL DEFAULT 0,
    scheduled_at REAL NOT NULL DEFAULT 0,
    released_at  REAL NOT NULL DEFAULT 0,
    CHECK (state <> 'ended' OR runner IS NULL),
    CHECK (state NOT IN ('created', 'releasing', 'cancelling') OR remote_id <> '')
) STRICT;

CREATE INDEX batches_at_work ON batches (campaign) WHERE state <> 'ended';
