-- From version 6: a dump that is restored into the same database has new tables; what is known of near ids, and where the open retry began.

ALTER TABLE campaign.place ADD COLUMN table_oid bigint NOT NULL DEFAULT 0;
ALTER TABLE campaign.campaigns ADD COLUMN near_ids boolean NOT NULL DEFAULT true, ADD COLUMN retry_after bigint;

-- Whether rows are left by a retry is not known. If they are, it must not send again what it has sent.
UPDATE campaign.campaigns SET retry_after = 0
WHERE EXISTS (SELECT 1 FROM campaign.rows AS r WHERE r.campaign = campaigns.id
              AND (r.status IN ('pending', 'sending') OR r.status = 'unknown' AND r.due_at IS NOT NULL))
  AND EXISTS (SELECT 1 FROM campaign.rows AS r WHERE r.campaign = campaigns.id
              AND r.status IN ('pending', 'sending', 'unknown', 'not_delivered') AND r.attempts > 0);

-- Campaigns of earlier versions can't be told from those of another ledger that sends the same list.
-- As text, because jsonb refuses the names of files that are no UTF-8.
UPDATE campaign.campaigns
SET settings = '{"mark": "' || gen_random_uuid() || CASE settings WHEN '{}' THEN '"}' ELSE '", ' || substr(settings, 2) END
WHERE settings NOT LIKE '%"mark": "%';
