-- From version 5: tables, columns, indexes and triggers get the names that the documentation uses.

ALTER TABLE campaign.campaigns RENAME COLUMN control TO desired_state;
ALTER TABLE campaign.campaigns RENAME COLUMN stager TO staging_runner;
ALTER TABLE campaign.rows RENAME COLUMN fence TO fencing_token;
ALTER TABLE campaign.rows RENAME COLUMN tries TO counted_attempts;
ALTER TABLE campaign.attempts RENAME COLUMN fence TO fencing_token;
ALTER TABLE campaign.runners RENAME COLUMN quiet TO quiet_seconds;
ALTER TABLE campaign.runners RENAME COLUMN hold TO hold_unverified;
ALTER TABLE campaign.runners RENAME COLUMN rows_in_need TO rows_needing_attention;
ALTER TABLE campaign.paces RENAME TO rate_limits;
ALTER TABLE campaign.rate_limits RENAME COLUMN share TO rate_factor;
ALTER TABLE campaign.forgotten RENAME TO purged;
ALTER TABLE campaign.purged RENAME COLUMN at TO purged_at;
ALTER TABLE campaign.purged RENAME COLUMN cleaned TO rows_deleted;
ALTER TABLE campaign.forgotten_counts RENAME TO purged_counts;
ALTER TABLE campaign.exported RENAME COLUMN at TO exported_at;
ALTER TABLE campaign.exported RENAME COLUMN control TO previous_state;

ALTER TABLE campaign.campaigns RENAME CONSTRAINT campaigns_control_check TO campaigns_desired_state_check;
ALTER TABLE campaign.campaigns RENAME CONSTRAINT campaigns_stager_fkey TO campaigns_staging_runner_fkey;
ALTER TABLE campaign.rate_limits RENAME CONSTRAINT paces_pkey TO rate_limits_pkey;
ALTER TABLE campaign.rate_limits RENAME CONSTRAINT paces_share_check TO rate_limits_rate_factor_check;
ALTER TABLE campaign.purged RENAME CONSTRAINT forgotten_pkey TO purged_pkey;
ALTER TABLE campaign.purged RENAME CONSTRAINT forgotten_campaign_fkey TO purged_campaign_fkey;
ALTER TABLE campaign.purged_counts RENAME CONSTRAINT forgotten_counts_pkey TO purged_counts_pkey;
ALTER TABLE campaign.purged_counts RENAME CONSTRAINT forgotten_counts_campaign_fkey TO purged_counts_campaign_fkey;

ALTER INDEX campaign.rows_in_doubt RENAME TO rows_unverified;
ALTER INDEX campaign.runners_at_work RENAME TO active_runners;
ALTER INDEX campaign.batches_at_work RENAME TO active_batches;
ALTER TRIGGER exported_campaigns_rest ON campaign.campaigns RENAME TO exported_campaigns_stay_stopped;
ALTER FUNCTION campaign.refuse_to_go() RENAME TO refuse_exported;

-- A row that is sent again and then left out stays unknown, if an earlier attempt may have arrived.
DROP TRIGGER rows_change_as_drawn ON campaign.rows;
CREATE TRIGGER rows_follow_transitions BEFORE UPDATE OF status ON campaign.rows FOR EACH ROW
WHEN (OLD.status <> NEW.status AND OLD.status || ' ' || NEW.status NOT IN (
    'pending sending', 'pending skipped', 'pending unknown', 'sending pending', 'sending delivered', 'sending not_delivered', 'sending failed',
    'sending unknown', 'sending skipped', 'unknown accepted', 'unknown pending', 'unknown failed', 'not_delivered pending', 'failed pending',
    'invalid pending'))
EXECUTE FUNCTION campaign.refuse('a row can not change like this');
