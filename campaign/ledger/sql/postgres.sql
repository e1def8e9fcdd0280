-- Every statement of the PostgreSQL ledger, by name. Every time is the database's, by campaign.ledger_now().
--
-- Transactions run concurrently, at READ COMMITTED whatever the database's default, so each statement sees what was committed before it
-- began. Three kinds of locks give what SQLite has by itself. They are taken in this order, and the database releases them at the end of
-- the transaction:
--   1. lock_claims: one claim at a time, as two could take rows of one pass without seeing each other;
--   2. lock_campaign: shared by statements that may bring a row back to pending, exclusive for those that change the campaign itself;
--   3. the runner's row: a claim shares it, so that a runner that is deregistered or reaped meanwhile gets no row, which would
--      stay `sending`.
--
-- Where a row's number or pass is known, other columns are written as (status || '') or (campaign + 0), which no index has. Each row leaves
-- a dead entry in the index under each status that it ever had, and a planner with old statistics would scan all of them.

-- name: lock_claims
-- Returns whether a dump was restored into this database since the last run began.
SELECT EXISTS (SELECT 1 FROM campaign.place WHERE table_oid NOT IN (0, 'campaign.place'::regclass::oid::bigint)),
       pg_advisory_xact_lock(1128353104, 0);

-- name: lock_campaign
SELECT pg_advisory_xact_lock(1128353104, (%(campaign)s::bigint %% 1000000000)::integer + 1);

-- name: share_campaign
SELECT pg_advisory_xact_lock_shared(1128353104, (%(campaign)s::bigint %% 1000000000)::integer + 1);

-- name: lock_retries
SELECT pg_advisory_xact_lock(1128353105, (%(campaign)s::bigint %% 1000000000)::integer + 1);

-- name: begin
-- In one message. A transaction whose client is gone or frozen must not keep others from their leases. The writer's row stays locked until
-- the transaction is over, whatever its end: a reader with `done` waits for that. Returned is what was there before.
BEGIN ISOLATION LEVEL READ COMMITTED;
SET LOCAL idle_in_transaction_session_timeout = {idle_ms};
SET LOCAL lock_timeout = {idle_ms};
-- Set explicitly, whatever the server's default: a claim that a crash could undo would be sent twice.
SET LOCAL synchronous_commit = on;
INSERT INTO campaign.writers (id, done, at) VALUES ('{writer}', {number}, campaign.ledger_now())
ON CONFLICT (id) DO UPDATE SET done = EXCLUDED.done, at = EXCLUDED.at
RETURNING (SELECT before.done FROM campaign.writers AS before WHERE before.id = '{writer}');

-- name: seek
-- For statements that run all the time: each finds a few rows by their numbers, even if the table was empty when the planner last
-- analyzed it.
SET LOCAL enable_seqscan = off;
SET LOCAL random_page_cost = 1;

-- name: done
INSERT INTO campaign.writers (id, done, at) VALUES (%(writer)s, 0, campaign.ledger_now())
ON CONFLICT (id) DO UPDATE SET at = EXCLUDED.at
RETURNING done;

-- name: delete_writer
DELETE FROM campaign.writers WHERE id = %(writer)s;

-- name: delete_old_writers
-- Rows of killed processes: a row is only read within seconds of its last change.
DELETE FROM campaign.writers WHERE at < campaign.ledger_now() - 86400;

-- name: set_version
UPDATE campaign.ledger SET version = %(version)s;

-- name: identity
SELECT identity::text FROM campaign.ledger;

-- name: place
SELECT system, database, table_oid, name FROM campaign.place;

-- name: set_place
INSERT INTO campaign.place (system, database, table_oid, name) VALUES (%(system)s, %(database)s, %(table_oid)s, %(name)s)
ON CONFLICT (one) DO UPDATE SET system = EXCLUDED.system, database = EXCLUDED.database, table_oid = EXCLUDED.table_oid, name = EXCLUDED.name;

-- name: forget_place
-- No table has this OID, so that the ledger counts as restored, for everybody, until somebody says that it is the one.
UPDATE campaign.place SET table_oid = -1;

-- name: database
-- A dump that is restored into the same database makes its tables again, with other OIDs.
SELECT oid::bigint, 'campaign.place'::regclass::oid::bigint FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database();

-- name: may_read_system
SELECT coalesce(pg_catalog.has_function_privilege(pg_catalog.to_regprocedure('pg_catalog.pg_control_system()')::oid, 'EXECUTE'), false);

-- name: system
SELECT system_identifier::text FROM pg_catalog.pg_control_system();

-- name: last_run
-- A runner that was killed never ended, but its lease did.
SELECT coalesce(max(greatest(started_at, ended_at, least(lease_until, campaign.ledger_now()))), 0) FROM campaign.runners;

-- name: campaign_by_name
SELECT c.*, coalesce((SELECT purged_at FROM campaign.purged WHERE campaign = c.id), 0),
       coalesce((SELECT exported_at FROM campaign.exported WHERE campaign = c.id), 0),
       coalesce((SELECT file FROM campaign.exported WHERE campaign = c.id), ''), c.account, c.api
FROM campaign.campaigns AS c WHERE c.name = %(name)s;

-- name: campaigns
SELECT c.*, coalesce((SELECT purged_at FROM campaign.purged WHERE campaign = c.id), 0),
       coalesce((SELECT exported_at FROM campaign.exported WHERE campaign = c.id), 0),
       coalesce((SELECT file FROM campaign.exported WHERE campaign = c.id), ''), c.account, c.api
FROM campaign.campaigns AS c ORDER BY c.id DESC;

-- name: create_campaign
-- Returns no row if the name is taken, also if another process takes it at this moment.
INSERT INTO campaign.campaigns (name, list_name, list_sha256, message_sha256, columns, id_column, settings, desired_state, staging_runner,
                                created_at)
VALUES (%(name)s, %(list_name)s, %(list_sha256)s, %(message_sha256)s, %(columns)s, %(id_column)s, %(settings)s, 'staging',
        %(staging_runner)s, campaign.ledger_now())
ON CONFLICT (name) DO NOTHING
RETURNING id;

-- name: stage
COPY campaign.rows (campaign, row, pass_id, pass_key, message, cells, status, reason, due_at, notification_status, notification_message,
                    http_status, error, attempts, sent_at, settled_at, latency_seconds, zone) FROM STDIN;

-- name: stage_attempts
COPY campaign.attempts (campaign, row, fencing_token, pass_key, runner, status, reason, http_status, sent_at, settled_at, latency_seconds)
FROM STDIN;

-- name: mark_duplicates
-- The first row that can be sent, or was, is the one of its pass. The sorter spills to disk, so memory stays flat.
UPDATE campaign.rows AS r SET status = 'skipped', reason = 'duplicate', due_at = NULL
FROM (
    SELECT row, status, row_number() OVER (PARTITION BY pass_key ORDER BY status = 'pending', row) AS place
    FROM campaign.rows WHERE campaign = %(campaign)s AND status NOT IN ({WITHOUT_MESSAGE})
) AS d
WHERE r.campaign = %(campaign)s AND r.row = d.row AND r.status || '' = 'pending' AND d.place > 1 AND d.status = 'pending';

-- name: set_quiet_until
-- Rows of a results file: another ledger, or its batch, may have sent them a moment ago. As `verdict.quiet_after`.
UPDATE campaign.rows
SET quiet_until = campaign.ledger_now() + greatest(%(quiet_seconds)s, least(coalesce(latency_seconds, 0.0), %(longest_request_seconds)s))
WHERE campaign = %(campaign)s AND status = 'unknown';

