-- From version 8: what is known of near ids, and where the open retry began.

ALTER TABLE campaigns ADD COLUMN near_ids INTEGER NOT NULL DEFAULT 1;
ALTER TABLE campaigns ADD COLUMN retry_after INTEGER;

-- Whether rows are left by a retry is not known. If they are, it must not send again what it has sent.
UPDATE campaigns SET retry_after = 0
WHERE EXISTS (SELECT 1 FROM rows WHERE campaign = campaigns.id AND (status IN ('pending', 'sending') OR status = 'unknown' AND due_at IS NOT NULL))
  AND EXISTS (SELECT 1 FROM rows WHERE campaign = campaigns.id AND status IN ('pending', 'sending', 'unknown', 'not_delivered') AND attempts > 0);

-- Campaigns of earlier versions can't be told from those of another ledger that sends the same list.
UPDATE campaigns SET settings = json_set(settings, '$.mark', lower(hex(randomblob(8)))) WHERE json_extract(settings, '$.mark') IS NULL;
