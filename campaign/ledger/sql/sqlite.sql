-- Every statement of the SQLite ledger, by name. Times called :now are on the ledger's clock, :wall is Unix time.

-- name: campaign_by_name
SELECT c.*, coalesce((SELECT purged_at FROM purged WHERE campaign = c.id), 0), coalesce((SELECT exported_at FROM exported
    WHERE campaign = c.id), 0),
       coalesce((SELECT file FROM exported WHERE campaign = c.id), ''), c.account, c.api
FROM campaigns AS c WHERE c.name = :name;

-- name: campaigns
SELECT c.*, coalesce((SELECT purged_at FROM purged WHERE campaign = c.id), 0), coalesce((SELECT exported_at FROM exported
    WHERE campaign = c.id), 0),
       coalesce((SELECT file FROM exported WHERE campaign = c.id), ''), c.account, c.api
FROM campaigns AS c ORDER BY c.id DESC;

-- name: create_campaign
INSERT INTO campaigns (name, list_name, list_sha256, message_sha256, columns, id_column, settings, desired_state, staging_runner, created_at)
VALUES (:name, :list_name, :list_sha256, :message_sha256, :columns, :id_column, :settings, 'staging', :staging_runner, :wall)
RETURNING id;

-- name: stage
INSERT INTO rows (campaign, row, pass_id, pass_key, message, cells, status, reason, due_at, notification_status, notification_message,
                  http_status, error, attempts, sent_at, settled_at, latency_seconds, zone)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: stage_plain
-- Pending rows, as binary JSON: all other columns have their defaults. One statement for many rows keeps Python's lock free. With a LIMIT,
-- the inner query yields each row once, and not once for each of its values. Instead of a path, a number would be made into one, each time.
INSERT INTO rows (campaign, row, pass_id, pass_key, message, zone, cells, status, due_at)
SELECT :campaign, row, value ->> '$[0]', iif(:short, value ->> '$[0]', value ->> '$[3]'), value ->> '$[1]', iif(:short, '', value ->> '$[4]'),
       value ->> '$[2]', 'pending', 0.0
FROM (SELECT :first + rowid - 1 AS row, value FROM carray(:rows) WHERE value <> x'' LIMIT -1);

-- name: create_duplicates
-- They are stored after all others: SQLite appends to an index in half the time of an insertion, and rows_by_status has them last.
CREATE TEMP TABLE IF NOT EXISTS duplicates (campaign INTEGER NOT NULL, row INTEGER NOT NULL, value BLOB NOT NULL) STRICT;

-- name: hold_duplicates
INSERT INTO temp.duplicates SELECT :campaign, :first + rowid - 1, value FROM carray(:rows) WHERE value <> x'';

-- name: stage_duplicates
INSERT INTO rows (campaign, row, pass_id, pass_key, message, zone, cells, status, reason)
SELECT :campaign, row, value ->> '$[0]', coalesce(value ->> '$[3]', value ->> '$[0]'), value ->> '$[1]', coalesce(value ->> '$[4]', ''),
       value ->> '$[2]', 'skipped', 'duplicate'
FROM (SELECT row, value FROM temp.duplicates WHERE campaign = :campaign LIMIT -1);
DELETE FROM temp.duplicates WHERE campaign = :campaign;

-- name: mark_duplicates
-- The first row that can be sent, or was, is the one of its pass. The sorter spills to disk, so memory stays flat.
UPDATE rows SET status = 'skipped', reason = 'duplicate', due_at = NULL
WHERE campaign = :campaign AND status = 'pending' AND row IN (
    SELECT row FROM (
        SELECT row, status, row_number() OVER (PARTITION BY pass_key ORDER BY status = 'pending', row) AS place
        FROM rows WHERE campaign = :campaign AND status NOT IN ({WITHOUT_MESSAGE})
    ) WHERE place > 1 AND status = 'pending'
);

-- name: set_quiet_until
-- Rows of a results file: another ledger, or its batch, may have sent them a moment ago. As `verdict.quiet_after`.
UPDATE rows SET quiet_until = :now + max(:quiet_seconds, min(coalesce(latency_seconds, 0.0), :longest_request_seconds))
WHERE campaign = :campaign AND status = 'unknown';

-- name: finish_staging
UPDATE campaigns
SET desired_state = 'go', staging_runner = NULL, content_sha256 = :content_sha256, rows = (SELECT count(*) FROM rows WHERE campaign = :campaign),
    near_ids = :near_ids,
    -- One row of each status and zone, as the index has them side by side: there are few, and DISTINCT would read all rows.
    zones = (
        WITH RECURSIVE firsts (id) AS (
            SELECT (SELECT rowid FROM rows WHERE campaign = :campaign ORDER BY status, zone LIMIT 1)
            UNION ALL
            -- Not as (status, zone) > (...), for which SQLite would read all rows of the status.
            SELECT coalesce(
                (SELECT rowid FROM rows WHERE campaign = :campaign AND status = before.status AND zone > before.zone ORDER BY zone LIMIT 1),
                (SELECT rowid FROM rows WHERE campaign = :campaign AND status > before.status ORDER BY status, zone LIMIT 1)
            )
            FROM firsts JOIN rows AS before ON before.rowid = firsts.id
        )
        SELECT json_group_array(DISTINCT zone) FROM firsts JOIN rows ON rows.rowid = firsts.id
    )
WHERE id = :campaign AND desired_state = 'staging' AND staging_runner = :staging_runner
RETURNING id;

-- name: begin_deletion
-- From here on the campaign counts as one whose staging did not end: a kill before its last row is gone leaves nothing that can be sent.
UPDATE campaigns SET desired_state = 'staging', staging_runner = NULL
WHERE id = :campaign AND desired_state IN ('go', 'cancelled') AND started_at = 0
  AND NOT EXISTS (SELECT 1 FROM rows WHERE campaign = :campaign
                  AND status IN ({BEGUN}))
  AND NOT EXISTS (SELECT 1 FROM attempts WHERE campaign = :campaign)
RETURNING id;

-- name: discard_rows
DELETE FROM rows
WHERE campaign = :campaign AND row IN (SELECT row FROM rows WHERE campaign = :campaign LIMIT :limit)
  AND EXISTS (SELECT 1 FROM campaigns WHERE id = :campaign AND desired_state = 'staging')
RETURNING 1;

