-- A role that may run campaigns and nothing else: it can't change the schema, or see another one. To be run by the ledger's owner with psql,
-- once a first command of the owner (campaign status is enough) has made the ledger:
--
--     psql -v role=campaign_runner -f postgres_role.sql "postgresql://owner@host/database"
--
-- Then give the people and jobs that send a login of their own: CREATE ROLE anna LOGIN IN ROLE campaign_runner PASSWORD '...'.
-- Upgrades of the schema, and `campaign forget`, stay the owner's.

CREATE ROLE :"role" NOLOGIN;

GRANT USAGE ON SCHEMA campaign TO :"role";
GRANT SELECT ON ALL TABLES IN SCHEMA campaign TO :"role";
GRANT INSERT, UPDATE ON campaign.campaigns, campaign.rows, campaign.attempts, campaign.runners, campaign.paces, campaign.writers TO :"role";
GRANT INSERT ON campaign.exclusions TO :"role";
-- A staging that did not end, and a campaign that was never sent, are removed.
GRANT DELETE ON campaign.campaigns, campaign.rows, campaign.attempts, campaign.exclusions, campaign.writers TO :"role";
GRANT EXECUTE ON FUNCTION campaign.ledger_now(), campaign.analyze() TO :"role";