-- name: finish_staging
UPDATE campaign.campaigns
SET desired_state = 'go', staging_runner = NULL, content_sha256 = %(content_sha256)s,
    near_ids = %(near_ids)s,
    rows = (SELECT count(*) FROM campaign.rows WHERE campaign = %(campaign)s),
    zones = (SELECT coalesce(array_agg(zone ORDER BY zone), '{}')
             FROM (SELECT DISTINCT zone FROM campaign.rows WHERE campaign = %(campaign)s) AS z)
WHERE id = %(campaign)s AND desired_state = 'staging' AND staging_runner = %(staging_runner)s
RETURNING id;

-- name: analyze
-- Settlements are several times slower while the planner takes the table for empty.
SELECT campaign.analyze();

-- name: begin_deletion
-- From here on the campaign counts as one whose staging did not end: a kill before its last row is gone leaves nothing that can be sent.
UPDATE campaign.campaigns SET desired_state = 'staging', staging_runner = NULL
WHERE id = %(campaign)s AND desired_state IN ('go', 'cancelled') AND started_at = 0
  AND NOT EXISTS (SELECT 1 FROM campaign.rows WHERE campaign = %(campaign)s
                  AND status IN ({BEGUN}))
  AND NOT EXISTS (SELECT 1 FROM campaign.attempts WHERE campaign = %(campaign)s)
RETURNING id;

-- name: discard_rows
DELETE FROM campaign.rows
WHERE campaign = %(campaign)s AND row = ANY (ARRAY(SELECT row FROM campaign.rows WHERE campaign = %(campaign)s LIMIT %(limit)s))
  AND EXISTS (SELECT 1 FROM campaign.campaigns WHERE id = %(campaign)s AND desired_state = 'staging')
RETURNING 1;

-- name: renew_staging_runner
UPDATE campaign.runners SET lease_until = campaign.ledger_now() + %(lease)s
WHERE ended_at = 0 AND id = (SELECT staging_runner FROM campaign.campaigns WHERE id = %(campaign)s AND desired_state = 'staging')
RETURNING id;

-- name: staging_runner
SELECT staging_runner FROM campaign.campaigns WHERE id = %(campaign)s;

-- name: staging_runners
SELECT r.id, r.boot, r.lease_until < campaign.ledger_now(), r.ended_at
FROM campaign.campaigns AS c JOIN campaign.runners AS r ON r.id = c.staging_runner
WHERE c.id = %(campaign)s AND c.desired_state = 'staging';

-- name: discard_campaign
DELETE FROM campaign.campaigns WHERE id = %(campaign)s AND desired_state = 'staging' RETURNING id;

-- name: discard_attempts
DELETE FROM campaign.attempts WHERE campaign = %(campaign)s;

-- name: discard_exclusions
DELETE FROM campaign.exclusions WHERE campaign = %(campaign)s;

-- name: register_runner
INSERT INTO campaign.runners (campaign, host, pid, boot, username, started_at, lease_until, activity, quiet_seconds, hold_unverified)
VALUES (%(campaign)s, %(host)s, %(pid)s, %(boot)s, %(username)s, campaign.ledger_now(), campaign.ledger_now() + %(lease)s, %(activity)s,
        %(quiet_seconds)s, %(hold_unverified)s)
RETURNING id;

-- name: without_process_lock
UPDATE campaign.runners SET boot = '' WHERE id = %(runner)s;

-- name: assign_campaign
UPDATE campaign.runners SET campaign = %(campaign)s WHERE id = %(runner)s;

-- name: start_campaign
-- Not a campaign that is being deleted, which has no staging runner. The API may change if no message was ever sent, and nobody else sends the
-- campaign: the address may have been a mistake.
UPDATE campaign.campaigns
SET started_at = CASE WHEN started_at = 0 THEN campaign.ledger_now() ELSE started_at END, finished_at = 0, ended = '', account = %(account)s,
    api = CASE WHEN api = ''
                    OR NOT EXISTS (SELECT 1 FROM campaign.attempts WHERE campaign = %(campaign)s)
                       AND NOT EXISTS (SELECT 1 FROM campaign.rows WHERE campaign = %(campaign)s AND status = 'sending')
                       AND NOT EXISTS (SELECT 1 FROM campaign.runners WHERE campaign = %(campaign)s AND ended_at = 0 AND id <> %(runner)s)
               THEN %(api)s ELSE api END
WHERE id = %(campaign)s AND NOT (desired_state = 'staging' AND staging_runner IS NULL)
RETURNING api;

-- name: heartbeat
UPDATE campaign.runners SET lease_until = campaign.ledger_now() + %(lease)s, activity = %(activity)s
WHERE id = %(runner)s AND ended_at + 0 = 0
RETURNING id;

-- name: deregister_runner
UPDATE campaign.runners SET ended_at = campaign.ledger_now(), ended = %(ended)s, activity = '' WHERE id = %(runner)s AND ended_at + 0 = 0;

-- name: end_campaign
UPDATE campaign.campaigns
SET ended = %(ended)s,
    finished_at = CASE WHEN desired_state <> 'cancelled'
                            AND EXISTS (SELECT 1 FROM campaign.rows WHERE campaign = %(campaign)s
                                        AND status IN ({OPEN}, 'unknown') AND (status <> 'unknown' OR due_at IS NOT NULL))
                  THEN 0 ELSE campaign.ledger_now() END
WHERE id = %(campaign)s;

-- name: record_rows_left
-- No run of a cancelled campaign reads its unknown rows back.
UPDATE campaign.runners
SET rows_left = (SELECT count(*) FROM campaign.rows WHERE campaign = %(campaign)s
                 AND status IN ({OPEN}, 'unknown')
                 AND (status <> 'unknown' OR due_at IS NOT NULL
                      AND EXISTS (SELECT 1 FROM campaign.campaigns WHERE id = %(campaign)s AND desired_state <> 'cancelled'))),
    rows_needing_attention = (SELECT count(*) FROM campaign.rows WHERE campaign = %(campaign)s AND status IN ({NEEDS_ATTENTION}))
WHERE id = %(runner)s;

-- name: active_runners
SELECT id, campaign, boot, lease_until < campaign.ledger_now() FROM campaign.runners WHERE ended_at = 0;

-- name: runners
SELECT id, campaign, host, pid, username, started_at, boot, lease_until < campaign.ledger_now(), activity, ended_at, ended, rows_left,
       rows_needing_attention
FROM campaign.runners WHERE campaign = %(campaign)s ORDER BY id DESC;

-- name: reap
-- Checks the end of the lease again: a runner that renewed it meanwhile is alive.
UPDATE campaign.runners SET ended_at = campaign.ledger_now(), ended = 'lost', activity = ''
WHERE ended_at = 0 AND (id = ANY (%(cut)s::bigint[]) OR id = ANY (%(late)s::bigint[]) AND lease_until < campaign.ledger_now())
RETURNING id, campaign, greatest(quiet_seconds, %(quiet_seconds)s), hold_unverified;