-- name: renew_staging_runner
UPDATE runners SET lease_until = :now + :lease
WHERE ended_at = 0 AND id = (SELECT staging_runner FROM campaigns WHERE id = :campaign AND desired_state = 'staging')
RETURNING id;

-- name: staging_runners
SELECT r.id, r.lease_until, r.ended_at FROM campaigns AS c JOIN runners AS r ON r.id = c.staging_runner
WHERE c.id = :campaign AND c.desired_state = 'staging';

-- name: discard_campaign
DELETE FROM campaigns WHERE id = :campaign AND desired_state = 'staging' RETURNING id;

-- name: discard_attempts
DELETE FROM attempts WHERE campaign = :campaign;

-- name: discard_exclusions
DELETE FROM exclusions WHERE campaign = :campaign;

-- name: register_runner
INSERT INTO runners (campaign, host, pid, username, started_at, lease_until, activity, quiet_seconds, hold_unverified)
VALUES (:campaign, :host, :pid, :username, :wall, :now + :lease, :activity, :quiet_seconds, :hold_unverified)
RETURNING id;

-- name: assign_campaign
UPDATE runners SET campaign = :campaign WHERE id = :runner;

-- name: start_campaign
-- Not a campaign that is being deleted, which has no staging runner. The API may change if no message was ever sent, and nobody else sends the
-- campaign: the address may have been a mistake.
UPDATE campaigns SET started_at = iif(started_at = 0, :wall, started_at), finished_at = 0, ended = '', account = :account,
    api = iif(api = '' OR NOT EXISTS (SELECT 1 FROM attempts WHERE campaign = :campaign)
                          AND NOT EXISTS (SELECT 1 FROM rows WHERE campaign = :campaign AND status = 'sending')
                          AND NOT EXISTS (SELECT 1 FROM runners WHERE campaign = :campaign AND ended_at = 0 AND id <> :runner), :api, api)
WHERE id = :campaign AND NOT (desired_state = 'staging' AND staging_runner IS NULL)
RETURNING api;

-- name: heartbeat
UPDATE runners SET lease_until = :now + :lease, activity = :activity WHERE id = :runner AND ended_at = 0 RETURNING id;

-- name: deregister_runner
UPDATE runners SET ended_at = :wall, ended = :ended, activity = '' WHERE id = :runner AND ended_at = 0 RETURNING campaign;

-- name: end_campaign
UPDATE campaigns
SET ended = :ended,
    finished_at = iif(desired_state <> 'cancelled'
                      AND EXISTS (SELECT 1 FROM rows WHERE campaign = :campaign
                                  AND (status IN ({OPEN}) OR status = 'unknown' AND due_at IS NOT NULL)), 0, :wall)
WHERE id = :campaign;

-- name: record_rows_left
-- No run of a cancelled campaign reads its unknown rows back.
UPDATE runners
SET rows_left = (SELECT count(*) FROM rows WHERE campaign = :campaign
                 AND (status IN ({OPEN}) OR status = 'unknown' AND due_at IS NOT NULL
                      AND EXISTS (SELECT 1 FROM campaigns WHERE id = :campaign AND desired_state <> 'cancelled'))),
    rows_needing_attention = (SELECT count(*) FROM rows WHERE campaign = :campaign AND status IN ({NEEDS_ATTENTION}))
WHERE id = :runner;

-- name: active_runners
SELECT id, campaign, lease_until, quiet_seconds, hold_unverified FROM runners WHERE ended_at = 0;

-- name: runners
SELECT id, campaign, host, pid, username, started_at, lease_until, activity, ended_at, ended, rows_left, rows_needing_attention
FROM runners WHERE campaign = :campaign ORDER BY id DESC;

-- name: record_unknown_attempts
-- Run it before `lose_rows`.
INSERT INTO attempts (campaign, row, fencing_token, pass_key, runner, status, reason, sent_at, settled_at)
SELECT campaign, row, fencing_token, pass_key, runner, 'unknown', 'lost', claimed_at, :wall
FROM rows INDEXED BY rows_by_status WHERE campaign = :campaign AND status = 'sending' AND runner = :runner AND batch IS NULL ORDER BY row;

-- name: mark_unknown
UPDATE rows
SET status = 'unknown', reason = 'lost', runner = NULL, due_at = iif(:hold_unverified, NULL, :now + :quiet_seconds),
    quiet_until = :now + :quiet_seconds,
    attempts = attempts + 1,
    sent_at = claimed_at, settled_at = :wall, latency_seconds = NULL, http_status = NULL,
    error = 'the process that sent it ended before the answer was recorded'
-- Rows of a batch are found again through the batch.
WHERE campaign = :campaign AND status = 'sending' AND runner = :runner AND batch IS NULL;

-- name: due
-- The rows that may be claimed now. Here and below, sets of rows are passed in and out as one JSON array: for each row that SQLite returns
-- by itself, the thread waits for Python's lock, which the event loop holds most of the time.
-- A pass of another API or account is another pass, even with the same id.
SELECT json_group_array(row) FROM (
    SELECT row FROM rows AS r
    WHERE campaign = :campaign AND status = 'pending' AND zone = :zone AND due_at <= :now
      AND NOT EXISTS (SELECT 1 FROM rows AS o
                      WHERE o.pass_key = r.pass_key AND o.status IN ('sending', 'unknown')
                        AND (o.status = 'sending' OR o.due_at IS NOT NULL)
                        AND EXISTS (SELECT 1 FROM campaigns WHERE id = o.campaign
                                    AND account = (SELECT account FROM campaigns WHERE id = :campaign)))
    ORDER BY due_at, row LIMIT :limit
)
WHERE EXISTS (SELECT 1 FROM campaigns WHERE id = :campaign AND desired_state = 'go')
  AND EXISTS (SELECT 1 FROM runners WHERE id = :runner AND ended_at = 0);

-- name: due_of
-- The same for chosen rows only.
SELECT json_group_array(row) FROM (
    SELECT r.row FROM json_each(:only) AS c CROSS JOIN rows AS r ON r.campaign = :campaign AND r.row = c.value
    WHERE r.status = 'pending' AND r.zone = :zone AND r.due_at <= :now
      AND NOT EXISTS (SELECT 1 FROM rows AS o
                      WHERE o.pass_key = r.pass_key AND o.status IN ('sending', 'unknown')
                        AND (o.status = 'sending' OR o.due_at IS NOT NULL)
                        AND EXISTS (SELECT 1 FROM campaigns WHERE id = o.campaign
                                    AND account = (SELECT account FROM campaigns WHERE id = :campaign)))
    ORDER BY r.row LIMIT :limit
)
WHERE EXISTS (SELECT 1 FROM campaigns WHERE id = :campaign AND desired_state = 'go')
  AND EXISTS (SELECT 1 FROM runners WHERE id = :runner AND ended_at = 0);

