-- From version 6: a dump that is restored into the same database has new tables.

ALTER TABLE campaign.place ADD COLUMN table_oid bigint NOT NULL DEFAULT 0;