-- name: mark_unknown
WITH lost AS (
    UPDATE campaign.rows
    SET status = 'unknown', reason = 'lost', runner = NULL,
        due_at = CASE WHEN %(hold_unverified)s THEN NULL ELSE campaign.ledger_now() + %(quiet_seconds)s END,
        quiet_until = campaign.ledger_now() + %(quiet_seconds)s, attempts = attempts + 1, sent_at = claimed_at,
            settled_at = campaign.ledger_now(),
        latency_seconds = NULL, http_status = NULL,
        error = 'the process that sent it ended before the answer was recorded'
    -- Rows of a batch are found again through the batch.
    WHERE campaign = %(campaign)s AND status = 'sending' AND runner = %(runner)s AND batch IS NULL
    RETURNING row, fencing_token, pass_key, claimed_at
)
INSERT INTO campaign.attempts (campaign, row, fencing_token, pass_key, runner, status, reason, sent_at, settled_at)
SELECT %(campaign)s, row, fencing_token, pass_key, %(runner)s, 'unknown', 'lost', claimed_at, campaign.ledger_now() FROM lost
RETURNING 1;

-- name: may_claim
-- In a separate statement before the claim, so that the claim sees the changes that this one waits for.
SELECT c.zones FROM campaign.runners AS r JOIN campaign.campaigns AS c ON c.id = %(campaign)s
WHERE r.id = %(runner)s AND r.ended_at + 0 = 0 AND c.desired_state = 'go'
FOR SHARE OF r;

-- name: claim
-- The first due rows of a zone (or of chosen rows), each claimed or skipped. A pass of another API or account is another pass, even with
-- the same id. A row is skipped if its pass is excluded; if another row of the campaign has sent it the message, or may have; or if it has
-- reached the daily cap through this API. The cap counts unknown messages, and those that another token has under way. Of two rows of one
-- pass the second stays pending.
WITH due AS MATERIALIZED (
    SELECT r.row, r.pass_key, r.attempts, r.quiet_until FROM campaign.rows AS r
    WHERE r.campaign = %(campaign)s AND r.status = 'pending' AND r.zone = %(zone)s AND r.due_at <= campaign.ledger_now()
      AND (%(only)s::bigint[] IS NULL OR r.row = ANY (%(only)s::bigint[]))
      AND NOT EXISTS (SELECT 1 FROM campaign.rows AS o JOIN campaign.campaigns AS c ON c.id = o.campaign
                      WHERE o.pass_key = r.pass_key AND o.status || '' IN ('sending', 'unknown')
                        AND (o.status = 'sending' OR o.due_at IS NOT NULL)
                        AND c.account = (SELECT account FROM campaign.campaigns WHERE id = %(campaign)s)
                      -- OFFSET 0 prevents a join of all unknown rows with all due ones, which gets slow with many of both.
                      OFFSET 0)
    ORDER BY CASE WHEN %(only)s::bigint[] IS NULL THEN r.due_at END, r.row LIMIT %(limit)s
    FOR UPDATE OF r SKIP LOCKED
), checked AS MATERIALIZED (
    SELECT d.row, d.pass_key, CASE
        WHEN EXISTS (SELECT 1 FROM campaign.exclusions AS e WHERE e.campaign = %(campaign)s AND e.pass_key = d.pass_key) THEN 'excluded'
        WHEN EXISTS (SELECT 1 FROM campaign.attempts AS a WHERE a.pass_key = d.pass_key AND a.campaign + 0 = %(campaign)s AND a.row <> d.row
                     AND a.status IN ({MAY_HAVE_ARRIVED}) OFFSET 0) THEN 'duplicate'
        WHEN %(cap)s > 0 AND (
            SELECT count(*) FROM campaign.attempts AS a JOIN campaign.campaigns AS c ON c.id = a.campaign + 0
            WHERE a.pass_key = d.pass_key AND a.status IN ('delivered', 'accepted', 'unknown')
              AND a.sent_at > campaign.ledger_now() - %(cap_seconds)s
              AND c.api IN ('', (SELECT api FROM campaign.campaigns WHERE id = %(campaign)s))
        ) + (
            SELECT count(*) FROM campaign.rows AS o JOIN campaign.campaigns AS c ON c.id = o.campaign + 0
            WHERE o.pass_key = d.pass_key AND o.status || '' IN ('sending', 'unknown') AND o.status || '' = 'sending'
              AND o.campaign + 0 <> %(campaign)s AND c.api = (SELECT api FROM campaign.campaigns WHERE id = %(campaign)s)
        ) >= %(cap)s THEN 'frequency_cap'
    END AS why_not, (d.attempts > 0 OR d.quiet_until > 0) AND EXISTS (
        -- A row that another ledger was sending has a quiet period, and no attempt that ended.
        SELECT 1 FROM campaign.attempts AS a WHERE a.campaign = %(campaign)s AND a.row = d.row AND a.status = 'unknown' AND a.message IS NULL
        OFFSET 0
    ) AS may_have_arrived
    FROM due AS d
), chosen AS (
    SELECT row, why_not, may_have_arrived, row_number() OVER (PARTITION BY pass_key, why_not IS NULL ORDER BY row) AS place FROM checked
)
UPDATE campaign.rows AS r
SET status = CASE WHEN why_not IS NULL THEN 'sending' WHEN may_have_arrived THEN 'unknown' ELSE 'skipped' END,
    reason = CASE WHEN why_not IS NULL THEN '' WHEN may_have_arrived THEN 'earlier_attempt' ELSE why_not END,
    runner = CASE WHEN why_not IS NULL THEN %(runner)s::bigint END, fencing_token = fencing_token + 1, claimed_at = campaign.ledger_now(),
        due_at = NULL,
    baseline = false, baseline_text = NULL, batch = %(batch)s::bigint
FROM chosen AS c
WHERE r.campaign = %(campaign)s AND r.row = c.row AND (c.why_not IS NOT NULL OR c.place = 1)
RETURNING r.row, r.fencing_token, r.pass_id, r.message, r.attempts, r.counted_attempts, r.zone, r.http_status,
    c.may_have_arrived, r.status;

-- name: zones
SELECT zones FROM campaign.campaigns WHERE id = %(campaign)s;

-- name: compare_ids_again
UPDATE campaign.campaigns SET near_ids = true WHERE id = %(campaign)s AND NOT near_ids;

-- name: exclude
INSERT INTO campaign.exclusions (campaign, pass_key) SELECT %(campaign)s, unnest(%(pass_keys)s::text[]) ON CONFLICT DO NOTHING;

-- name: apply_exclusions
-- A row that is sent again although an earlier attempt may have arrived stays unknown; here and below.
UPDATE campaign.rows AS r SET due_at = NULL, (status, reason) = (
    SELECT CASE WHEN count(*) > 0 THEN 'unknown' ELSE 'skipped' END, CASE WHEN count(*) > 0 THEN 'earlier_attempt' ELSE 'excluded' END
    FROM campaign.attempts AS a
    WHERE (r.attempts > 0 OR r.quiet_until > 0) AND a.campaign = r.campaign AND a.row = r.row AND a.status = 'unknown' AND a.message IS NULL
)
WHERE r.campaign = %(campaign)s AND r.status = 'pending'
  AND EXISTS (SELECT 1 FROM campaign.exclusions AS e WHERE e.campaign = %(campaign)s AND e.pass_key = r.pass_key)
RETURNING 1;

-- name: skip_rows
UPDATE campaign.rows AS r SET due_at = NULL, (status, reason) = (
    SELECT CASE WHEN count(*) > 0 THEN 'unknown' ELSE 'skipped' END, CASE WHEN count(*) > 0 THEN 'earlier_attempt' ELSE %(reason)s::text END
    FROM campaign.attempts AS a
    WHERE (r.attempts > 0 OR r.quiet_until > 0) AND a.campaign = r.campaign AND a.row = r.row AND a.status = 'unknown' AND a.message IS NULL
)
WHERE campaign = %(campaign)s AND row = ANY (%(rows)s) AND status = 'pending' RETURNING 1;