-- name: claimable
-- These rows in the form of claims, each with the reason to skip it, if there is one. The pass is excluded; or another row of the
-- campaign has sent it the message, or may have; or it has reached the daily cap through this API since :since. The cap counts messages
-- unknown, and those that another token has under way. Attempts from a results file, of a campaign that was not sent from here, count
-- for every API. A row that another ledger was sending has a quiet period, and no attempt that ended. The + keeps SQLite from scanning all
-- attempts of the campaign.
SELECT json_group_array(json_array(r.row, r.fencing_token + 1, r.pass_id, r.message, r.attempts, r.counted_attempts, r.zone, r.http_status,
    (r.attempts > 0 OR r.quiet_until > 0)
        AND EXISTS (SELECT 1 FROM attempts WHERE campaign = r.campaign AND row = r.row AND status = 'unknown' AND message IS NULL),
    r.pass_key, CASE
    WHEN EXISTS (SELECT 1 FROM exclusions WHERE campaign = :campaign AND pass_key = r.pass_key) THEN 'excluded'
    WHEN EXISTS (SELECT 1 FROM attempts WHERE pass_key = r.pass_key AND +campaign = :campaign AND row <> r.row
                 AND status IN ({MAY_HAVE_ARRIVED})) THEN 'duplicate'
    WHEN :cap > 0 AND (SELECT count(*) FROM attempts AS a JOIN campaigns AS c ON c.id = a.campaign
                       WHERE a.pass_key = r.pass_key AND a.status IN ('delivered', 'accepted', 'unknown') AND a.sent_at > :since
                         AND c.api IN ('', (SELECT api FROM campaigns WHERE id = :campaign)))
                    + (SELECT count(*) FROM rows AS o JOIN campaigns AS c ON c.id = o.campaign
                       WHERE o.pass_key = r.pass_key AND o.status IN ('sending', 'unknown') AND +o.status = 'sending' AND o.campaign <> :campaign
                         AND c.api = (SELECT api FROM campaigns WHERE id = :campaign)) >= :cap THEN 'frequency_cap'
END))
FROM json_each(:rows) AS j CROSS JOIN rows AS r ON r.campaign = :campaign AND r.row = j.value;

-- name: claim
-- By rowid: otherwise SQLite would look for the rows among all pending ones.
UPDATE rows
SET status = 'sending', reason = '', runner = :runner, fencing_token = fencing_token + 1, claimed_at = :wall, due_at = NULL, baseline = 0,
    baseline_text = NULL,
    batch = :batch
WHERE rowid IN (
    SELECT r.rowid FROM json_each(:rows) AS j CROSS JOIN rows AS r ON r.campaign = :campaign AND r.row = j.value WHERE r.status = 'pending'
);

-- name: skip_rows
-- A row that is sent again although an earlier attempt may have arrived stays unknown; here and below.
UPDATE rows SET due_at = NULL, (status, reason) = (
    SELECT iif(count(*), 'unknown', 'skipped'), iif(count(*), 'earlier_attempt', :reason) FROM attempts AS a
    WHERE (rows.attempts > 0 OR rows.quiet_until > 0) AND a.campaign = rows.campaign AND a.row = rows.row AND a.status = 'unknown' AND a.message IS NULL
)
WHERE rowid IN (
    SELECT r.rowid FROM json_each(:rows) AS j CROSS JOIN rows AS r ON r.campaign = :campaign AND r.row = j.value WHERE r.status = 'pending'
);

-- name: zones
SELECT zones FROM campaigns WHERE id = :campaign;

-- name: compare_ids_again
UPDATE campaigns SET near_ids = 1 WHERE id = :campaign AND near_ids = 0;

-- name: exclude
INSERT OR IGNORE INTO exclusions (campaign, pass_key) VALUES (?, ?);

-- name: apply_exclusions
UPDATE rows SET due_at = NULL, (status, reason) = (
    SELECT iif(count(*), 'unknown', 'skipped'), iif(count(*), 'earlier_attempt', 'excluded') FROM attempts AS a
    WHERE (rows.attempts > 0 OR rows.quiet_until > 0) AND a.campaign = rows.campaign AND a.row = rows.row AND a.status = 'unknown' AND a.message IS NULL
)
WHERE status = 'pending'
  -- Without exclusions, no row is read.
  AND campaign = (SELECT campaign FROM exclusions WHERE campaign = :campaign LIMIT 1)
  AND EXISTS (SELECT 1 FROM exclusions AS e WHERE e.campaign = :campaign AND e.pass_key = rows.pass_key)
RETURNING 1;

-- name: skip_pending
UPDATE rows SET due_at = NULL, (status, reason) = (
    SELECT iif(count(*), 'unknown', 'skipped'), iif(count(*), 'earlier_attempt', :reason) FROM attempts AS a
    WHERE (rows.attempts > 0 OR rows.quiet_until > 0) AND a.campaign = rows.campaign AND a.row = rows.row AND a.status = 'unknown' AND a.message IS NULL
)
WHERE campaign = :campaign AND status = 'pending' RETURNING 1;

-- name: unfinished
SELECT EXISTS (SELECT 1 FROM json_each(:only) AS c CROSS JOIN rows AS r ON r.campaign = :campaign AND r.row = c.value
               WHERE r.status IN ({OPEN}) OR r.status = 'unknown' AND r.due_at IS NOT NULL);

-- name: pending_zones
SELECT z.value FROM json_each((SELECT zones FROM campaigns WHERE id = :campaign)) AS z
WHERE EXISTS (SELECT 1 FROM rows WHERE campaign = :campaign AND status = 'pending' AND zone = z.value);

-- name: pending_zones_of
SELECT DISTINCT r.zone FROM json_each(:only) AS c CROSS JOIN rows AS r ON r.campaign = :campaign AND r.row = c.value
WHERE r.status = 'pending';

