-- From version 3: rows may be sent in one of the vendor's batches.

ALTER TABLE campaign.rows ADD COLUMN batch bigint;

CREATE TABLE campaign.batches (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign     bigint NOT NULL,
    name         text NOT NULL UNIQUE CHECK (name <> ''),
    entity       text NOT NULL,
    state        text NOT NULL CHECK (state IN ('claimed', 'creating', 'created', 'releasing', 'cancelling', 'ended')),
    claimant     bigint NOT NULL,                      -- the runner that claimed its rows, and stands in them
    runner       bigint,                               -- the one that works on it; NULL: nobody
    rows         bigint[] NOT NULL DEFAULT '{}',
    remote_id    text NOT NULL DEFAULT '',             -- the vendor's
    creates      integer NOT NULL DEFAULT 0,           -- requests that may have created it
    scheduled_at double precision NOT NULL DEFAULT 0,
    released_at  double precision NOT NULL DEFAULT 0,
    CHECK (state <> 'ended' OR runner IS NULL),
    CHECK (state NOT IN ('created', 'releasing', 'cancelling') OR remote_id <> '')
);

CREATE INDEX batches_at_work ON campaign.batches (campaign) WHERE state <> 'ended';

-- Whoever could send before can go on to do so (postgres_role.sql), the ledger's owner among them, whoever brings it to this version.
DO $$
DECLARE role name;
BEGIN
    SELECT g.rolname INTO role FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_roles AS g ON g.oid = c.relowner
    WHERE c.oid = 'campaign.paces'::regclass AND g.rolname <> current_user;
    IF FOUND THEN
        EXECUTE format('ALTER TABLE campaign.batches OWNER TO %I', role);
    END IF;
    FOR role IN
        SELECT DISTINCT g.rolname
        FROM pg_catalog.pg_class AS c, pg_catalog.aclexplode(c.relacl) AS a JOIN pg_catalog.pg_roles AS g ON g.oid = a.grantee
        WHERE c.oid = 'campaign.paces'::regclass AND a.privilege_type = 'UPDATE' AND a.grantee <> c.relowner
    LOOP
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON campaign.batches TO %I', role);
    END LOOP;
END $$;
