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
    ended          TEXT NOT NULL DEFAULT '',
    api            TEXT NOT NULL DEFAULT '', -- where it is sent, once it was
    account        TEXT NOT NULL DEFAULT '', -- fingerprint of the API and the token that it was last sent with
    zones          TEXT NOT NULL DEFAULT '[""]'  -- JSON array of its rows' time zones
) STRICT;

-- Whose doubts may keep a campaign's passes waiting.
CREATE INDEX campaigns_by_account ON campaigns (account);

-- Passes that a campaign must not be sent to.
CREATE TABLE exclusions (
    campaign INTEGER NOT NULL,
    pass_key TEXT NOT NULL,
    PRIMARY KEY (campaign, pass_key)
) STRICT, WITHOUT ROWID;

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
    baseline             INTEGER NOT NULL DEFAULT 0 CHECK (baseline IN (0, 1)),  -- 1: read before the claim's send, and it held baseline_text
    baseline_text        TEXT,
    pass_status          TEXT NOT NULL DEFAULT '',
    device_type          TEXT NOT NULL DEFAULT '',
    zone                 TEXT NOT NULL DEFAULT '',
    quiet_until          REAL NOT NULL DEFAULT 0,  -- ledger clock; before then reading the pass proves nothing of the last attempt
    PRIMARY KEY (campaign, row),
    CHECK ((status = 'sending') = (runner IS NOT NULL)),
    CHECK (status <> 'pending' OR due_at IS NOT NULL),
    CHECK (status NOT IN ('pending', 'sending') OR (pass_id <> '' AND message <> ''))
) STRICT;

-- Claims take the first due rows of a campaign from it, counts are read off it without touching the rows.
CREATE INDEX rows_by_status ON rows (campaign, status, zone, due_at, row, reason);

-- Whether a pass has a send in flight or in doubt, in any campaign.
CREATE INDEX rows_in_doubt ON rows (pass_key) WHERE status IN ('sending', 'unknown');

-- A row changes only as domain/lifecycle.py draws it; a test holds the two together.
CREATE TRIGGER rows_change_as_drawn BEFORE UPDATE OF status ON rows
WHEN OLD.status <> NEW.status AND OLD.status || ' ' || NEW.status NOT IN (
    'pending sending', 'pending skipped', 'sending pending', 'sending delivered', 'sending not_delivered', 'sending failed', 'sending unknown',
    'sending skipped', 'unknown accepted', 'unknown pending', 'unknown failed', 'not_delivered pending', 'failed pending', 'invalid pending')
BEGIN
    SELECT RAISE (ABORT, 'a row can not change like this');
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
    ended       TEXT NOT NULL DEFAULT '',
    quiet       REAL NOT NULL DEFAULT 0,     -- its quiet period, in seconds
    hold        INTEGER NOT NULL DEFAULT 0 CHECK (hold IN (0, 1)),  -- 1: what it leaves in doubt waits for a person
    username    TEXT NOT NULL DEFAULT '',
    rows_left   INTEGER,                     -- when it ended; NULL where that was not counted
    rows_in_need INTEGER                     -- (same) of a person: failed, unknown, invalid
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

-- Campaigns whose rows and attempts were removed for good, and (below) how many rows had stood where.
CREATE TABLE forgotten (
    campaign INTEGER PRIMARY KEY REFERENCES campaigns (id),
    at       REAL NOT NULL,
    cleaned  INTEGER NOT NULL DEFAULT 0 CHECK (cleaned IN (0, 1))  -- 1: no page of the file holds a trace of them
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
    control  TEXT NOT NULL                    -- what people had asked of it until then
) STRICT;

CREATE TRIGGER exported_campaigns_rest BEFORE UPDATE OF control ON campaigns
WHEN NEW.control = 'go' AND EXISTS (SELECT 1 FROM exported WHERE campaign = NEW.id)
BEGIN
    SELECT RAISE (ABORT, 'an exported campaign is sent from elsewhere');
END;