-- name: next_rows
-- Rows under way may be another process's: the caller waits for them, so they count.
SELECT row FROM rows
WHERE campaign = :campaign
  AND (status = 'sending' OR status = 'unknown' AND due_at IS NOT NULL
       OR status = 'pending' AND zone IN (SELECT value FROM json_each(:zones)))
  AND (:only = 'null' OR row IN (SELECT value FROM json_each(:only)))
ORDER BY status = 'pending', row LIMIT :limit;

-- name: sendable_rows
SELECT row FROM rows WHERE campaign = :campaign AND status <> 'invalid' AND NOT (status = 'skipped' AND reason IN ('duplicate', 'excluded'));

-- name: release
UPDATE rows SET status = 'pending', runner = NULL, due_at = :now
WHERE campaign = :campaign AND row = :row AND fencing_token = :fencing_token AND runner = :runner AND status = 'sending';

-- name: superseded
-- The settlements of claims that are no longer the runner's.
SELECT json_group_array(json_array(j.value ->> 0, j.value ->> 1))
FROM jsonb_each(:settlements) AS j
WHERE NOT EXISTS (SELECT 1 FROM rows AS r
                  WHERE r.campaign = :campaign AND r.row = j.value ->> 0 AND r.fencing_token = j.value ->> 1 AND r.runner = :runner
                    AND r.status = 'sending');

-- name: record_attempts
-- For claims that are still the runner's. Run it before `settle`. As JSONB, no settlement is written out as text and read again for each value.
INSERT INTO attempts (campaign, row, fencing_token, pass_key, runner, status, reason, http_status, sent_at, settled_at, latency_seconds)
SELECT r.campaign, r.row, r.fencing_token, r.pass_key, r.runner, j.value ->> 2, j.value ->> 4, j.value ->> 5, j.value ->> 6, j.value ->> 7,
    j.value ->> 8
FROM jsonb_each(:settlements) AS j CROSS JOIN rows AS r ON r.campaign = :campaign AND r.row = j.value ->> 0
WHERE r.fencing_token = j.value ->> 1 AND r.runner = :runner AND r.status = 'sending';

-- name: settle
-- An answer without a notification says nothing of the one before: its pass still holds the message, which another ledger must know.
-- The LIMIT limits nothing, but makes SQLite go from the settlements to the rows.
UPDATE rows
SET status = s.value ->> 3, reason = s.value ->> 4, http_status = s.value ->> 5, sent_at = s.value ->> 6, settled_at = s.value ->> 7,
    latency_seconds = s.value ->> 8, due_at = s.value ->> 9, attempts = s.value ->> 10, counted_attempts = s.value ->> 11,
    notification_status = iif(s.value ->> 12 = '', notification_status, s.value ->> 12),
    notification_message = iif(s.value ->> 12 = '', notification_message, s.value ->> 13), error = s.value ->> 14,
    pass_status = coalesce(nullif(s.value ->> 15, ''), rows.pass_status), device_type = coalesce(nullif(s.value ->> 16, ''), rows.device_type),
    quiet_until = s.value ->> 17, runner = NULL
FROM (
    SELECT r.rowid AS id, j.value FROM jsonb_each(:settlements) AS j CROSS JOIN rows AS r ON r.campaign = :campaign AND r.row = j.value ->> 0
    WHERE r.fencing_token = j.value ->> 1 AND r.runner = :runner AND r.status = 'sending' LIMIT -1
) AS s
WHERE rows.rowid = s.id;

-- name: record_one
-- `record_attempts` and `settle` for one settlement: reading a single one from JSON costs more than all the rest. ?1 to ?17 are the values
-- of a settlement in their order but for the last, `quiet_until`, which is ?20; ?18 is the campaign, ?19 the runner.
INSERT INTO attempts (campaign, row, fencing_token, pass_key, runner, status, reason, http_status, sent_at, settled_at, latency_seconds)
SELECT campaign, row, fencing_token, pass_key, runner, ?3, ?5, ?6, ?7, ?8, ?9 FROM rows
WHERE campaign = ?18 AND row = ?1 AND fencing_token = ?2 AND runner = ?19 AND status = 'sending';

-- name: settle_one
UPDATE rows
SET status = ?4, reason = ?5, http_status = ?6, sent_at = ?7, settled_at = ?8, latency_seconds = ?9, due_at = ?10, attempts = ?11,
    counted_attempts = ?12,
    notification_status = iif(?13 = '', notification_status, ?13), notification_message = iif(?13 = '', notification_message, ?14),
    error = ?15, pass_status = coalesce(nullif(?16, ''), pass_status),
    device_type = coalesce(nullif(?17, ''), device_type), quiet_until = ?20, runner = NULL
WHERE campaign = ?18 AND row = ?1 AND fencing_token = ?2 AND runner = ?19 AND status = 'sending';

-- name: record_attempt
INSERT INTO attempts (campaign, row, fencing_token, pass_key, runner, status, reason, http_status, sent_at, settled_at, latency_seconds)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: begin_batch
INSERT INTO batches (campaign, name, entity, state, claimant, runner) VALUES (:campaign, :name, :entity, 'claimed', :runner, :runner)
RETURNING id;

-- name: fill_batch
UPDATE batches SET rows = :rows WHERE id = :batch;

-- name: delete_batch
DELETE FROM batches WHERE id = :batch;

-- name: adopt_batches
-- Nobody would find the batches of a runner that adopts them after it was reaped.
UPDATE batches SET runner = :runner WHERE campaign = :campaign AND state <> 'ended' AND runner IS NULL
  AND EXISTS (SELECT 1 FROM runners WHERE id = :runner AND ended_at = 0);

-- name: unassign_batches
UPDATE batches SET runner = NULL WHERE campaign = :campaign AND state <> 'ended' AND runner = :runner;

-- name: batches
SELECT id, campaign, name, entity, state, json_array_length(rows), remote_id, creates, scheduled_at, released_at, runner IS NOT NULL
FROM batches WHERE campaign = :campaign AND state <> 'ended' AND (:runner = 0 OR runner = :runner) ORDER BY id;

-- name: held_passes
-- The account's other campaigns in whose batches the passes of pending rows are, and whether a process works on them. Only batches may last
-- for ever: other rows that are being sent become unknown once their runner is dead, and those that are read back come to an end.
SELECT (SELECT count(*) FROM rows AS r WHERE campaign = :campaign AND status = 'pending'
        AND (:only IS NULL OR row IN (SELECT value FROM json_each(:only)))), c.name, h.rows,
       EXISTS (SELECT 1 FROM runners WHERE campaign = c.id AND ended_at = 0), c.desired_state
