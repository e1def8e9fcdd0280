-- From version 3: when senders had to wait, and why.

-- When a campaign's senders had to wait though rows were due, and why; Unix time. Only reports ask for it.
CREATE TABLE waits (
    campaign INTEGER NOT NULL,
    why      TEXT NOT NULL CHECK (why IN ('throttled', 'trouble', 'hours')),
    since    REAL NOT NULL,
    until    REAL NOT NULL CHECK (until >= since),
    PRIMARY KEY (campaign, why, since)
) STRICT, WITHOUT ROWID;
