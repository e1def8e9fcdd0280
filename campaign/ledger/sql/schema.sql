-- The ledger in SQLite. Its invariants are constraints here, not only code.

CREATE TABLE campaigns (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    name           TEXT NOT NULL UNIQUE CHECK (name <> ''),
    list_name      TEXT NOT NULL,
    list_sha256    TEXT NOT NULL,
    message_sha256 TEXT NOT NULL,
    content_sha256 TEXT NOT NULL DEFAULT '',
    columns        TEXT NOT NULL,            -- JSON array of the list's column names
    id_column      TEXT NOT NULL,
    settings       TEXT NOT NULL,            -- JSON object
    desired_state  TEXT NOT NULL CHECK (desired_state IN ('staging', 'go', 'paused', 'cancelled')),
    staging_runner INTEGER REFERENCES runners (id),
    rows           INTEGER NOT NULL DEFAULT 0,
    created_at     REAL NOT NULL,
    started_at     REAL NOT NULL DEFAULT 0,
    finished_at    REAL NOT NULL DEFAULT 0,
    ended          TEXT NOT NULL DEFAULT '',
    api            TEXT NOT NULL DEFAULT '', -- where it was sent; '' before the first send
    account        TEXT NOT NULL DEFAULT '', -- fingerprint of the API and the token that it was last sent with
    zones          TEXT NOT NULL DEFAULT '[""]', -- JSON array of its rows' time zones
    near_ids       INTEGER NOT NULL DEFAULT 1,   -- 0: no ids were near, and neither an id nor the exclusions changed since
    retry_after    INTEGER                       -- the last attempt before the open retry; NULL if none is open
) STRICT;

-- To find the campaigns whose unverified rows may block a campaign's passes.
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
    -- Not as IN, for which SQLite would make a table in each statement, and search it for each row.
    status               TEXT NOT NULL CHECK (status = 'pending' OR status = 'sending' OR status = 'delivered' OR status = 'not_delivered'
                                              OR status = 'accepted' OR status = 'failed' OR status = 'unknown' OR status = 'skipped'
                                              OR status = 'invalid'),
    reason               TEXT NOT NULL DEFAULT '',
    due_at               REAL,               -- ledger clock; pending: may be sent; unknown: may be read back, NULL: a person decides
    runner               INTEGER,
    fencing_token        INTEGER NOT NULL DEFAULT 0,
    attempts             INTEGER NOT NULL DEFAULT 0,
    counted_attempts     INTEGER NOT NULL DEFAULT 0,
    claimed_at           REAL NOT NULL DEFAULT 0,
    notification_status  TEXT NOT NULL DEFAULT '',
    notification_message TEXT NOT NULL DEFAULT '',
    http_status          INTEGER,
    error                TEXT NOT NULL DEFAULT '',
    sent_at              REAL NOT NULL DEFAULT 0,
    settled_at           REAL NOT NULL DEFAULT 0,
    latency_seconds      REAL,
    baseline             INTEGER NOT NULL DEFAULT 0 CHECK (baseline IN (0, 1)),  -- 1: read before the send; the text is next
    baseline_text        TEXT,
    pass_status          TEXT NOT NULL DEFAULT '',
    device_type          TEXT NOT NULL DEFAULT '',
    zone                 TEXT NOT NULL DEFAULT '',
    quiet_until          REAL NOT NULL DEFAULT 0,  -- ledger clock; before then, a reading of the pass proves nothing about the last attempt
    batch                INTEGER,                  -- the batch that it was last claimed for; NULL: none
    PRIMARY KEY (campaign, row),
    CHECK ((status = 'sending') = (runner IS NOT NULL)),
    CHECK (status <> 'pending' OR due_at IS NOT NULL),
    CHECK (status NOT IN ('pending', 'sending') OR (pass_id <> '' AND message <> ''))
) STRICT;

-- Claims take the first due rows of a campaign from this index, and counts read it without the rows.
CREATE INDEX rows_by_status ON rows (campaign, status, zone, due_at, row, reason);

-- Whether a pass has a row in flight or unknown, in any campaign.
CREATE INDEX rows_unverified ON rows (pass_key) WHERE status IN ('sending', 'unknown');

-- A row changes only along the transitions in domain/status.py; a test compares the two.
CREATE TRIGGER rows_follow_transitions BEFORE UPDATE OF status ON rows
WHEN OLD.status <> NEW.status AND OLD.status || ' ' || NEW.status NOT IN (
    'pending sending', 'pending skipped', 'pending unknown', 'sending pending', 'sending delivered', 'sending not_delivered', 'sending failed',
    'sending unknown', 'sending skipped', 'unknown accepted', 'unknown pending', 'unknown failed', 'not_delivered pending', 'failed pending',
    'invalid pending')
BEGIN
    SELECT RAISE (ABORT, 'a row can not change like this');
END;

-- Every attempt that ended, in the order it was recorded.
CREATE TABLE attempts (
    id              INTEGER PRIMARY KEY,
    campaign        INTEGER NOT NULL,
    row             INTEGER NOT NULL,
    fencing_token   INTEGER NOT NULL,
    pass_key        TEXT NOT NULL,
    runner          INTEGER NOT NULL,
    status          TEXT NOT NULL,
    reason          TEXT NOT NULL,
    http_status     INTEGER,
    sent_at         REAL NOT NULL,
    settled_at      REAL NOT NULL,
    latency_seconds REAL,
    message         TEXT                     -- NULL: still the row's message
) STRICT;