FROM (SELECT o.campaign, count(*) AS rows
      FROM rows AS r CROSS JOIN rows AS o ON o.pass_key = r.pass_key AND o.status IN ('sending', 'unknown')
      WHERE r.campaign = :campaign AND r.status = 'pending' AND (:only IS NULL OR r.row IN (SELECT value FROM json_each(:only)))
        AND +o.status = 'sending' AND o.batch IS NOT NULL AND o.campaign <> :campaign
      GROUP BY o.campaign) AS h
JOIN campaigns AS c ON c.id = h.campaign
WHERE c.account = (SELECT account FROM campaigns WHERE id = :campaign)
ORDER BY c.id;

-- name: unidentified_batches
SELECT name FROM batches WHERE campaign = :campaign AND state = 'ended' AND creates > (remote_id <> '') AND scheduled_at > :since ORDER BY id;

-- name: record_batch
UPDATE batches
SET state = :state, remote_id = :remote_id, creates = :creates, scheduled_at = :scheduled_at, released_at = :released_at,
    runner = iif(:state = 'ended', NULL, runner)
WHERE id = :batch AND runner = :runner AND state <> 'ended'
RETURNING id;

-- name: claimant
SELECT claimant FROM batches WHERE id = :batch AND runner = :runner AND state <> 'ended';

-- name: batch_claims
-- The rows that have no outcome yet.
SELECT r.row, r.fencing_token, r.pass_id, r.message, r.attempts, r.counted_attempts, r.zone, r.http_status,
       (r.attempts > 0 OR r.quiet_until > 0)
           AND EXISTS (SELECT 1 FROM attempts WHERE campaign = r.campaign AND row = r.row AND status = 'unknown' AND message IS NULL)
FROM batches AS b CROSS JOIN json_each(b.rows) AS j CROSS JOIN rows AS r ON r.campaign = b.campaign AND r.row = j.value
WHERE b.id = :batch AND r.batch = b.id AND r.status = 'sending' ORDER BY r.row;

-- name: release_batch
UPDATE rows SET status = 'pending', runner = NULL, due_at = :now
WHERE rowid IN (
    SELECT r.rowid FROM batches AS b CROSS JOIN json_each(b.rows) AS j CROSS JOIN rows AS r ON r.campaign = b.campaign AND r.row = j.value
    WHERE b.id = :batch AND r.batch = b.id AND r.status = 'sending'
);

-- name: first_with_text
SELECT row FROM rows WHERE campaign = :campaign AND status IN ({MAY_BE_SENT}) AND instr(message, :text)
ORDER BY row LIMIT 1;

-- name: claim_unverified
-- Nobody else gets these rows for a while, so that no pass is read twice at once.
UPDATE rows SET due_at = :now + :claim_seconds
WHERE campaign = :campaign AND row IN (
    SELECT row FROM rows WHERE campaign = :campaign AND status = 'unknown' AND due_at <= :now ORDER BY due_at, row LIMIT :limit
)
RETURNING row, fencing_token, pass_id, pass_key, message, attempts, counted_attempts, reason, baseline, baseline_text, due_at;

-- name: campaigns_with_unverified
-- Campaigns that nobody works on, and whose unverified rows may block passes of this one.
SELECT c.id FROM campaigns AS c
WHERE c.id <> :campaign AND c.account = (SELECT account FROM campaigns WHERE id = :campaign)
  AND NOT EXISTS (SELECT 1 FROM runners AS r WHERE r.campaign = c.id AND r.ended_at = 0)
  AND EXISTS (SELECT 1 FROM rows WHERE campaign = c.id AND status = 'unknown' AND due_at <= :now);

-- name: record_baseline
UPDATE rows SET baseline = :known, baseline_text = :text, pass_status = :pass_status, device_type = :device_type
WHERE campaign = :campaign AND row = :row AND fencing_token = :fencing_token AND runner = :runner AND status = 'sending';

-- name: reference_passes
-- Passes of the campaign whose newest text, as far as this ledger knows, is the row's, among its first 1000 rows of the status; with
-- :written_over, all of them. An attempt from a results file has no fencing token, and no time that could be compared.
SELECT sent.pass_id, sent.message FROM (SELECT * FROM rows WHERE campaign = :campaign AND status = :status LIMIT 1000) AS sent
WHERE :written_over
   OR NOT EXISTS (SELECT 1 FROM rows WHERE pass_key = sent.pass_key AND status IN ('sending', 'unknown'))
      AND NOT EXISTS (SELECT 1 FROM attempts AS l
                      WHERE l.pass_key = sent.pass_key AND l.status IN ({MAY_HAVE_ARRIVED})
                        AND NOT (l.campaign = sent.campaign AND l.row = sent.row)
                        AND l.id > coalesce((SELECT max(id) FROM attempts WHERE pass_key = sent.pass_key AND +campaign = sent.campaign
                                             AND row = sent.row AND fencing_token > 0), 0))
LIMIT 3;

-- name: reference_passes_after
-- The same for the first accepted messages that were sent after the row's attempt was over: of the campaign, or with :others of any campaign
-- that was sent with the same account. Scans at most 1000 attempts.
SELECT r.pass_id, coalesce(sent.message, r.message)
FROM (SELECT * FROM attempts WHERE id > (SELECT max(id) FROM attempts WHERE campaign = :campaign AND row = :row
    AND fencing_token = :fencing_token)
      ORDER BY id LIMIT 1000) AS sent
CROSS JOIN rows AS r ON r.campaign = sent.campaign AND r.row = sent.row
WHERE (sent.campaign = :campaign
       OR :others AND EXISTS (SELECT 1 FROM campaigns WHERE id = sent.campaign AND account <> ''
                              AND account = (SELECT account FROM campaigns WHERE id = :campaign)))
  AND sent.status IN ('delivered', 'accepted') AND sent.fencing_token > 0
  AND sent.sent_at >= (SELECT max(settled_at) FROM attempts WHERE campaign = :campaign AND row = :row AND fencing_token = :fencing_token)
  AND (:written_over
       OR NOT EXISTS (SELECT 1 FROM rows WHERE pass_key = sent.pass_key AND status IN ('sending', 'unknown'))
          AND NOT EXISTS (SELECT 1 FROM attempts AS l
                          WHERE l.pass_key = sent.pass_key AND l.status IN ({MAY_HAVE_ARRIVED}) AND l.id > sent.id))