-- name: skip_pending
UPDATE campaign.rows AS r SET due_at = NULL, (status, reason) = (
    SELECT CASE WHEN count(*) > 0 THEN 'unknown' ELSE 'skipped' END, CASE WHEN count(*) > 0 THEN 'earlier_attempt' ELSE %(reason)s::text END
    FROM campaign.attempts AS a
    WHERE (r.attempts > 0 OR r.quiet_until > 0) AND a.campaign = r.campaign AND a.row = r.row AND a.status = 'unknown' AND a.message IS NULL
)
WHERE campaign = %(campaign)s AND status = 'pending' RETURNING 1;

-- name: unfinished
SELECT EXISTS (SELECT 1 FROM campaign.rows WHERE campaign = %(campaign)s AND row = ANY (%(only)s::bigint[])
               AND (status || '' IN ({OPEN}) OR status || '' = 'unknown' AND due_at IS NOT NULL));

-- name: pending_zones
SELECT z.zone FROM (SELECT unnest(zones) AS zone FROM campaign.campaigns WHERE id = %(campaign)s) AS z
WHERE EXISTS (SELECT 1 FROM campaign.rows WHERE campaign = %(campaign)s AND status = 'pending' AND zone = z.zone);

-- name: pending_zones_of
SELECT DISTINCT zone FROM campaign.rows
WHERE campaign = %(campaign)s AND row = ANY (%(only)s::bigint[]) AND status || '' = 'pending';

-- name: next_rows
-- Rows under way may be another process's: the caller waits for them, so they count.
SELECT row FROM campaign.rows
WHERE campaign = %(campaign)s AND status IN ('sending', 'unknown', 'pending') AND (status <> 'unknown' OR due_at IS NOT NULL)
  AND (status <> 'pending' OR zone = ANY (%(zones)s::text[])) AND (%(only)s::bigint[] IS NULL OR row = ANY (%(only)s::bigint[]))
ORDER BY status = 'pending', row LIMIT %(limit)s;

-- name: sendable_rows
SELECT row FROM campaign.rows
WHERE campaign = %(campaign)s AND status <> 'invalid' AND NOT (status = 'skipped' AND reason IN ('duplicate', 'excluded'));

-- name: release
UPDATE campaign.rows AS r SET status = 'pending', runner = NULL, due_at = campaign.ledger_now()
FROM unnest(%(rows)s::bigint[], %(fencing_tokens)s::bigint[]) AS g (row, fencing_token)
WHERE r.campaign = %(campaign)s AND r.row = g.row AND r.fencing_token = g.fencing_token AND r.runner + 0 = %(runner)s
  AND r.status || '' = 'sending';

-- name: settle
-- An answer without a notification says nothing of the one before: its pass still holds the message, which another ledger must know.
WITH given AS (
    SELECT * FROM unnest(
        %(row)s::bigint[], %(fencing_token)s::bigint[], %(status)s::text[], %(reason)s::text[], %(due_in)s::double precision[],
        %(attempts)s::bigint[],
        %(counted_attempts)s::bigint[], %(notification_status)s::text[], %(notification_message)s::text[], %(http_status)s::integer[],
        %(error)s::text[],
        %(sent_at)s::double precision[], %(settled_at)s::double precision[], %(latency_seconds)s::double precision[], %(pass_status)s::text[],
        %(device_type)s::text[], %(noted_as)s::text[], %(quiet_seconds)s::double precision[]
    ) AS g (row, fencing_token, status, reason, due_in, attempts, counted_attempts, notification_status, notification_message, http_status,
            error, sent_at,
            settled_at, latency_seconds, pass_status, device_type, noted_as, quiet_seconds)
), changed AS (
    UPDATE campaign.rows AS r
    SET status = g.status, reason = g.reason, due_at = campaign.ledger_now() + g.due_in, quiet_until = campaign.ledger_now() + g.quiet_seconds,
        runner = NULL, attempts = g.attempts, counted_attempts = g.counted_attempts,
        notification_status = CASE g.notification_status WHEN '' THEN r.notification_status ELSE g.notification_status END,
        notification_message = CASE g.notification_status WHEN '' THEN r.notification_message ELSE g.notification_message END,
        http_status = g.http_status, error = g.error, sent_at = g.sent_at,
        settled_at = g.settled_at, latency_seconds = g.latency_seconds, pass_status = coalesce(nullif(g.pass_status, ''), r.pass_status),
        device_type = coalesce(nullif(g.device_type, ''), r.device_type)
    FROM given AS g
    WHERE r.campaign = %(campaign)s AND r.row = g.row AND r.fencing_token = g.fencing_token AND r.runner + 0 = %(runner)s
      AND r.status || '' = 'sending'
    RETURNING r.row, r.fencing_token, r.pass_key, g.noted_as, g.reason, g.http_status, g.sent_at, g.settled_at, g.latency_seconds
)
INSERT INTO campaign.attempts (campaign, row, fencing_token, pass_key, runner, status, reason, http_status, sent_at, settled_at, latency_seconds)
SELECT %(campaign)s, row, fencing_token, pass_key, %(runner)s, noted_as, reason, http_status, sent_at, settled_at, latency_seconds FROM changed
RETURNING row, fencing_token;

-- name: begin_batch
INSERT INTO campaign.batches (campaign, name, entity, state, claimant, runner)
VALUES (%(campaign)s, %(name)s, %(entity)s, 'claimed', %(runner)s, %(runner)s)
RETURNING id;

-- name: fill_batch
UPDATE campaign.batches SET rows = %(rows)s::bigint[] WHERE id = %(batch)s;

-- name: delete_batch
DELETE FROM campaign.batches WHERE id = %(batch)s;

-- name: may_assign_campaign
-- In a separate statement, like `may_claim`. Nobody would find the batches of a runner that adopts them after it was reaped.
SELECT 1 FROM campaign.runners WHERE id = %(runner)s AND ended_at = 0 FOR SHARE;

-- name: adopt_batches
UPDATE campaign.batches SET runner = %(runner)s WHERE campaign = %(campaign)s AND state <> 'ended' AND runner IS NULL;

-- name: unassign_batches
UPDATE campaign.batches SET runner = NULL WHERE campaign = %(campaign)s AND state <> 'ended' AND runner = %(runner)s;

-- name: batches
SELECT id, campaign, name, entity, state, cardinality(rows), remote_id, creates, scheduled_at, released_at, runner IS NOT NULL
FROM campaign.batches
WHERE campaign = %(campaign)s AND state <> 'ended' AND (%(runner)s = 0 OR runner = %(runner)s) ORDER BY id;

-- name: held_passes
-- The account's other campaigns in whose batches the passes of pending rows are, and whether a process works on them. Only batches may last
-- for ever: other rows that are being sent become unknown once their runner is dead, and those that are read back come to an end.
SELECT (SELECT count(*) FROM campaign.rows WHERE campaign = %(campaign)s AND status = 'pending'
        AND (%(only)s::bigint[] IS NULL OR row = ANY (%(only)s::bigint[]))), c.name, h.rows,
       EXISTS (SELECT 1 FROM campaign.runners WHERE campaign = c.id AND ended_at = 0), c.desired_state
