-- The ledger in PostgreSQL, version 7. Its invariants are constraints here, not only code. Everything is in one schema, and every name is
-- qualified with it, so that no setting of a session matters.

CREATE SCHEMA campaign;

-- The version and identity of the ledger. Runners of one machine find each other's lock files by the identity.
CREATE TABLE campaign.ledger (
    one      boolean PRIMARY KEY DEFAULT true CHECK (one),
    version  integer NOT NULL,
    identity uuid NOT NULL DEFAULT gen_random_uuid()
);

-- To detect a restored dump of this database, which would know nothing of what this one sends. Without a row until the first run.
CREATE TABLE campaign.place (
    one       boolean PRIMARY KEY DEFAULT true CHECK (one),
    system    text NOT NULL,                           -- the server's system identifier; '' if this user may not read it
    database  bigint NOT NULL,                         -- the database's OID
    name      text NOT NULL,                           -- for people
    table_oid bigint NOT NULL DEFAULT 0                -- this table's OID, as a dump may be restored into its own database; 0: not known
);

-- The ledger's time, in Unix seconds: the clock of the database's machine, for every client.
CREATE FUNCTION campaign.ledger_now() RETURNS double precision LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT extract(epoch FROM statement_timestamp())::double precision $$;

CREATE TABLE campaign.runners (
    id                     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign               bigint NOT NULL,
    host                   text NOT NULL,
    pid                    bigint NOT NULL,
    boot                   text NOT NULL DEFAULT '',             -- the id of its machine's boot; '' if it has no lock to check
    started_at             double precision NOT NULL,
    lease_until            double precision NOT NULL,
    activity               text NOT NULL,
    ended_at               double precision NOT NULL DEFAULT 0,
    ended                  text NOT NULL DEFAULT '',
    quiet_seconds          double precision NOT NULL DEFAULT 0,  -- its quiet period, in seconds
    hold_unverified        boolean NOT NULL DEFAULT false,       -- its unknown rows wait for a person
    username               text NOT NULL DEFAULT '',
    rows_left              bigint,                               -- when it ended; NULL: not counted
    rows_needing_attention bigint                                -- (same) failed, unknown, invalid
) WITH (fillfactor = 70);

CREATE INDEX active_runners ON campaign.runners (campaign) WHERE ended_at = 0;
CREATE INDEX runners_by_campaign ON campaign.runners (campaign, id);

CREATE TABLE campaign.campaigns (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name           text NOT NULL UNIQUE CHECK (name <> ''),
    list_name      text NOT NULL,
    list_sha256    text NOT NULL,
    message_sha256 text NOT NULL,
    content_sha256 text NOT NULL DEFAULT '',
    columns        text NOT NULL,                      -- JSON array of the list's column names
    id_column      text NOT NULL,
    settings       text NOT NULL,                      -- JSON object
    desired_state  text NOT NULL CHECK (desired_state IN ('staging', 'go', 'paused', 'cancelled')),
    staging_runner bigint REFERENCES campaign.runners (id),
    rows           bigint NOT NULL DEFAULT 0,
    created_at     double precision NOT NULL,
    started_at     double precision NOT NULL DEFAULT 0,
    finished_at    double precision NOT NULL DEFAULT 0,
    ended          text NOT NULL DEFAULT '',
    api            text NOT NULL DEFAULT '',           -- where it was sent; '' before the first send
    account        text NOT NULL DEFAULT '',           -- fingerprint of the API and the token that it was last sent with
    zones          text[] NOT NULL DEFAULT '{""}',     -- its rows' time zones
    near_ids       boolean NOT NULL DEFAULT true,      -- false: no ids were near, and neither an id nor the exclusions changed since
    retry_after    bigint                              -- the last attempt before the open retry; NULL if none is open
);

-- To find the campaigns whose unverified rows may block a campaign's passes.
CREATE INDEX campaigns_by_account ON campaign.campaigns (account);

-- Passes that a campaign must not be sent to.
CREATE TABLE campaign.exclusions (
    campaign bigint NOT NULL,
    pass_key text COLLATE "C" NOT NULL,
    PRIMARY KEY (campaign, pass_key)
);