ORDER BY sent.id LIMIT 3;

-- name: campaigns_of_account
SELECT id FROM campaigns WHERE account = (SELECT account FROM campaigns WHERE id = :campaign) AND account <> '' AND id <> :campaign
ORDER BY id DESC LIMIT 5;

-- name: texts_before
-- The texts that other attempts have left on a pass, newest first, and whether they came after the unknown one, or overlap it: what is
-- being sent now, and attempts of other tokens, which are not kept apart. The time of a row from a results file (no fencing token) is unknown.
SELECT message, status, later FROM (
    SELECT a.id, coalesce(a.message, r.message) AS message, a.status, a.campaign, :fencing_token = 0 OR a.fencing_token <= 0
           OR a.id > (SELECT max(id) FROM attempts WHERE pass_key = :pass_key AND campaign = :campaign AND row = :row
             AND fencing_token = :fencing_token)
           OR a.settled_at > (SELECT max(sent_at) FROM attempts
                              WHERE pass_key = :pass_key AND campaign = :campaign AND row = :row AND fencing_token = :fencing_token) AS later
    FROM attempts AS a JOIN rows AS r ON r.campaign = a.campaign AND r.row = a.row
    WHERE a.pass_key = :pass_key AND a.status IN ({MAY_HAVE_ARRIVED})
      AND NOT (a.campaign = :campaign AND a.row = :row AND a.fencing_token = :fencing_token)
    UNION ALL
    SELECT NULL, message, 'unknown', campaign, 1 FROM rows
    WHERE pass_key = :pass_key AND status IN ('sending', 'unknown') AND +status = 'sending'
)
WHERE (SELECT api FROM campaigns WHERE id = campaign) IN ('', (SELECT api FROM campaigns WHERE id = :campaign))
   OR (SELECT api FROM campaigns WHERE id = :campaign) = ''
ORDER BY id DESC LIMIT 1000;

-- name: last_texts
-- The last text that was, or may have been, sent to each of these passes through an API, as far as this ledger knows.
SELECT k.value, coalesce(a.message, r.message) FROM json_each(:pass_keys) AS k
JOIN attempts AS a ON a.id = (SELECT l.id FROM attempts AS l
                              WHERE l.pass_key = k.value AND l.status IN ({MAY_HAVE_ARRIVED})
                                AND EXISTS (SELECT 1 FROM campaigns WHERE id = l.campaign AND api = :api)
                              ORDER BY l.id DESC LIMIT 1)
JOIN rows AS r ON r.campaign = a.campaign AND r.row = a.row;

-- name: record_verification
-- As long as the row is to be read again, it keeps the reason why it is unknown.
UPDATE rows
SET status = :status, reason = iif(:status = 'unknown' AND :due_at IS NOT NULL, reason, :reason), due_at = :due_at, settled_at = :wall
WHERE campaign = :campaign AND row = :row AND fencing_token = :fencing_token AND status = 'unknown' AND due_at = :held_until
RETURNING row;

-- name: record_verified_attempt
UPDATE attempts SET status = :status, reason = :reason WHERE campaign = :campaign AND row = :row AND fencing_token = :fencing_token;

-- name: reschedule_verification
UPDATE rows SET due_at = max(:now, quiet_until) WHERE campaign = :campaign AND status = 'unknown' AND due_at IS NULL RETURNING 1;

-- name: rate_limit
SELECT next_free, rate_factor, paused_until, changed_at FROM rate_limits WHERE key = :key;

-- name: set_rate_limit
INSERT INTO rate_limits (key, next_free, rate_factor, paused_until, changed_at) VALUES (:key, :next_free, :rate_factor, :paused_until,
    :changed_at)
ON CONFLICT (key) DO UPDATE SET next_free = excluded.next_free, rate_factor = excluded.rate_factor,
    paused_until = excluded.paused_until, changed_at = excluded.changed_at;

-- name: get_desired_state
SELECT desired_state FROM campaigns WHERE id = :campaign;

-- name: set_desired_state
UPDATE campaigns
SET desired_state = :desired_state, finished_at = iif(:desired_state = 'cancelled' AND finished_at = 0, :wall, finished_at)
WHERE id = :campaign AND desired_state NOT IN ('staging', 'cancelled')
RETURNING id;

-- name: cancel_rows
UPDATE rows SET due_at = NULL, (status, reason) = (
    SELECT iif(count(*), 'unknown', 'skipped'), iif(count(*), 'earlier_attempt', 'cancelled') FROM attempts AS a
    WHERE (rows.attempts > 0 OR rows.quiet_until > 0) AND a.campaign = rows.campaign AND a.row = rows.row AND a.status = 'unknown' AND a.message IS NULL
)
WHERE campaign = :campaign AND status = 'pending';

-- name: retry
UPDATE rows SET status = 'pending', reason = '', due_at = :now, counted_attempts = 0
-- A person can't decide yet on a row that is still to be read back.
WHERE campaign = :campaign AND status = :status AND NOT (status = 'unknown' AND due_at IS NOT NULL)
  AND (:reasons = '[]' OR reason IN (SELECT value FROM json_each(:reasons)))
  AND (:http_statuses = '[]' OR http_status IN (SELECT value FROM json_each(:http_statuses)))
  AND EXISTS (SELECT 1 FROM campaigns WHERE id = :campaign AND desired_state <> 'cancelled')
  -- Nor is a row sent again that was sent after the attempt :after (`last_attempt`).
  AND NOT EXISTS (SELECT 1 FROM attempts AS a WHERE a.campaign = :campaign AND a.row = rows.row AND a.id > :after)
RETURNING 1;

-- name: open_retry
UPDATE campaigns SET retry_after = :after WHERE id = :campaign AND retry_after IS NULL;

-- name: last_attempt
-- The attempt after which this retry has sent rows before it was stopped, or another one since this one selected its rows (:since).
SELECT coalesce(min(coalesce(retry_after, :since), coalesce(:since, retry_after)), (SELECT max(id) FROM attempts WHERE campaign = :campaign), 0)
FROM campaigns WHERE id = :campaign;

-- name: end_retry
UPDATE campaigns SET retry_after = NULL
WHERE id = :campaign AND retry_after IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM rows WHERE campaign = :campaign AND (status IN ({OPEN}) OR status = 'unknown' AND due_at IS NOT NULL));