FROM (SELECT o.campaign, count(*) AS rows
      FROM campaign.rows AS r
      CROSS JOIN LATERAL (SELECT campaign FROM campaign.rows
                          WHERE pass_key = r.pass_key AND status || '' IN ('sending', 'unknown') AND status || '' = 'sending'
                            AND batch IS NOT NULL AND campaign + 0 <> %(campaign)s OFFSET 0) AS o
      WHERE r.campaign = %(campaign)s AND r.status = 'pending' AND (%(only)s::bigint[] IS NULL OR r.row = ANY (%(only)s::bigint[]))
      GROUP BY o.campaign) AS h
JOIN campaign.campaigns AS c ON c.id = h.campaign
WHERE c.account = (SELECT account FROM campaign.campaigns WHERE id = %(campaign)s)
ORDER BY c.id;

-- name: unidentified_batches
SELECT name FROM campaign.batches
WHERE campaign = %(campaign)s AND state = 'ended' AND creates > (remote_id <> '')::int AND scheduled_at > %(since)s ORDER BY id;

-- name: record_batch
UPDATE campaign.batches
SET state = %(state)s, remote_id = %(remote_id)s, creates = %(creates)s, scheduled_at = %(scheduled_at)s, released_at = %(released_at)s,
    runner = CASE WHEN %(state)s = 'ended' THEN NULL ELSE runner END
WHERE id = %(batch)s AND runner = %(runner)s AND state <> 'ended'
RETURNING id;

-- name: claimant
-- Locks the batch, so that nobody takes it over before the rest of the transaction.
SELECT claimant FROM campaign.batches WHERE id = %(batch)s AND runner = %(runner)s AND state <> 'ended' FOR UPDATE;

-- name: batch_claims
-- The rows that have no outcome yet.
SELECT r.row, r.fencing_token, r.pass_id, r.message, r.attempts, r.counted_attempts, r.zone, r.http_status,
       (r.attempts > 0 OR r.quiet_until > 0)
           AND EXISTS (SELECT 1 FROM campaign.attempts AS a
                       WHERE a.campaign = r.campaign AND a.row = r.row AND a.status = 'unknown' AND a.message IS NULL)
FROM campaign.batches AS b CROSS JOIN unnest(b.rows) AS n (row) JOIN campaign.rows AS r ON r.campaign = b.campaign AND r.row = n.row
WHERE b.id = %(batch)s AND r.batch = b.id AND r.status || '' = 'sending' ORDER BY r.row;

-- name: release_batch
UPDATE campaign.rows AS r SET status = 'pending', runner = NULL, due_at = campaign.ledger_now()
FROM campaign.batches AS b CROSS JOIN unnest(b.rows) AS n (row)
WHERE b.id = %(batch)s AND r.campaign = b.campaign AND r.row = n.row AND r.batch = b.id AND r.status || '' = 'sending';

-- name: first_with_text
SELECT row FROM campaign.rows
WHERE campaign = %(campaign)s AND status IN ({MAY_BE_SENT}) AND strpos(message, %(text)s) > 0
ORDER BY row LIMIT 1;

-- name: claim_unverified
-- Nobody else gets these rows for a while, so that no pass is read twice at once.
UPDATE campaign.rows AS r SET due_at = campaign.ledger_now() + %(claim_seconds)s
FROM (SELECT row FROM campaign.rows
      WHERE campaign = %(campaign)s AND status = 'unknown' AND due_at <= campaign.ledger_now()
      ORDER BY due_at, row LIMIT %(limit)s FOR UPDATE SKIP LOCKED) AS d
WHERE r.campaign = %(campaign)s AND r.row = d.row
RETURNING r.row, r.fencing_token, r.pass_id, r.pass_key, r.message, r.attempts, r.counted_attempts, r.reason, r.baseline, r.baseline_text,
    r.due_at;

-- name: has_unverified
SELECT EXISTS (SELECT 1 FROM campaign.rows WHERE campaign = %(campaign)s AND status = 'unknown' AND due_at <= campaign.ledger_now());

-- name: campaigns_with_unverified
-- Campaigns that nobody works on, and whose unverified rows may block passes of this one.
SELECT c.id FROM campaign.campaigns AS c
WHERE c.id <> %(campaign)s AND c.account = (SELECT account FROM campaign.campaigns WHERE id = %(campaign)s)
  AND NOT EXISTS (SELECT 1 FROM campaign.runners AS r WHERE r.campaign = c.id AND r.ended_at = 0)
  AND EXISTS (SELECT 1 FROM campaign.rows WHERE campaign = c.id AND status = 'unknown' AND due_at <= campaign.ledger_now());

-- name: record_baseline
UPDATE campaign.rows SET baseline = %(known)s, baseline_text = %(text)s, pass_status = %(pass_status)s, device_type = %(device_type)s
WHERE campaign = %(campaign)s AND row = %(row)s AND fencing_token = %(fencing_token)s AND runner = %(runner)s AND status || '' = 'sending';

-- name: reference_passes
-- Passes of the campaign, or else of others that were sent with the same account: those whose newest text, as far as this ledger knows, is
-- the row's, among the first 1000 rows of each status; with `written_over`, all of them. An attempt from a results file has no fencing
-- token, and no time that could be compared.
SELECT w.place, s.place, r.pass_id, r.message
FROM (
    SELECT 0 AS place, %(campaign)s::bigint AS id
    UNION ALL
    SELECT * FROM (SELECT row_number() OVER (ORDER BY id DESC), id FROM campaign.campaigns
                   WHERE account = (SELECT account FROM campaign.campaigns WHERE id = %(campaign)s) AND account <> '' AND id <> %(campaign)s
                   ORDER BY id DESC LIMIT 5) AS others
) AS w
CROSS JOIN (VALUES (1, 'delivered'), (2, 'accepted')) AS s (place, status)
CROSS JOIN LATERAL (
    SELECT pass_id, message
    FROM (SELECT campaign, row, pass_id, pass_key, message FROM campaign.rows WHERE campaign = w.id AND status = s.status
          ORDER BY zone, due_at, row LIMIT 1000) AS sent
    WHERE %(written_over)s
       OR NOT EXISTS (SELECT 1 FROM campaign.rows AS o WHERE o.pass_key = sent.pass_key AND o.status || '' IN ('sending', 'unknown') OFFSET 0)
          AND NOT EXISTS (SELECT 1 FROM campaign.attempts AS l
                          WHERE l.pass_key = sent.pass_key AND l.status IN ({MAY_HAVE_ARRIVED})
                            AND NOT (l.campaign = sent.campaign AND l.row = sent.row)
                            AND l.id > coalesce((SELECT max(id) FROM campaign.attempts WHERE pass_key = sent.pass_key
                                                 AND campaign + 0 = sent.campaign AND row = sent.row AND fencing_token > 0), 0) OFFSET 0)
    LIMIT 3
) AS r
ORDER BY w.place, s.place;

-- name: reference_passes_after
-- The same for the first accepted messages that were sent after the row's attempt was over: of the campaign, or with `others` of any campaign
-- that was sent with the same account. Scans at most 1000 attempts.
SELECT r.pass_id, coalesce(a.message, r.message)
FROM (SELECT id, settled_at FROM campaign.attempts
      WHERE campaign = %(campaign)s AND row = %(row)s AND fencing_token = %(fencing_token)s ORDER BY id DESC LIMIT 1) AS d
