-- The ledger in PostgreSQL, version 1. What must always hold is written here as constraints, not only in the code. All of it stands in a
-- schema of its own and is named with it, so that no setting of a session matters.

CREATE SCHEMA campaign;

-- What this is. `identity` tells one ledger from another: runners of one machine find each other's lock files by it.
CREATE TABLE campaign.ledger (
    one      boolean PRIMARY KEY DEFAULT true CHECK (one),
    version  integer NOT NULL,
    identity uuid NOT NULL DEFAULT gen_random_uuid()
);

-- The ledger's time, in Unix seconds: the clock of the database's machine, whoever asks.
CREATE FUNCTION campaign.ledger_now() RETURNS double precision LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT extract(epoch FROM statement_timestamp())::double precision $$;

CREATE TABLE campaign.runners (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign     bigint NOT NULL,
    host         text NOT NULL,
    pid          bigint NOT NULL,
    boot         text NOT NULL DEFAULT '',             -- what tells this boot of its machine from any other; '' where its lock can't be asked
    started_at   double precision NOT NULL,
    lease_until  double precision NOT NULL,
    activity     text NOT NULL,
    ended_at     double precision NOT NULL DEFAULT 0,
    ended        text NOT NULL DEFAULT '',
    quiet        double precision NOT NULL DEFAULT 0,  -- its quiet period, in seconds
    hold         boolean NOT NULL DEFAULT false,       -- what it leaves in doubt waits for a person
    username     text NOT NULL DEFAULT '',
    rows_left    bigint,                               -- when it ended; NULL where that was not counted
    rows_in_need bigint                                -- (same) of a person: failed, unknown, invalid
) WITH (fillfactor = 70);

CREATE INDEX runners_at_work ON campaign.runners (campaign) WHERE ended_at = 0;
CREATE INDEX runners_by_campaign ON campaign.runners (campaign, id);

CREATE TABLE campaign.campaigns (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name           text NOT NULL UNIQUE CHECK (name <> ''),
    list_name      text NOT NULL,
    list_sha256    text NOT NULL,
    message_sha256 text NOT NULL,
    content_sha256 text NOT NULL DEFAULT '',
    columns        text NOT NULL,                      -- JSON array of the list's own column names
    id_column      text NOT NULL,
    settings       text NOT NULL,                      -- JSON object
    control        text NOT NULL CHECK (control IN ('staging', 'go', 'paused', 'cancelled')),
    stager         bigint REFERENCES campaign.runners (id),
    rows           bigint NOT NULL DEFAULT 0,
    created_at     double precision NOT NULL,
    started_at     double precision NOT NULL DEFAULT 0,
    finished_at    double precision NOT NULL DEFAULT 0,
    ended          text NOT NULL DEFAULT '',
    api            text NOT NULL DEFAULT '',           -- where it is sent, once it was
    account        text NOT NULL DEFAULT '',           -- fingerprint of the API and the token that it was last sent with
    zones          text[] NOT NULL DEFAULT '{""}'      -- its rows' time zones
);

-- Whose doubts may keep a campaign's passes waiting.
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
    fence                bigint NOT NULL DEFAULT 0,
    attempts             bigint NOT NULL DEFAULT 0,
    tries                bigint NOT NULL DEFAULT 0,
    claimed_at           double precision NOT NULL DEFAULT 0,
    notification_status  text NOT NULL DEFAULT '',
    notification_message text NOT NULL DEFAULT '',
    http_status          integer,
    error                text NOT NULL DEFAULT '',
    sent_at              double precision NOT NULL DEFAULT 0,
    settled_at           double precision NOT NULL DEFAULT 0,
    latency_seconds      double precision,
    baseline             boolean NOT NULL DEFAULT false,  -- read before the claim's send, and it held baseline_text
    baseline_text        text,
    pass_status          text NOT NULL DEFAULT '',
    device_type          text NOT NULL DEFAULT '',
    zone                 text COLLATE "C" NOT NULL DEFAULT '',
    quiet_until          double precision NOT NULL DEFAULT 0,  -- before then reading the pass proves nothing of the last attempt
    PRIMARY KEY (campaign, row),
    CHECK ((status = 'sending') = (runner IS NOT NULL)),
    CHECK (status <> 'pending' OR due_at IS NOT NULL),
    CHECK (status NOT IN ('pending', 'sending') OR (pass_id <> '' AND message <> ''))
-- Every claim and every settlement leaves an old version behind; if they were collected as seldom as usual, claims would wade through them.
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);