-- name: already_retried
SELECT DISTINCT row FROM attempts
WHERE campaign = :campaign AND id > (SELECT retry_after FROM campaigns WHERE id = :campaign);

-- name: matching
SELECT count(*) FROM rows
WHERE campaign = :campaign AND status = :status AND NOT (status = 'unknown' AND due_at IS NOT NULL)
  AND (:reasons = '[]' OR reason IN (SELECT value FROM json_each(:reasons)))
  AND (:http_statuses = '[]' OR http_status IN (SELECT value FROM json_each(:http_statuses)))
  AND NOT EXISTS (SELECT 1 FROM attempts AS a WHERE a.campaign = :campaign AND a.row = rows.row
                  AND a.id > (SELECT retry_after FROM campaigns WHERE id = :campaign));

-- name: retry_rows
-- A cross join keeps its order: in the other order, each row of the campaign would scan the whole array.
UPDATE rows SET status = 'pending', reason = '', due_at = :now, counted_attempts = 0
WHERE campaign = :campaign AND row IN (
    SELECT r.row FROM json_each(:rows) AS c CROSS JOIN rows AS r ON r.campaign = :campaign AND r.row = c.value
    WHERE r.status IN (SELECT value FROM json_each(:statuses)) AND NOT (r.status = 'unknown' AND r.due_at IS NOT NULL)
      AND NOT EXISTS (SELECT 1 FROM attempts AS a WHERE a.campaign = :campaign AND a.row = r.row AND a.id > :after)
)
  AND EXISTS (SELECT 1 FROM campaigns WHERE id = :campaign AND desired_state <> 'cancelled')
RETURNING 1;

-- name: keep_text
-- Keeps the text that the attempts of a row have sent, before the row gets another one.
UPDATE attempts SET message = (SELECT message FROM rows WHERE campaign = :campaign AND row = :row)
WHERE campaign = :campaign AND row = :row AND message IS NULL
  AND EXISTS (SELECT 1 FROM rows WHERE campaign = :campaign AND row = :row AND message <> :message);

-- name: correct
-- The device belongs to the pass, so a corrected id clears it. The notification belongs to the message on the pass.
UPDATE rows
SET status = 'pending', reason = '', error = '', notification_status = '', notification_message = '', due_at = :now, counted_attempts = 0, pass_id = :pass_id, pass_key = :pass_key,
    message = :message,
    cells = :cells, zone = :zone, baseline = 0, baseline_text = NULL, pass_status = iif(pass_key = :pass_key, pass_status, ''),
    device_type = iif(pass_key = :pass_key, device_type, '')
WHERE campaign = :campaign AND row = :row AND status IN ({CORRECTABLE})
  AND EXISTS (SELECT 1 FROM campaigns WHERE id = :campaign AND desired_state <> 'cancelled')
RETURNING row;

-- name: add_zones
UPDATE campaigns
SET zones = (SELECT json_group_array(value) FROM (SELECT value FROM json_each(zones) UNION SELECT value FROM json_each(:zones)))
WHERE id = :campaign;

-- name: mark_corrected_duplicates
-- A corrected row gives way to every other row of its pass.
UPDATE rows SET status = 'skipped', reason = 'duplicate', due_at = NULL
WHERE campaign = :campaign AND status = 'pending' AND row IN (
    SELECT row FROM (
        SELECT row, row_number() OVER (PARTITION BY pass_key ORDER BY row IN (SELECT value FROM json_each(:rows)), row) AS place
        FROM rows WHERE campaign = :campaign AND status NOT IN ({LEFT_OUT})
          AND pass_key IN (SELECT pass_key FROM rows WHERE campaign = :campaign AND row IN (SELECT value FROM json_each(:rows)))
    ) WHERE place > 1 AND row IN (SELECT value FROM json_each(:rows))
)
RETURNING 1;

-- name: count_by_status
-- One by one: the index keeps the rows of a status together, and counting each such range is faster than grouping.
SELECT s.value, (SELECT count(*) FROM rows WHERE campaign = :campaign AND status = s.value)
FROM json_each(:statuses) AS s
WHERE NOT EXISTS (SELECT 1 FROM purged WHERE campaign = :campaign)
UNION ALL
SELECT status, sum(count) FROM purged_counts WHERE campaign = :campaign GROUP BY status;

-- name: count_unverified
SELECT count(*) FROM rows WHERE campaign = :campaign AND status = 'unknown' AND due_at IS NOT NULL;

-- name: count_by_reason
SELECT status, reason, count(*) FROM rows
WHERE campaign = :campaign AND status IN ({WITH_REASON})
  AND NOT EXISTS (SELECT 1 FROM purged WHERE campaign = :campaign) GROUP BY status, reason
UNION ALL
-- Separate from the others: SQLite would otherwise group a million rows without a reason, only to drop them in the end.
SELECT status, reason, count(*) FROM rows
WHERE campaign = :campaign AND status = 'pending' AND reason <> ''
  AND NOT EXISTS (SELECT 1 FROM purged WHERE campaign = :campaign) GROUP BY status, reason
UNION ALL
SELECT status, reason, count FROM purged_counts
WHERE campaign = :campaign AND (status IN ({WITH_REASON}) OR status = 'pending' AND reason <> '');

-- name: pending_work
SELECT (SELECT desired_state FROM campaigns WHERE id = :campaign),
       (SELECT min((SELECT due_at FROM rows WHERE campaign = :campaign AND status = 'pending' AND zone = z.value
                    ORDER BY due_at LIMIT 1)) FROM json_each((SELECT zones FROM campaigns WHERE id = :campaign)) AS z),
       EXISTS (SELECT 1 FROM rows WHERE campaign = :campaign AND status = 'sending'),
       (SELECT min((SELECT due_at FROM rows WHERE campaign = :campaign AND status = 'unknown' AND zone = z.value AND due_at IS NOT NULL
                    ORDER BY due_at LIMIT 1)) FROM json_each((SELECT zones FROM campaigns WHERE id = :campaign)) AS z);

-- name: recent
-- Reads only the latest attempts, so that it takes some milliseconds for any history and any rate.
SELECT count(*), min(settled_at) FROM (SELECT campaign, settled_at FROM attempts ORDER BY id DESC LIMIT 10000)
WHERE campaign = :campaign AND settled_at >= :since;