CROSS JOIN LATERAL (SELECT * FROM campaign.attempts WHERE id > d.id ORDER BY id LIMIT 1000) AS a
JOIN campaign.rows AS r ON r.campaign = a.campaign AND r.row = a.row
WHERE (a.campaign = %(campaign)s
       OR %(others)s AND EXISTS (SELECT 1 FROM campaign.campaigns WHERE id = a.campaign AND account <> ''
                                 AND account = (SELECT account FROM campaign.campaigns WHERE id = %(campaign)s) OFFSET 0))
  AND a.status IN ('delivered', 'accepted') AND a.fencing_token > 0 AND a.sent_at >= d.settled_at
  AND (%(written_over)s
       OR NOT EXISTS (SELECT 1 FROM campaign.rows AS o WHERE o.pass_key = a.pass_key AND o.status || '' IN ('sending', 'unknown') OFFSET 0)
          AND NOT EXISTS (SELECT 1 FROM campaign.attempts AS l
                          WHERE l.pass_key = a.pass_key AND l.status IN ({MAY_HAVE_ARRIVED}) AND l.id > a.id OFFSET 0))
ORDER BY a.id LIMIT 3;

-- name: texts_before
-- The texts that other attempts have left on some passes, newest first, and whether they came after the unknown one, or overlap it: what is
-- being sent now, and attempts of other tokens, which are not kept apart. The time of a row from a results file (no fencing token) is unknown.
SELECT g.row, t.message, t.status, t.later
FROM unnest(%(rows)s::bigint[], %(fencing_tokens)s::bigint[], %(pass_keys)s::text[]) AS g (row, fencing_token, pass_key)
CROSS JOIN LATERAL (
    SELECT max(id) AS id, max(sent_at) AS sent_at FROM campaign.attempts
    WHERE pass_key = g.pass_key AND campaign + 0 = %(campaign)s AND row = g.row AND fencing_token = g.fencing_token
) AS own
CROSS JOIN LATERAL (
    SELECT a.id, coalesce(a.message, r.message) AS message, a.status, a.campaign,
           g.fencing_token = 0 OR a.fencing_token <= 0 OR coalesce(a.id > own.id OR a.settled_at > own.sent_at, false) AS later
    FROM campaign.attempts AS a JOIN campaign.rows AS r ON r.campaign = a.campaign AND r.row = a.row
    WHERE a.pass_key = g.pass_key AND a.status IN ({MAY_HAVE_ARRIVED})
      AND NOT (a.campaign = %(campaign)s AND a.row = g.row AND a.fencing_token = g.fencing_token)
    UNION ALL
    SELECT NULL, message, 'unknown', campaign, true FROM campaign.rows
    WHERE pass_key = g.pass_key AND status || '' IN ('sending', 'unknown') AND status = 'sending'
    ORDER BY id DESC NULLS LAST LIMIT 1000
) AS t
WHERE (SELECT api FROM campaign.campaigns WHERE id = t.campaign) IN ('', (SELECT api FROM campaign.campaigns WHERE id = %(campaign)s))
   OR (SELECT api FROM campaign.campaigns WHERE id = %(campaign)s) = ''
ORDER BY g.row, t.id DESC NULLS LAST;

-- name: last_texts
-- The last text that was, or may have been, sent to each of these passes through an API, as far as this ledger knows.
SELECT k.pass_key, coalesce(l.message, r.message) FROM unnest(%(pass_keys)s::text[]) AS k (pass_key)
CROSS JOIN LATERAL (
    SELECT a.campaign, a.row, a.message FROM campaign.attempts AS a
    WHERE a.pass_key = k.pass_key AND a.status IN ({MAY_HAVE_ARRIVED})
      AND EXISTS (SELECT 1 FROM campaign.campaigns WHERE id = a.campaign AND api = %(api)s)
    ORDER BY a.id DESC LIMIT 1
) AS l
JOIN campaign.rows AS r ON r.campaign = l.campaign AND r.row = l.row;

-- name: record_verification
-- As long as the row is to be read again, it keeps the reason why it is unknown.
UPDATE campaign.rows
SET status = %(status)s, reason = CASE WHEN %(status)s = 'unknown' AND %(due_in)s::double precision IS NOT NULL THEN reason ELSE %(reason)s END,
    due_at = campaign.ledger_now() + %(due_in)s::double precision, settled_at = campaign.ledger_now()
WHERE campaign = %(campaign)s AND row = %(row)s AND fencing_token = %(fencing_token)s AND status || '' = 'unknown' AND due_at = %(held_until)s
RETURNING row;

-- name: record_verified_attempt
UPDATE campaign.attempts SET status = %(status)s, reason = %(reason)s
WHERE campaign = %(campaign)s AND row = %(row)s AND fencing_token = %(fencing_token)s;

-- name: reschedule_verification
UPDATE campaign.rows SET due_at = greatest(campaign.ledger_now(), quiet_until)
WHERE campaign = %(campaign)s AND status = 'unknown' AND due_at IS NULL
RETURNING 1;

-- name: rate_limit
SELECT p.next_free, p.rate_factor, p.paused_until, p.changed_at, campaign.ledger_now()
FROM (SELECT 1) AS always LEFT JOIN campaign.rate_limits AS p ON p.key = %(key)s;

-- name: set_rate_limit
-- Returns no row if another process was faster; the caller then tries again. So nobody ever waits for a process that is slow, frozen or
-- cut off.
INSERT INTO campaign.rate_limits (key, next_free, rate_factor, paused_until, changed_at)
VALUES (%(key)s, %(next_free)s, %(rate_factor)s, %(paused_until)s, %(changed_at)s)
ON CONFLICT (key) DO UPDATE SET next_free = EXCLUDED.next_free, rate_factor = EXCLUDED.rate_factor, paused_until = EXCLUDED.paused_until,
    changed_at = EXCLUDED.changed_at
WHERE (rate_limits.next_free, rate_limits.rate_factor, rate_limits.paused_until, rate_limits.changed_at)
    = (%(was_next_free)s, %(was_rate_factor)s, %(was_paused_until)s, %(was_changed_at)s)
RETURNING 1;

-- name: get_desired_state
SELECT desired_state FROM campaign.campaigns WHERE id = %(campaign)s;

-- name: set_desired_state
UPDATE campaign.campaigns
SET desired_state = %(desired_state)s,
    finished_at = CASE WHEN %(desired_state)s = 'cancelled' AND finished_at = 0 THEN campaign.ledger_now() ELSE finished_at END
WHERE id = %(campaign)s AND desired_state NOT IN ('staging', 'cancelled')
RETURNING id;

-- name: cancel_rows
UPDATE campaign.rows AS r SET due_at = NULL, (status, reason) = (
    SELECT CASE WHEN count(*) > 0 THEN 'unknown' ELSE 'skipped' END, CASE WHEN count(*) > 0 THEN 'earlier_attempt' ELSE 'cancelled' END
    FROM campaign.attempts AS a
    WHERE (r.attempts > 0 OR r.quiet_until > 0) AND a.campaign = r.campaign AND a.row = r.row AND a.status = 'unknown' AND a.message IS NULL
)
WHERE campaign = %(campaign)s AND status = 'pending';