-- Claims take the first due rows of a campaign from it, counts are read off it without touching the rows.
CREATE INDEX rows_by_status ON campaign.rows (campaign, status, zone, due_at, row, reason);

-- Whether a pass has a send in flight or in doubt, in any campaign. Written so that nobody looks for the doubts of one campaign among all.
CREATE INDEX rows_in_doubt ON campaign.rows (pass_key) WHERE status || '' IN ('sending', 'unknown');

CREATE FUNCTION campaign.refuse() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION USING MESSAGE = TG_ARGV[0], ERRCODE = 'integrity_constraint_violation'; END $$;

-- A row changes only as domain/lifecycle.py draws it; a test holds the two together.
CREATE TRIGGER rows_change_as_drawn BEFORE UPDATE OF status ON campaign.rows FOR EACH ROW
WHEN (OLD.status <> NEW.status AND OLD.status || ' ' || NEW.status NOT IN (
    'pending sending', 'pending skipped', 'sending pending', 'sending delivered', 'sending not_delivered', 'sending failed', 'sending unknown',
    'sending skipped', 'unknown accepted', 'unknown pending', 'unknown failed', 'not_delivered pending', 'failed pending', 'invalid pending'))
EXECUTE FUNCTION campaign.refuse('a row can not change like this');

-- Every attempt that ended, in the order it was recorded; of one pass no two are ever recorded at once.
CREATE TABLE campaign.attempts (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign        bigint NOT NULL,
    row             bigint NOT NULL,
    fence           bigint NOT NULL,
    pass_key        text COLLATE "C" NOT NULL,
    runner          bigint NOT NULL,
    status          text COLLATE "C" NOT NULL,
    reason          text COLLATE "C" NOT NULL,
    http_status     integer,
    sent_at         double precision NOT NULL,
    settled_at      double precision NOT NULL,
    latency_seconds double precision,
    message         text                               -- only where it is no longer the row's
);

CREATE INDEX attempts_by_pass ON campaign.attempts (pass_key, id);
CREATE INDEX attempts_by_row ON campaign.attempts (campaign, row, fence);

-- One shared budget per token and endpoint (domain/pace/pacing.py).
CREATE TABLE campaign.paces (
    key          text PRIMARY KEY,
    next_free    double precision NOT NULL,
    share        double precision NOT NULL CHECK (share > 0 AND share <= 1),
    paused_until double precision NOT NULL,
    changed_at   double precision NOT NULL
) WITH (fillfactor = 50);

-- The last transaction of each open connection that writes: after a commit whose answer was lost it tells whether there was one.
CREATE TABLE campaign.writers (
    id   uuid PRIMARY KEY,
    done bigint NOT NULL,
    at   double precision NOT NULL
) WITH (fillfactor = 50);

-- Campaigns whose rows and attempts were removed for good, and (below) how many rows had stood where.
CREATE TABLE campaign.forgotten (
    campaign bigint PRIMARY KEY REFERENCES campaign.campaigns (id),
    at       double precision NOT NULL,
    cleaned  boolean NOT NULL DEFAULT false            -- no page of the tables holds a trace of them
);

CREATE TABLE campaign.forgotten_counts (
    campaign bigint NOT NULL REFERENCES campaign.campaigns (id),
    status   text COLLATE "C" NOT NULL,
    reason   text COLLATE "C" NOT NULL,
    count    bigint NOT NULL,
    PRIMARY KEY (campaign, status, reason)
);

-- Campaigns that were handed over to another ledger, as a file; here nothing of them is sent any more.
CREATE TABLE campaign.exported (
    campaign bigint PRIMARY KEY REFERENCES campaign.campaigns (id),
    at       double precision NOT NULL,
    file     text NOT NULL,
    control  text NOT NULL                             -- what people had asked of it until then
);

CREATE FUNCTION campaign.refuse_to_go() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN
    IF EXISTS (SELECT 1 FROM campaign.exported WHERE campaign = NEW.id) THEN
        RAISE EXCEPTION USING MESSAGE = 'an exported campaign is sent from elsewhere', ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER exported_campaigns_rest BEFORE UPDATE OF control ON campaign.campaigns FOR EACH ROW WHEN (NEW.control = 'go')
EXECUTE FUNCTION campaign.refuse_to_go();

-- Only an owner may analyze a table; whoever may use this one may have it done.
CREATE FUNCTION campaign.analyze() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog
AS $$ BEGIN ANALYZE campaign.rows, campaign.attempts; END $$;
REVOKE ALL ON FUNCTION campaign.analyze() FROM PUBLIC;

INSERT INTO campaign.ledger (version) VALUES (1);