-- name: rows
-- From the reason of a pending row, another ledger knows of an earlier attempt that may have arrived; here and in `result_columns`.
SELECT row, pass_id, message, cells, status,
    iif(status = 'pending' AND (attempts > 0 OR quiet_until > 0)
        AND EXISTS (SELECT 1 FROM attempts AS a WHERE a.campaign = r.campaign AND a.row = r.row AND a.status = 'unknown' AND a.message IS NULL),
        'earlier_attempt', reason),
    notification_status, notification_message, http_status, error, attempts, sent_at, settled_at, latency_seconds, pass_status, device_type
FROM rows AS r WHERE campaign = :campaign ORDER BY row;

-- name: messages
-- The plus keeps the order of the rows, instead of sorting them.
SELECT row, pass_id, message FROM rows
WHERE campaign = :campaign AND +status IN (SELECT value FROM json_each(:statuses)) ORDER BY row;

-- name: result_columns
SELECT row, message, cells, status,
    iif(status = 'pending' AND (attempts > 0 OR quiet_until > 0)
        AND EXISTS (SELECT 1 FROM attempts AS a WHERE a.campaign = r.campaign AND a.row = r.row AND a.status = 'unknown' AND a.message IS NULL),
        'earlier_attempt', reason),
    notification_status, notification_message, http_status, error, attempts, sent_at, settled_at, latency_seconds, pass_status, device_type
FROM rows AS r WHERE campaign = :campaign ORDER BY row;

-- name: rows_numbered
SELECT row, pass_id, message, cells, status, reason, notification_status, notification_message, http_status, error, attempts, sent_at,
       settled_at, latency_seconds, pass_status, device_type
FROM rows WHERE campaign = :campaign AND row IN (SELECT value FROM json_each(:rows));

-- name: sent_texts
-- Of those after which a row is pending, an attempt counts if it got no answer (`AttemptOutcome.counts_as_attempt`).
SELECT row, message, sum(fencing_token > 0 AND (status <> 'pending' OR http_status IS NULL)) FROM attempts
WHERE campaign = :campaign AND row IN (SELECT value FROM json_each(:rows)) GROUP BY row, message;

-- name: row_states
SELECT row, pass_key, status, attempts, sent_at, fencing_token > 0 OR EXISTS (SELECT 1 FROM attempts WHERE campaign = r.campaign AND row = r.row)
FROM rows AS r WHERE campaign = :campaign AND row IN (SELECT value FROM json_each(:rows));

-- name: rows_of_passes
SELECT row, pass_key FROM rows WHERE campaign = :campaign AND pass_key IN (SELECT value FROM json_each(:keys));

-- name: attempts_by_runner
SELECT runner, count(*) FROM attempts WHERE campaign = :campaign GROUP BY runner;

-- name: last_change
-- Ignores future times, which a results file may have; and when the campaign was cancelled, as this sends nothing.
SELECT max(c.created_at, c.started_at,
           coalesce((SELECT max(sent_at) FROM attempts WHERE campaign = :campaign AND sent_at <= :wall), 0),
           coalesce((SELECT max(max(started_at, ended_at)) FROM runners WHERE campaign = :campaign), 0))
FROM campaigns AS c WHERE c.id = :campaign;

-- name: examples
SELECT row, error FROM rows WHERE campaign = :campaign AND status = :status AND reason = :reason ORDER BY row LIMIT :limit;

-- name: clock
SELECT boot, anchor, latest FROM clock WHERE one = 1;

-- name: set_clock
INSERT INTO clock (one, boot, anchor, latest) VALUES (1, :boot, :anchor, :now)
ON CONFLICT (one) DO UPDATE SET boot = excluded.boot, anchor = excluded.anchor, latest = max(latest, excluded.latest)
RETURNING latest;

-- name: purged_or_exported
-- Whether a campaign was purged, or exported by an earlier version, and when.
SELECT (SELECT purged_at FROM purged WHERE campaign = :campaign), (SELECT exported_at FROM exported WHERE campaign = :campaign),
       (SELECT file FROM exported WHERE campaign = :campaign);

-- name: record_purged_counts
INSERT INTO purged_counts (campaign, status, reason, count)
SELECT campaign, status, reason, count(*) FROM rows WHERE campaign = :campaign GROUP BY status, reason;

-- name: record_purge
INSERT INTO purged (campaign, purged_at) VALUES (:campaign, :wall);

-- name: purge_rows
DELETE FROM rows WHERE campaign = :campaign AND row IN (SELECT row FROM rows WHERE campaign = :campaign LIMIT :limit) RETURNING 1;

-- name: purge_exclusions
DELETE FROM exclusions
WHERE campaign = :campaign AND pass_key IN (SELECT pass_key FROM exclusions WHERE campaign = :campaign LIMIT :limit)
RETURNING 1;

-- name: pass_keys
SELECT row, pass_key, status FROM rows WHERE campaign = :campaign AND status NOT IN ({LEFT_OUT});

-- name: exclusions
SELECT pass_key FROM exclusions WHERE campaign = :campaign;

-- name: purge_attempts
DELETE FROM attempts WHERE id IN (SELECT id FROM attempts WHERE campaign = :campaign LIMIT :limit) RETURNING 1;

-- name: purge_columns
-- In a list without a header, the column names are the first customer's data.
UPDATE campaigns SET columns = '[]', id_column = '' WHERE id = :campaign;

-- name: unfinished_purge
SELECT 1 FROM purged WHERE rows_deleted = 0 LIMIT 1;

-- name: finish_purge
UPDATE purged SET rows_deleted = 1 WHERE campaign = :campaign;

-- name: attempt_columns
-- In the order of the index by row. Attempts from a results file have fencing token 0, and keep the order in which they were added.
SELECT row, runner, status, reason, http_status, sent_at, latency_seconds
FROM attempts WHERE campaign = :campaign ORDER BY row, fencing_token, id;

-- name: identity
SELECT machine, adapters, inode, created_ns, host, path FROM identity;

-- name: set_identity
INSERT OR REPLACE INTO identity (one, machine, adapters, inode, created_ns, host, path)
VALUES (1, :machine, :adapters, :inode, :created_ns, :host, :path);

-- name: last_run
-- A runner that was killed never ended, but its lease did. The lease is on the ledger's clock, which follows the wall clock.
SELECT coalesce(max(max(started_at, ended_at, min(lease_until, :now))), 0) FROM runners;
