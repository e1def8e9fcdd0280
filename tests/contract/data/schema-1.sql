-- The ledger in SQLite. What must always hold is written here as constraints, not only in the code.

CREATE TABLE campaigns (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    name           TEXT NOT NULL UNIQUE CHECK (name <> ''),
    list_name      TEXT NOT NULL,
    list_sha256    TEXT NOT NULL,
    message_sha256 TEXT NOT NULL,
    content_sha256 TEXT NOT NULL DEFAULT '',
    columns        TEXT NOT NULL,            -- JSON array of the list's own column names
    id_column      TEXT NOT NULL,
    settings       TEXT NOT NULL,            -- JSON object
    control        TEXT NOT NULL CHECK (control IN ('staging', 'go', 'paused', 'cancelled')),
    stager         INTEGER REFERENCES runners (id),
    rows           INTEGER NOT NULL DEFAULT 0,
    created_at     REAL NOT NULL,
    started_at     REAL NOT NULL DEFAULT 0,
    finished_at    REAL NOT NULL DEFAULT 0,
    ended          TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE TABLE rows (
    campaign             INTEGER NOT NULL,
    row                  INTEGER NOT NULL CHECK (row > 0),
    pass_id              TEXT NOT NULL,
    pass_key             TEXT NOT NULL,      -- equal for every way of writing the same pass id
    message              TEXT NOT NULL,
    cells                TEXT NOT NULL,      -- JSON array, in the order of campaigns.columns
    status               TEXT NOT NULL CHECK (status IN ('pending', 'sending', 'delivered', 'not_delivered', 'accepted',
                                                         'failed', 'unknown', 'skipped', 'invalid')),
    reason               TEXT NOT NULL DEFAULT '',
    due_at               REAL,               -- ledger clock; pending: may be sent; unknown: may be read back, NULL: a person decides
    runner               INTEGER,
    fence                INTEGER NOT NULL DEFAULT 0,
    attempts             INTEGER NOT NULL DEFAULT 0,
    tries                INTEGER NOT NULL DEFAULT 0,
    claimed_at           REAL NOT NULL DEFAULT 0,
    notification_status  TEXT NOT NULL DEFAULT '',
    notification_message TEXT NOT NULL DEFAULT '',
    http_status          INTEGER,
    error                TEXT NOT NULL DEFAULT '',
    sent_at              REAL NOT NULL DEFAULT 0,
    settled_at           REAL NOT NULL DEFAULT 0,
    latency_seconds      REAL,
    PRIMARY KEY (campaign, row),
    CHECK ((status = 'sending') = (runner IS NOT NULL)),
    CHECK (status <> 'pending' OR due_at IS NOT NULL),
    CHECK (status NOT IN ('pending', 'sending') OR (pass_id <> '' AND message <> ''))
) STRICT;

-- Claims take the first due rows of a campaign from it, counts are read off it without touching the rows.
CREATE INDEX rows_by_status ON rows (campaign, status, due_at, row, reason);

-- Whether a pass has a send in flight or in doubt, in any campaign.
CREATE INDEX rows_in_doubt ON rows (pass_key) WHERE status IN ('sending', 'unknown');

CREATE TRIGGER rows_that_ended_stay BEFORE UPDATE OF status ON rows
WHEN OLD.status IN ('delivered', 'accepted', 'skipped') AND NEW.status <> OLD.status
BEGIN
    SELECT RAISE (ABORT, 'a row that ended never changes');
END;

-- Every attempt that ended, in the order it was recorded.
CREATE TABLE attempts (
    id              INTEGER PRIMARY KEY,
    campaign        INTEGER NOT NULL,
    row             INTEGER NOT NULL,
    fence           INTEGER NOT NULL,
    pass_key        TEXT NOT NULL,
    runner          INTEGER NOT NULL,
    status          TEXT NOT NULL,
    reason          TEXT NOT NULL,
    http_status     INTEGER,
    sent_at         REAL NOT NULL,
    settled_at      REAL NOT NULL,
    latency_seconds REAL,
    message         TEXT                     -- only where it is no longer the row's
) STRICT;

CREATE INDEX attempts_by_pass ON attempts (pass_key, id);
CREATE INDEX attempts_by_row ON attempts (campaign, row, fence);

CREATE TABLE runners (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    campaign    INTEGER NOT NULL,
    host        TEXT NOT NULL,
    pid         INTEGER NOT NULL,
    started_at  REAL NOT NULL,
    lease_until REAL NOT NULL,               -- ledger clock
    activity    TEXT NOT NULL,
    ended_at    REAL NOT NULL DEFAULT 0,
    ended       TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE INDEX runners_at_work ON runners (campaign) WHERE ended_at = 0;

-- One shared budget per token and endpoint (domain/pace/pacing.py).
CREATE TABLE paces (
    key          TEXT PRIMARY KEY,
    next_free    REAL NOT NULL,
    share        REAL NOT NULL CHECK (share > 0 AND share <= 1),
    paused_until REAL NOT NULL,
    changed_at   REAL NOT NULL
) STRICT;

-- The ledger's own clock: within one boot of the machine it is the boot's ticks plus `anchor`, so that setting the wall clock moves nothing.
CREATE TABLE clock (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    boot    TEXT NOT NULL,
    anchor  REAL NOT NULL,
    latest  REAL NOT NULL
) STRICT;
