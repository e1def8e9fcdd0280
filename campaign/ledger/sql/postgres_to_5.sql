-- From version 4: which database of which server this is. A restored dump knows nothing of what the original sends.

CREATE TABLE campaign.place (
    one      boolean PRIMARY KEY DEFAULT true CHECK (one),
    system   text NOT NULL,
    database bigint NOT NULL,
    name     text NOT NULL
);

-- Whoever could send before can go on to do so (postgres_role.sql), the ledger's owner among them, whoever brings it to this version.
DO $$
DECLARE role name;
BEGIN
    SELECT g.rolname INTO role FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_roles AS g ON g.oid = c.relowner
    WHERE c.oid = 'campaign.paces'::regclass AND g.rolname <> current_user;
    IF FOUND THEN
        EXECUTE format('ALTER TABLE campaign.place OWNER TO %I', role);
    END IF;
    FOR role IN
        SELECT DISTINCT g.rolname
        FROM pg_catalog.pg_class AS c, pg_catalog.aclexplode(c.relacl) AS a JOIN pg_catalog.pg_roles AS g ON g.oid = a.grantee
        WHERE c.oid = 'campaign.paces'::regclass AND a.privilege_type = 'UPDATE' AND a.grantee <> c.relowner
    LOOP
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON campaign.place TO %I', role);
    END LOOP;
END $$;
