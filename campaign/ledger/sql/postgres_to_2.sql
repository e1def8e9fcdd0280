-- From version 1: when senders had to wait, and why.

-- When a campaign's senders had to wait though rows were due, and why. Only reports ask for it.
CREATE TABLE campaign.waits (
    campaign bigint NOT NULL,
    why      text COLLATE "C" NOT NULL CHECK (why IN ('throttled', 'trouble', 'hours')),
    since    double precision NOT NULL,
    until    double precision NOT NULL CHECK (until >= since),
    PRIMARY KEY (campaign, why, since)
);

-- Whoever could send before can go on to do so (postgres_role.sql), the ledger's owner among them, whoever brings it to this version.
DO $$
DECLARE role name;
BEGIN
    SELECT g.rolname INTO role FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_roles AS g ON g.oid = c.relowner
    WHERE c.oid = 'campaign.paces'::regclass AND g.rolname <> current_user;
    IF FOUND THEN
        EXECUTE format('ALTER TABLE campaign.waits OWNER TO %I', role);
    END IF;
    FOR role IN
        SELECT DISTINCT g.rolname
        FROM pg_catalog.pg_class AS c, pg_catalog.aclexplode(c.relacl) AS a JOIN pg_catalog.pg_roles AS g ON g.oid = a.grantee
        WHERE c.oid = 'campaign.paces'::regclass AND a.privilege_type = 'UPDATE' AND a.grantee <> c.relowner
    LOOP
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON campaign.waits TO %I', role);
    END LOOP;
END $$;