-- name: retry
UPDATE campaign.rows SET status = 'pending', reason = '', due_at = campaign.ledger_now(), counted_attempts = 0
-- A person can't decide yet on a row that is still to be read back.
WHERE campaign = %(campaign)s AND status = ANY (%(statuses)s::text[]) AND NOT (status = 'unknown' AND due_at IS NOT NULL)
  AND (%(reasons)s::text[] = '{}' OR reason = ANY (%(reasons)s::text[]))
  AND (%(http_statuses)s::integer[] = '{}' OR http_status = ANY (%(http_statuses)s::integer[]))
  AND EXISTS (SELECT 1 FROM campaign.campaigns WHERE id = %(campaign)s AND desired_state <> 'cancelled')
  -- Nor is a row sent again that was sent after the attempt `after` (`last_attempt`).
  AND NOT EXISTS (SELECT 1 FROM campaign.attempts AS a WHERE a.campaign = %(campaign)s AND a.row = rows.row AND a.id > %(after)s::bigint)
RETURNING 1;

-- name: open_retry
UPDATE campaign.campaigns SET retry_after = %(after)s::bigint WHERE id = %(campaign)s AND retry_after IS NULL;

-- name: last_attempt
-- The attempt after which this retry has sent rows before it was stopped, or another one since this one selected its rows (`since`).
SELECT coalesce(least(retry_after, %(since)s::bigint), (SELECT max(id) FROM campaign.attempts WHERE campaign = %(campaign)s), 0)
FROM campaign.campaigns WHERE id = %(campaign)s;

-- name: end_retry
UPDATE campaign.campaigns SET retry_after = NULL
WHERE id = %(campaign)s AND retry_after IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM campaign.rows
                  WHERE campaign = %(campaign)s AND status IN ({OPEN}, 'unknown') AND (status <> 'unknown' OR due_at IS NOT NULL));

-- name: already_retried
SELECT DISTINCT row FROM campaign.attempts
WHERE campaign = %(campaign)s AND id > (SELECT retry_after FROM campaign.campaigns WHERE id = %(campaign)s);

-- name: matching
SELECT count(*) FROM campaign.rows
WHERE campaign = %(campaign)s AND status = ANY (%(statuses)s::text[]) AND NOT (status = 'unknown' AND due_at IS NOT NULL)
  AND (%(reasons)s::text[] = '{}' OR reason = ANY (%(reasons)s::text[]))
  AND (%(http_statuses)s::integer[] = '{}' OR http_status = ANY (%(http_statuses)s::integer[]))
  AND NOT EXISTS (SELECT 1 FROM campaign.attempts AS a WHERE a.campaign = %(campaign)s AND a.row = rows.row
                  AND a.id > (SELECT retry_after FROM campaign.campaigns WHERE id = %(campaign)s));

-- name: retry_rows
UPDATE campaign.rows SET status = 'pending', reason = '', due_at = campaign.ledger_now(), counted_attempts = 0
WHERE campaign = %(campaign)s AND row = ANY (%(rows)s::bigint[]) AND status || '' = ANY (%(statuses)s::text[])
  AND NOT (status = 'unknown' AND due_at IS NOT NULL)
  AND EXISTS (SELECT 1 FROM campaign.campaigns WHERE id = %(campaign)s AND desired_state <> 'cancelled')
  AND NOT EXISTS (SELECT 1 FROM campaign.attempts AS a WHERE a.campaign = %(campaign)s AND a.row = rows.row AND a.id > %(after)s::bigint)
RETURNING 1;

-- name: keep_text
-- Keeps the text that the attempts of these rows have sent, before the rows get another one.
UPDATE campaign.attempts AS a SET message = r.message
FROM unnest(%(rows)s::bigint[], %(messages)s::text[]) AS g (row, message)
JOIN campaign.rows AS r ON r.campaign = %(campaign)s AND r.row = g.row AND r.message <> g.message
WHERE a.campaign = %(campaign)s AND a.row = g.row AND a.message IS NULL;

-- name: correct
-- The device belongs to the pass, so a corrected id clears it. The notification belongs to the message on the pass.
UPDATE campaign.rows AS r
SET status = 'pending', reason = '', error = '', notification_status = '', notification_message = '', due_at = campaign.ledger_now(), counted_attempts = 0, pass_id = g.pass_id, pass_key = g.pass_key,
    message = g.message,
    cells = g.cells, zone = g.zone, baseline = false, baseline_text = NULL,
    pass_status = CASE WHEN r.pass_key = g.pass_key THEN r.pass_status ELSE '' END,
    device_type = CASE WHEN r.pass_key = g.pass_key THEN r.device_type ELSE '' END
FROM unnest(%(rows)s::bigint[], %(pass_ids)s::text[], %(pass_keys)s::text[], %(messages)s::text[], %(cells)s::text[], %(zones)s::text[])
    AS g (row, pass_id, pass_key, message, cells, zone)
WHERE r.campaign = %(campaign)s AND r.row = g.row AND r.status || '' IN ({CORRECTABLE})
  AND EXISTS (SELECT 1 FROM campaign.campaigns WHERE id = %(campaign)s AND desired_state <> 'cancelled')
RETURNING r.row;

-- name: add_zones
UPDATE campaign.campaigns
SET zones = (SELECT array_agg(zone ORDER BY zone) FROM (SELECT unnest(zones) AS zone UNION SELECT unnest(%(zones)s::text[])) AS z)
WHERE id = %(campaign)s;

-- name: mark_corrected_duplicates
-- A corrected row gives way to every other row of its pass.
UPDATE campaign.rows AS r SET status = 'skipped', reason = 'duplicate', due_at = NULL
FROM (
    SELECT row, row_number() OVER (PARTITION BY pass_key ORDER BY row = ANY (%(rows)s::bigint[]), row) AS place
    FROM campaign.rows WHERE campaign = %(campaign)s AND status NOT IN ({LEFT_OUT})
      AND pass_key IN (SELECT pass_key FROM campaign.rows WHERE campaign = %(campaign)s AND row = ANY (%(rows)s::bigint[]))
) AS d
WHERE r.campaign = %(campaign)s AND r.row = d.row AND r.status || '' = 'pending' AND d.place > 1 AND d.row = ANY (%(rows)s::bigint[])
RETURNING 1;

-- name: count_by_status
SELECT status, count(*) FROM campaign.rows
WHERE campaign = %(campaign)s AND NOT EXISTS (SELECT 1 FROM campaign.purged WHERE campaign = %(campaign)s) GROUP BY status
UNION ALL
SELECT status, sum(count)::bigint FROM campaign.purged_counts WHERE campaign = %(campaign)s GROUP BY status;

-- name: count_unverified
SELECT count(*) FROM campaign.rows WHERE campaign = %(campaign)s AND status = 'unknown' AND due_at IS NOT NULL;

-- name: count_by_reason
SELECT status, reason, count(*) FROM campaign.rows
WHERE campaign = %(campaign)s
  AND (status IN ({WITH_REASON}) OR status = 'pending' AND reason <> '')
  AND NOT EXISTS (SELECT 1 FROM campaign.purged WHERE campaign = %(campaign)s) GROUP BY status, reason
UNION ALL
SELECT status, reason, count FROM campaign.purged_counts
WHERE campaign = %(campaign)s
  AND (status IN ({WITH_REASON}) OR status = 'pending' AND reason <> '');

-- name: pending_work
-- Seconds from now. By zone, so that each minimum is the first entry of its part of the index.
SELECT (SELECT desired_state FROM campaign.campaigns WHERE id = %(campaign)s),
       (SELECT min((SELECT due_at FROM campaign.rows WHERE campaign = %(campaign)s AND status = 'pending' AND zone = z.zone
                    ORDER BY due_at LIMIT 1))
        FROM (SELECT unnest(zones) AS zone FROM campaign.campaigns WHERE id = %(campaign)s) AS z) - campaign.ledger_now(),
       EXISTS (SELECT 1 FROM campaign.rows WHERE campaign = %(campaign)s AND status = 'sending'),
       (SELECT min((SELECT due_at FROM campaign.rows WHERE campaign = %(campaign)s AND status = 'unknown' AND zone = z.zone
                    AND due_at IS NOT NULL ORDER BY due_at LIMIT 1))
        FROM (SELECT unnest(zones) AS zone FROM campaign.campaigns WHERE id = %(campaign)s) AS z) - campaign.ledger_now();

