-- From version 6: a dump that is restored into the same database has new tables; what is known of near ids, and where the open retry began.

ALTER TABLE campaign.place ADD COLUMN table_oid bigint NOT NULL DEFAULT 0;
ALTER TABLE campaign.campaigns ADD COLUMN near_ids boolean NOT NULL DEFAULT true, ADD COLUMN retry_after bigint;
