-- A role that may run campaigns and nothing else: it can't change the schema, or see another one. The ledger's owner runs this with psql,
-- after a first command of the owner (campaign status is enough) has made the ledger:
--
--     psql -v role=campaign_runner -f postgres_role.sql "postgresql://owner@host/database"
--
-- Then give each person and job that sends a separate login: CREATE ROLE anna LOGIN IN ROLE campaign_runner PASSWORD '...'.
-- Only the owner can upgrade the schema, and run `campaign forget`.

CREATE ROLE :"role" NOLOGIN;

GRANT USAGE ON SCHEMA campaign TO :"role";
GRANT SELECT ON ALL TABLES IN SCHEMA campaign TO :"role";
GRANT INSERT, UPDATE ON campaign.campaigns, campaign.rows, campaign.attempts, campaign.runners, campaign.batches, campaign.rate_limits,
    campaign.writers, campaign.place TO :"role";
GRANT INSERT ON campaign.exclusions TO :"role";
-- For the removal of a staging that did not end, or of a campaign that was never sent.
GRANT DELETE ON campaign.campaigns, campaign.rows, campaign.batches, campaign.attempts, campaign.exclusions, campaign.writers TO :"role";
GRANT EXECUTE ON FUNCTION campaign.ledger_now(), campaign.analyze() TO :"role";
