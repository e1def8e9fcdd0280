-- From version 2: who ran what and how it left the rows; campaigns that are forgotten, or handed over as a file.

ALTER TABLE runners ADD COLUMN username TEXT NOT NULL DEFAULT '';
ALTER TABLE runners ADD COLUMN rows_left INTEGER;
ALTER TABLE runners ADD COLUMN rows_in_need INTEGER;

-- Campaigns whose rows and attempts were removed for good, and (below) how many rows had stood where.
CREATE TABLE forgotten (
    campaign INTEGER PRIMARY KEY REFERENCES campaigns (id),
    at       REAL NOT NULL,
    cleaned  INTEGER NOT NULL DEFAULT 0 CHECK (cleaned IN (0, 1))
) STRICT;

CREATE TABLE forgotten_counts (
    campaign INTEGER NOT NULL REFERENCES campaigns (id),
    status   TEXT NOT NULL,
    reason   TEXT NOT NULL,
    count    INTEGER NOT NULL,
    PRIMARY KEY (campaign, status, reason)
) STRICT;

-- Campaigns that were handed over to another ledger, as a file; here nothing of them is sent any more.
CREATE TABLE exported (
    campaign INTEGER PRIMARY KEY REFERENCES campaigns (id),
    at       REAL NOT NULL,
    file     TEXT NOT NULL,
    control  TEXT NOT NULL
) STRICT;

CREATE TRIGGER exported_campaigns_rest BEFORE UPDATE OF control ON campaigns
WHEN NEW.control = 'go' AND EXISTS (SELECT 1 FROM exported WHERE campaign = NEW.id)
BEGIN
    SELECT RAISE (ABORT, 'an exported campaign is sent from elsewhere');
END;
