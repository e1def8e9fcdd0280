-- From version 7: tables, columns, indexes and triggers get the names that the documentation uses.

ALTER TABLE campaigns RENAME COLUMN control TO desired_state;
ALTER TABLE campaigns RENAME COLUMN stager TO staging_runner;
ALTER TABLE rows RENAME COLUMN fence TO fencing_token;
ALTER TABLE rows RENAME COLUMN tries TO counted_attempts;
ALTER TABLE attempts RENAME COLUMN fence TO fencing_token;
ALTER TABLE runners RENAME COLUMN quiet TO quiet_seconds;
ALTER TABLE runners RENAME COLUMN hold TO hold_unverified;
ALTER TABLE runners RENAME COLUMN rows_in_need TO rows_needing_attention;
ALTER TABLE paces RENAME TO rate_limits;
ALTER TABLE rate_limits RENAME COLUMN share TO rate_factor;
ALTER TABLE forgotten RENAME TO purged;
ALTER TABLE purged RENAME COLUMN at TO purged_at;
ALTER TABLE purged RENAME COLUMN cleaned TO rows_deleted;
ALTER TABLE forgotten_counts RENAME TO purged_counts;
ALTER TABLE exported RENAME COLUMN at TO exported_at;
ALTER TABLE exported RENAME COLUMN control TO previous_state;

DROP INDEX rows_in_doubt;
CREATE INDEX rows_unverified ON rows (pass_key) WHERE status IN ('sending', 'unknown');
DROP INDEX runners_at_work;
CREATE INDEX active_runners ON runners (campaign) WHERE ended_at = 0;
DROP INDEX batches_at_work;
CREATE INDEX active_batches ON batches (campaign) WHERE state <> 'ended';

DROP TRIGGER rows_change_as_drawn;
CREATE TRIGGER rows_follow_transitions BEFORE UPDATE OF status ON rows
WHEN OLD.status <> NEW.status AND OLD.status || ' ' || NEW.status NOT IN (
    'pending sending', 'pending skipped', 'pending unknown', 'sending pending', 'sending delivered', 'sending not_delivered', 'sending failed',
    'sending unknown', 'sending skipped', 'unknown accepted', 'unknown pending', 'unknown failed', 'not_delivered pending', 'failed pending',
    'invalid pending')
BEGIN
    SELECT RAISE (ABORT, 'a row can not change like this');
END;

DROP TRIGGER exported_campaigns_rest;
CREATE TRIGGER exported_campaigns_stay_stopped BEFORE UPDATE OF desired_state ON campaigns
WHEN NEW.desired_state = 'go' AND EXISTS (SELECT 1 FROM exported WHERE campaign = NEW.id)
BEGIN
    SELECT RAISE (ABORT, 'an exported campaign is sent from elsewhere');
END;