-- name: recent
-- Reads only the latest attempts, so that it takes some milliseconds for any history and any rate.
SELECT count(*), campaign.ledger_now() - min(settled_at)
FROM (SELECT campaign, settled_at FROM campaign.attempts ORDER BY id DESC LIMIT 10000) AS latest
WHERE campaign = %(campaign)s AND settled_at >= campaign.ledger_now() - %(within)s;

-- name: rows
-- From the reason of a pending row, another ledger knows of an earlier attempt that may have arrived; here and in `result_columns`.
SELECT row, pass_id, message, cells, status,
    CASE WHEN status = 'pending' AND (attempts > 0 OR quiet_until > 0) AND EXISTS (
        SELECT 1 FROM campaign.attempts AS a WHERE a.campaign = r.campaign AND a.row = r.row AND a.status = 'unknown' AND a.message IS NULL OFFSET 0
    ) THEN 'earlier_attempt' ELSE reason END,
    notification_status, notification_message, http_status, error, attempts, sent_at, settled_at, latency_seconds, pass_status, device_type
FROM campaign.rows AS r WHERE campaign = %(campaign)s AND (%(statuses)s::text[] IS NULL OR status = ANY (%(statuses)s::text[])) ORDER BY row;

-- name: messages
SELECT row, pass_id, message FROM campaign.rows WHERE campaign = %(campaign)s AND status = ANY (%(statuses)s::text[]) ORDER BY row;

-- name: result_columns
SELECT row, message, cells, status,
    CASE WHEN status = 'pending' AND (attempts > 0 OR quiet_until > 0) AND EXISTS (
        SELECT 1 FROM campaign.attempts AS a WHERE a.campaign = r.campaign AND a.row = r.row AND a.status = 'unknown' AND a.message IS NULL OFFSET 0
    ) THEN 'earlier_attempt' ELSE reason END,
    notification_status, notification_message, http_status, error, attempts, sent_at, settled_at, latency_seconds, pass_status, device_type
FROM campaign.rows AS r WHERE campaign = %(campaign)s AND (%(statuses)s::text[] IS NULL OR status = ANY (%(statuses)s::text[])) ORDER BY row;

-- name: rows_numbered
SELECT row, pass_id, message, cells, status, reason, notification_status, notification_message, http_status, error, attempts, sent_at,
       settled_at, latency_seconds, pass_status, device_type
FROM campaign.rows WHERE campaign = %(campaign)s AND row = ANY (%(rows)s::bigint[]);

-- name: sent_texts
-- Of those after which a row is pending, an attempt counts if it got no answer (`AttemptOutcome.counts_as_attempt`).
SELECT row, message, count(*) FILTER (WHERE fencing_token > 0 AND (status <> 'pending' OR http_status IS NULL)) FROM campaign.attempts
WHERE campaign = %(campaign)s AND row = ANY (%(rows)s::bigint[]) GROUP BY row, message;

-- name: row_states
-- OFFSET 0 prevents a scan of all attempts where the rows are many.
SELECT row, pass_key, status, attempts, sent_at,
       fencing_token > 0 OR EXISTS (SELECT 1 FROM campaign.attempts AS a WHERE a.campaign = r.campaign AND a.row = r.row OFFSET 0)
FROM campaign.rows AS r WHERE campaign = %(campaign)s AND row = ANY (%(rows)s::bigint[]);

-- name: rows_of_passes
SELECT row, pass_key FROM campaign.rows WHERE campaign = %(campaign)s AND pass_key = ANY (%(keys)s::text[]) ORDER BY row;

-- name: attempts_by_runner
SELECT runner, count(*) FROM campaign.attempts WHERE campaign = %(campaign)s GROUP BY runner;

-- name: last_change
-- When, and how many seconds ago. Ignores future times, which a results file may have; and when the campaign was cancelled, as this sends nothing.
SELECT t.latest, campaign.ledger_now() - t.latest
FROM (
    SELECT greatest(c.created_at, c.started_at,
                    (SELECT max(sent_at) FROM campaign.attempts WHERE campaign = %(campaign)s AND sent_at <= campaign.ledger_now()),
                    (SELECT max(greatest(started_at, ended_at)) FROM campaign.runners WHERE campaign = %(campaign)s)) AS latest
    FROM campaign.campaigns AS c WHERE c.id = %(campaign)s
) AS t;

-- name: examples
SELECT row, error FROM campaign.rows WHERE campaign = %(campaign)s AND status = %(status)s AND reason = %(reason)s ORDER BY row LIMIT %(limit)s;

-- name: purged_or_exported
-- Whether a campaign was purged, or exported by an earlier version, and when.
SELECT (SELECT purged_at FROM campaign.purged WHERE campaign = %(campaign)s), (SELECT exported_at FROM campaign.exported
    WHERE campaign = %(campaign)s),
       (SELECT file FROM campaign.exported WHERE campaign = %(campaign)s);

-- name: record_purged_counts
INSERT INTO campaign.purged_counts (campaign, status, reason, count)
SELECT campaign, status, reason, count(*) FROM campaign.rows WHERE campaign = %(campaign)s GROUP BY campaign, status, reason;

-- name: record_purge
INSERT INTO campaign.purged (campaign, purged_at) VALUES (%(campaign)s, campaign.ledger_now());

-- name: purge_rows
DELETE FROM campaign.rows
WHERE campaign = %(campaign)s AND row = ANY (ARRAY(SELECT row FROM campaign.rows WHERE campaign = %(campaign)s LIMIT %(limit)s))
RETURNING 1;

-- name: purge_exclusions
DELETE FROM campaign.exclusions
WHERE campaign = %(campaign)s AND pass_key = ANY (ARRAY(SELECT pass_key FROM campaign.exclusions WHERE campaign = %(campaign)s LIMIT %(limit)s))
RETURNING 1;

-- name: pass_keys
SELECT row, pass_key, status FROM campaign.rows WHERE campaign = %(campaign)s AND status NOT IN ({LEFT_OUT});

-- name: exclusions
SELECT pass_key FROM campaign.exclusions WHERE campaign = %(campaign)s;

-- name: purge_attempts
DELETE FROM campaign.attempts WHERE id = ANY (ARRAY(SELECT id FROM campaign.attempts WHERE campaign = %(campaign)s LIMIT %(limit)s)) RETURNING 1;

-- name: purge_columns
-- In a list without a header, the column names are the first customer's data.
UPDATE campaign.campaigns SET columns = '[]', id_column = '' WHERE id = %(campaign)s;

-- name: unfinished_purge
SELECT 1 FROM campaign.purged WHERE NOT rows_deleted LIMIT 1;

-- name: finish_purge
UPDATE campaign.purged SET rows_deleted = true WHERE campaign = %(campaign)s;

-- name: attempt_columns
-- In the order of the index by row. Attempts from a results file have fencing token 0, and keep the order in which they were added.
SELECT row, runner, status, reason, http_status, sent_at, latency_seconds
FROM campaign.attempts WHERE campaign = %(campaign)s ORDER BY row, fencing_token, id;