CREATE TABLE campaign.rows (
    campaign             bigint NOT NULL,
    row                  bigint NOT NULL CHECK (row > 0),
    pass_id              text NOT NULL,
    pass_key             text COLLATE "C" NOT NULL,    -- equal for every way of writing the same pass id
    message              text NOT NULL,
    cells                text NOT NULL,                -- JSON array, in the order of campaigns.columns
    status               text COLLATE "C" NOT NULL CHECK (status IN ('pending', 'sending', 'delivered', 'not_delivered', 'accepted', 'failed',
                                                                     'unknown', 'skipped', 'invalid')),
    reason               text COLLATE "C" NOT NULL DEFAULT '',
    due_at               double precision,             -- pending: may be sent; unknown: may be read back, NULL: a person decides
    runner               bigint,
    fencing_token        bigint NOT NULL DEFAULT 0,
    attempts             bigint NOT NULL DEFAULT 0,
    counted_attempts     bigint NOT NULL DEFAULT 0,
    claimed_at           double precision NOT NULL DEFAULT 0,
    notification_status  text NOT NULL DEFAULT '',
    notification_message text NOT NULL DEFAULT '',
    http_status          integer,
    error                text NOT NULL DEFAULT '',
    sent_at              double precision NOT NULL DEFAULT 0,
    settled_at           double precision NOT NULL DEFAULT 0,
    latency_seconds      double precision,
    baseline             boolean NOT NULL DEFAULT false,  -- the pass was read before the claim's send, and held baseline_text
    baseline_text        text,
    pass_status          text NOT NULL DEFAULT '',
    device_type          text NOT NULL DEFAULT '',
    zone                 text COLLATE "C" NOT NULL DEFAULT '',
    quiet_until          double precision NOT NULL DEFAULT 0,  -- before then, a reading of the pass proves nothing about the last attempt
    batch                bigint,                       -- the batch that it was last claimed for; NULL: none
    PRIMARY KEY (campaign, row),
    CHECK ((status = 'sending') = (runner IS NOT NULL)),
    CHECK (status <> 'pending' OR due_at IS NOT NULL),
    CHECK (status NOT IN ('pending', 'sending') OR (pass_id <> '' AND message <> ''))
-- Every claim and every settlement leaves a dead row version; if they were vacuumed as rarely as by default, claims would scan them.
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);

-- Claims take the first due rows of a campaign from this index, and counts read it without the rows.
CREATE INDEX rows_by_status ON campaign.rows (campaign, status, zone, due_at, row, reason);

-- Whether a pass has a row in flight or unknown, in any campaign. The || keeps the planner from using it for the unknown rows of one.
CREATE INDEX rows_unverified ON campaign.rows (pass_key) WHERE status || '' IN ('sending', 'unknown');

CREATE FUNCTION campaign.refuse() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION USING MESSAGE = TG_ARGV[0], ERRCODE = 'integrity_constraint_violation'; END $$;

-- A row changes only along the transitions in domain/status.py; a test compares the two.
CREATE TRIGGER rows_follow_transitions BEFORE UPDATE OF status ON campaign.rows FOR EACH ROW
WHEN (OLD.status <> NEW.status AND OLD.status || ' ' || NEW.status NOT IN (
    'pending sending', 'pending skipped', 'pending unknown', 'sending pending', 'sending delivered', 'sending not_delivered', 'sending failed',
    'sending unknown', 'sending skipped', 'unknown accepted', 'unknown pending', 'unknown failed', 'not_delivered pending', 'failed pending',
    'invalid pending'))
EXECUTE FUNCTION campaign.refuse('a row can not change like this');

-- Every attempt that ended, in the order of recording. No two attempts to one pass are ever recorded at once.
CREATE TABLE campaign.attempts (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign        bigint NOT NULL,
    row             bigint NOT NULL,
    fencing_token   bigint NOT NULL,
    pass_key        text COLLATE "C" NOT NULL,
    runner          bigint NOT NULL,
    status          text COLLATE "C" NOT NULL,
    reason          text COLLATE "C" NOT NULL,
    http_status     integer,
    sent_at         double precision NOT NULL,
    settled_at      double precision NOT NULL,
    latency_seconds double precision,
    message         text                               -- NULL: still the row's message
);