CREATE INDEX attempts_by_pass ON attempts (pass_key, id);
CREATE INDEX attempts_by_row ON attempts (campaign, row, fencing_token);

CREATE TABLE runners (
    id                     INTEGER PRIMARY KEY AUTOINCREMENT,
    campaign               INTEGER NOT NULL,
    host                   TEXT NOT NULL,
    pid                    INTEGER NOT NULL,
    started_at             REAL NOT NULL,
    lease_until            REAL NOT NULL,            -- ledger clock
    activity               TEXT NOT NULL,
    ended_at               REAL NOT NULL DEFAULT 0,
    ended                  TEXT NOT NULL DEFAULT '',
    quiet_seconds          REAL NOT NULL DEFAULT 0,  -- its quiet period, in seconds
    hold_unverified        INTEGER NOT NULL DEFAULT 0 CHECK (hold_unverified IN (0, 1)),  -- 1: its unknown rows wait for a person
    username               TEXT NOT NULL DEFAULT '',
    rows_left              INTEGER,                  -- when it ended; NULL: not counted
    rows_needing_attention INTEGER                   -- (same) failed, unknown, invalid
) STRICT;

CREATE INDEX active_runners ON runners (campaign) WHERE ended_at = 0;

-- Rows that are sent together, by the vendor's batches (domain/batches.py).
CREATE TABLE batches (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    campaign     INTEGER NOT NULL,
    name         TEXT NOT NULL UNIQUE CHECK (name <> ''),
    entity       TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('claimed', 'creating', 'created', 'releasing', 'cancelling', 'ended')),
    claimant     INTEGER NOT NULL,           -- the runner that claimed its rows; rows.runner has it
    runner       INTEGER,                    -- the one that works on it; NULL: nobody
    rows         TEXT NOT NULL DEFAULT '[]', -- JSON array of row numbers
    remote_id    TEXT NOT NULL DEFAULT '',   -- the vendor's id
    creates      INTEGER NOT NULL DEFAULT 0, -- requests that may have created it
    scheduled_at REAL NOT NULL DEFAULT 0,    -- Unix time
    released_at  REAL NOT NULL DEFAULT 0,    -- Unix time
    CHECK (state <> 'ended' OR runner IS NULL),
    CHECK (state NOT IN ('created', 'releasing', 'cancelling') OR remote_id <> '')
) STRICT;

CREATE INDEX active_batches ON batches (campaign) WHERE state <> 'ended';

-- One shared rate per token and endpoint (domain/pace/pacing.py).
CREATE TABLE rate_limits (
    key          TEXT PRIMARY KEY,
    next_free    REAL NOT NULL,
    rate_factor  REAL NOT NULL CHECK (rate_factor > 0 AND rate_factor <= 1),
    paused_until REAL NOT NULL,
    changed_at   REAL NOT NULL
) STRICT;

-- The ledger's clock: within one boot of the machine it is the boot's ticks plus `anchor`, so that setting the wall clock changes nothing.
CREATE TABLE clock (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    boot   TEXT NOT NULL,
    anchor REAL NOT NULL,
    latest REAL NOT NULL
) STRICT;

-- Campaigns that were purged, and (below) how many rows had which status.
CREATE TABLE purged (
    campaign     INTEGER PRIMARY KEY REFERENCES campaigns (id),
    purged_at    REAL NOT NULL,
    rows_deleted INTEGER NOT NULL DEFAULT 0 CHECK (rows_deleted IN (0, 1))  -- 1: all rows are removed
) STRICT;

CREATE TABLE purged_counts (
    campaign INTEGER NOT NULL REFERENCES campaigns (id),
    status   TEXT NOT NULL,
    reason   TEXT NOT NULL,
    count    INTEGER NOT NULL,
    PRIMARY KEY (campaign, status, reason)
) STRICT;

-- Campaigns that version 0.1.0 exported to another ledger, as a file. This ledger sends nothing more of them.
CREATE TABLE exported (
    campaign       INTEGER PRIMARY KEY REFERENCES campaigns (id),
    exported_at    REAL NOT NULL,
    file           TEXT NOT NULL,
    previous_state TEXT NOT NULL  -- the desired state before the export
) STRICT;

CREATE TRIGGER exported_campaigns_stay_stopped BEFORE UPDATE OF desired_state ON campaigns
WHEN NEW.desired_state = 'go' AND EXISTS (SELECT 1 FROM exported WHERE campaign = NEW.id)
BEGIN
    SELECT RAISE (ABORT, 'an exported campaign is sent from elsewhere');
END;

-- To detect a copy of this file, which would know nothing of what this one sends. Unknown values are empty or 0.
CREATE TABLE identity (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    machine    TEXT NOT NULL,                -- fingerprint of the machine's id
    adapters   TEXT NOT NULL,                -- JSON array: fingerprints of its network adapters
    inode      TEXT NOT NULL,                -- on some file systems too large for INTEGER
    created_ns INTEGER NOT NULL,             -- when the file was made, in Unix nanoseconds
    host       TEXT NOT NULL,                -- for people, like the path
    path       TEXT NOT NULL
) STRICT;