CREATE INDEX attempts_by_pass ON campaign.attempts (pass_key, id);
CREATE INDEX attempts_by_row ON campaign.attempts (campaign, row, fencing_token);

-- Rows that are sent together, by the vendor's batches (domain/batches.py).
CREATE TABLE campaign.batches (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign     bigint NOT NULL,
    name         text NOT NULL UNIQUE CHECK (name <> ''),
    entity       text NOT NULL,
    state        text NOT NULL CHECK (state IN ('claimed', 'creating', 'created', 'releasing', 'cancelling', 'ended')),
    claimant     bigint NOT NULL,                      -- the runner that claimed its rows; rows.runner has it
    runner       bigint,                               -- the one that works on it; NULL: nobody
    rows         bigint[] NOT NULL DEFAULT '{}',
    remote_id    text NOT NULL DEFAULT '',             -- the vendor's id
    creates      integer NOT NULL DEFAULT 0,           -- requests that may have created it
    scheduled_at double precision NOT NULL DEFAULT 0,
    released_at  double precision NOT NULL DEFAULT 0,
    CHECK (state <> 'ended' OR runner IS NULL),
    CHECK (state NOT IN ('created', 'releasing', 'cancelling') OR remote_id <> '')
);

CREATE INDEX active_batches ON campaign.batches (campaign) WHERE state <> 'ended';

-- One shared rate per token and endpoint (domain/pace/pacing.py).
CREATE TABLE campaign.rate_limits (
    key          text PRIMARY KEY,
    next_free    double precision NOT NULL,
    rate_factor  double precision NOT NULL CHECK (rate_factor > 0 AND rate_factor <= 1),
    paused_until double precision NOT NULL,
    changed_at   double precision NOT NULL
) WITH (fillfactor = 50);

-- The last transaction of each open connection that writes: if the answer to a commit is lost, it shows whether the commit was made.
CREATE TABLE campaign.writers (
    id   uuid PRIMARY KEY,
    done bigint NOT NULL,
    at   double precision NOT NULL
) WITH (fillfactor = 50);

-- Campaigns that were purged, and (below) how many rows had which status.
CREATE TABLE campaign.purged (
    campaign     bigint PRIMARY KEY REFERENCES campaign.campaigns (id),
    purged_at    double precision NOT NULL,
    rows_deleted boolean NOT NULL DEFAULT false  -- all rows are removed
);

CREATE TABLE campaign.purged_counts (
    campaign bigint NOT NULL REFERENCES campaign.campaigns (id),
    status   text COLLATE "C" NOT NULL,
    reason   text COLLATE "C" NOT NULL,
    count    bigint NOT NULL,
    PRIMARY KEY (campaign, status, reason)
);

-- Campaigns that version 0.1.0 exported to another ledger, as a file. This ledger sends nothing more of them.
CREATE TABLE campaign.exported (
    campaign       bigint PRIMARY KEY REFERENCES campaign.campaigns (id),
    exported_at    double precision NOT NULL,
    file           text NOT NULL,
    previous_state text NOT NULL  -- the desired state before the export
);

CREATE FUNCTION campaign.refuse_exported() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN
    IF EXISTS (SELECT 1 FROM campaign.exported WHERE campaign = NEW.id) THEN
        RAISE EXCEPTION USING MESSAGE = 'an exported campaign is sent from elsewhere', ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER exported_campaigns_stay_stopped BEFORE UPDATE OF desired_state ON campaign.campaigns FOR EACH ROW WHEN (NEW.desired_state = 'go')
EXECUTE FUNCTION campaign.refuse_exported();

-- Only an owner may analyze a table; through this function, other roles of the ledger may, too.
CREATE FUNCTION campaign.analyze() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog
AS $$ BEGIN ANALYZE campaign.rows, campaign.attempts; END $$;
REVOKE ALL ON FUNCTION campaign.analyze() FROM PUBLIC;

INSERT INTO campaign.ledger (version) VALUES (7);
