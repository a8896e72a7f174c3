-- SPDX-License-Identifier: Apache-2.0
-- Everything that moves GPU-time or a job's state: one procedure, one transaction, one round trip.
--
-- Procedures that programs call answer with one row whose first column `outcome` is a word: refusals
-- are answers, not errors. Each may be repeated: a key that was used already gives the first answer.
-- Any error inside rolls the whole transaction back. Keys are typed as their columns are (ascii_bin):
-- compared with text of another character set they would be looked for row by row, under locks.

CREATE FUNCTION now_ms() RETURNS BIGINT READS SQL DATA -- (of the clock; replicas refuse less)
    RETURN CAST(UNIX_TIMESTAMP(SYSDATE(3)) * 1000 AS SIGNED);

-- The month of now. The clock is read once: a function in a WHERE is called for every row.
CREATE FUNCTION month_now() RETURNS INT READS SQL DATA
BEGIN
    DECLARE v_now BIGINT DEFAULT now_ms();
    DECLARE v_month INT;
    SELECT month INTO v_month FROM month WHERE from_ms <= v_now ORDER BY from_ms DESC LIMIT 1;
    RETURN v_month;
END;

-- Moves gpums from one bucket to another and writes the transfer, inside the caller's transaction.
-- out_moved is FALSE, and nothing is changed, when the debited bucket holds less (system accounts may
-- go below zero: what they owe is what was issued).
CREATE PROCEDURE ledger_move(
    IN in_type VARCHAR(16), IN in_debit INT UNSIGNED, IN in_debit_bucket VARCHAR(8),
    IN in_credit INT UNSIGNED, IN in_credit_bucket VARCHAR(8), IN in_gpums BIGINT,
    IN in_job BIGINT UNSIGNED, IN in_attempt BIGINT UNSIGNED, IN in_month INT,
    IN in_actor VARCHAR(64), IN in_reason VARCHAR(200), IN in_reference VARCHAR(120),
    IN in_key VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin,
    IN in_leg TINYINT UNSIGNED, OUT out_moved BOOLEAN)
MODIFIES SQL DATA
BEGIN
    UPDATE budget
    SET free = free - IF(in_debit_bucket = 'free', in_gpums, 0)
                    + IF(in_debit = in_credit AND in_credit_bucket = 'free', in_gpums, 0),
        held = held - IF(in_debit_bucket = 'held', in_gpums, 0)
                    + IF(in_debit = in_credit AND in_credit_bucket = 'held', in_gpums, 0),
        used = used - IF(in_debit_bucket = 'used', in_gpums, 0)
                    + IF(in_debit = in_credit AND in_credit_bucket = 'used', in_gpums, 0)
    WHERE id = in_debit AND in_gpums > 0
      AND (kind = 'system'
           OR CASE in_debit_bucket WHEN 'free' THEN free WHEN 'held' THEN held ELSE used END
              >= in_gpums);
    SET out_moved = ROW_COUNT() = 1;
    IF out_moved THEN
        IF in_debit != in_credit THEN
            UPDATE budget
            SET free = free + IF(in_credit_bucket = 'free', in_gpums, 0),
                held = held + IF(in_credit_bucket = 'held', in_gpums, 0),
                used = used + IF(in_credit_bucket = 'used', in_gpums, 0)
            WHERE id = in_credit;
        END IF;
        INSERT INTO transfer (type, debit_budget, debit_bucket, credit_budget, credit_bucket, gpums,
                              job_id, attempt_id, month, at_ms, actor, reason, reference,
                              request_key, leg)
        VALUES (in_type, in_debit, in_debit_bucket, in_credit, in_credit_bucket, in_gpums, in_job,
                in_attempt, in_month, now_ms(), in_actor, in_reason, in_reference, in_key, in_leg);
    END IF;
END;

-- ---------------------------------------------------------------- portald

-- The weight per mille that a job of this GPU type holds at now: 'any' at the dearest of those that some
-- node has (of all while no node is known). NULL: no price.
CREATE FUNCTION price_now(in_type VARCHAR(32)) RETURNS INT READS SQL DATA
BEGIN
    DECLARE v_now BIGINT DEFAULT now_ms();
    DECLARE v_weight INT;
    SELECT MAX(p.weight_permille) INTO v_weight FROM price p
    WHERE (p.gpu_type = in_type OR in_type = 'any')
      AND p.since_ms = (SELECT MAX(q.since_ms) FROM price q
                        WHERE q.gpu_type = p.gpu_type AND q.since_ms <= v_now)
      AND (in_type != 'any' OR p.gpu_type IN (SELECT n.gpu_type FROM node n)
           OR NOT EXISTS (SELECT 1 FROM node n));
    RETURN v_weight;
END;

-- Places a job with its hold. outcome: placed | same | other_content | no_budget |
-- no_allocation | no_project | closed | disabled | no_price. For no_budget hold_gpums and
-- free_gpums say how much was asked and how much the best allocation (or the share in it) still has.
CREATE PROCEDURE job_place(
    IN in_person INT UNSIGNED, IN in_key CHAR(32) CHARACTER SET ascii COLLATE ascii_bin,
    IN in_hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin,
    IN in_project VARCHAR(32), IN in_allocation INT UNSIGNED, IN in_kind VARCHAR(16),
    IN in_name VARCHAR(80), IN in_nodes INT, IN in_gpus_per_node INT, IN in_gpu_type VARCHAR(32),
    IN in_cpus INT, IN in_memory BIGINT, IN in_limit_ms BIGINT, IN in_checkpoint BOOLEAN,
    IN in_interval_ms BIGINT, IN in_retries INT, IN in_priority VARCHAR(8), IN in_spec MEDIUMTEXT)
MODIFIES SQL DATA
place: BEGIN
    DECLARE v_job, v_project, v_allocation, v_budget, v_share BIGINT UNSIGNED DEFAULT NULL;
    DECLARE v_weight INT;
    DECLARE v_hold, v_free, v_share_free, v_best, v_before, v_fresh BIGINT DEFAULT NULL;
    DECLARE v_now BIGINT DEFAULT now_ms();
    DECLARE v_moved, v_done BOOLEAN DEFAULT FALSE;
    DECLARE v_hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_person_state, v_project_state, v_tenant_state, v_actor VARCHAR(64);
    DECLARE candidates CURSOR FOR
        SELECT a.id, b.id, b.free, s.id, s.free
        FROM allocation a
        JOIN budget b ON b.allocation_id = a.id AND b.person_id IS NULL
        LEFT JOIN budget s ON s.allocation_id = a.id AND s.person_id = in_person
        WHERE a.project_id = v_project AND a.state = 'open'
          AND a.from_ms <= v_now AND v_now < a.until_ms
          AND (in_allocation = 0 OR a.id = in_allocation)
        ORDER BY a.until_ms, a.id;
    DECLARE CONTINUE HANDLER FOR NOT FOUND SET v_done = TRUE;
    DECLARE EXIT HANDLER FOR 1062
    BEGIN -- the same key came in beside us and committed first
        ROLLBACK;
        SELECT IF(content_hash = in_hash, 'same', 'other_content') AS outcome, id AS job_id,
               hold_gpums, NULL AS free_gpums, allocation_id
        FROM job WHERE person_id = in_person AND request_key = in_key;
    END;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SELECT id, content_hash, hold_gpums, allocation_id INTO v_job, v_hash, v_hold, v_allocation
    FROM job WHERE person_id = in_person AND request_key = in_key;
    IF v_job IS NOT NULL THEN
        SELECT IF(v_hash = in_hash, 'same', 'other_content') AS outcome, v_job AS job_id,
               v_hold AS hold_gpums, NULL AS free_gpums, v_allocation AS allocation_id;
        LEAVE place;
    END IF;

    SELECT p.id, p.state, t.state, IF(c.uid IS NULL, 'none', w.state),
           CONCAT(w.directory, '/', w.login)
    INTO v_project, v_project_state, v_tenant_state, v_person_state, v_actor
    FROM project p
    JOIN tenant t ON t.id = p.tenant_id
    JOIN member m ON m.project_id = p.id AND m.person_id = in_person
    JOIN person w ON w.id = in_person
    LEFT JOIN account c ON c.person_id = w.id -- without one nothing could run the job
    WHERE p.name = in_project;
    SET v_weight = price_now(in_gpu_type);
    IF v_project IS NULL OR v_person_state != 'active' OR v_project_state != 'open'
       OR v_tenant_state != 'open' OR v_weight IS NULL THEN
        SELECT CASE WHEN v_project IS NULL THEN 'no_project'
                    WHEN v_person_state != 'active' THEN 'disabled'
                    WHEN v_weight IS NULL THEN 'no_price'
                    ELSE 'closed' END AS outcome,
               NULL AS job_id, NULL AS hold_gpums, NULL AS free_gpums, NULL AS allocation_id;
        LEAVE place;
    END IF;
    SET v_hold = in_nodes * in_gpus_per_node * in_limit_ms * v_weight DIV 1000;

    START TRANSACTION;
    SET v_done = FALSE;
    OPEN candidates;
    attempt: LOOP
        FETCH candidates INTO v_allocation, v_budget, v_free, v_share, v_share_free;
        IF v_done THEN
            LEAVE attempt;
        END IF;
        SET v_before = v_best;
        SET v_best = GREATEST(COALESCE(v_best, 0), LEAST(v_free, COALESCE(v_share_free, v_free)));
        IF v_free >= v_hold AND COALESCE(v_share_free, v_hold) >= v_hold THEN
            INSERT INTO job (person_id, request_key, content_hash, project_id, allocation_id,
                             budget_id, share_id, kind, name, nodes, gpus_per_node, gpu_type, cpus,
                             memory_bytes, time_limit_ms, checkpoint, checkpoint_interval_ms,
                             retries, priority, weight_permille, hold_gpums, state, seq, placed_ms)
            VALUES (in_person, in_key, in_hash, v_project, v_allocation, v_budget, v_share, in_kind,
                    in_name, in_nodes, in_gpus_per_node, in_gpu_type, in_cpus, in_memory,
                    in_limit_ms, in_checkpoint, in_interval_ms, in_retries, in_priority, v_weight,
                    v_hold, 'queued', 1, v_now);
            SET v_job = LAST_INSERT_ID();
            INSERT INTO job_spec VALUES (v_job, in_spec);
            INSERT INTO event (job_id, seq, kind, at_ms) VALUES (v_job, 1, 'placed', v_now);
            CALL ledger_move('hold', v_budget, 'free', v_budget, 'held', v_hold, v_job, NULL,
                             month_now(), v_actor, 'submit', '', CONCAT('hold:', v_job), 0, v_moved);
            IF v_moved AND v_share IS NOT NULL THEN
                CALL ledger_move('hold', v_share, 'free', v_share, 'held', v_hold, v_job, NULL,
                                 month_now(), v_actor, 'submit', '', CONCAT('hold:', v_job), 1,
                                 v_moved);
            END IF;
            IF v_moved THEN
                COMMIT;
                CLOSE candidates;
                SELECT 'placed' AS outcome, v_job AS job_id, v_hold AS hold_gpums,
                       NULL AS free_gpums, v_allocation AS allocation_id;
                LEAVE place;
            END IF;
            ROLLBACK; -- spent by another submit since it was read: take the next allocation
            START TRANSACTION;
            SET v_job = NULL;
            SELECT MIN(free) INTO v_fresh FROM budget WHERE id = v_budget OR id = v_share;
            SET v_best = GREATEST(COALESCE(v_before, 0), v_fresh);
            SET v_done = FALSE;
        END IF;
    END LOOP;
    CLOSE candidates;
    ROLLBACK;
    SELECT IF(v_best IS NULL, 'no_allocation', 'no_budget') AS outcome, NULL AS job_id,
           v_hold AS hold_gpums, v_best AS free_gpums, NULL AS allocation_id;
END;

-- Makes or refreshes the person behind a directory entry, and gives an account of the range.
-- outcome: ok | no_tenant | disabled | no_uid | account_taken (nss: it is another person's).
CREATE PROCEDURE person_login(
    IN in_directory VARCHAR(64), IN in_entry VARCHAR(128), IN in_tenant VARCHAR(32),
    IN in_login VARCHAR(64), IN in_name VARCHAR(160), IN in_mail VARCHAR(254),
    IN in_admin BOOLEAN, IN in_uid INT UNSIGNED, IN in_gid INT UNSIGNED, IN in_gids VARCHAR(1000),
    IN in_uid_min INT UNSIGNED, IN in_uid_max INT UNSIGNED)
MODIFIES SQL DATA
login: BEGIN
    -- in_uid 0: take the next uid from in_uid_min … in_uid_max (mode range); otherwise nss gave it
    DECLARE v_tenant, v_person, v_uid INT UNSIGNED DEFAULT NULL;
    DECLARE v_taken INT;
    DECLARE v_state, v_unix VARCHAR(64);
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;
    START TRANSACTION;
    SELECT id INTO v_tenant FROM tenant WHERE name = in_tenant AND state = 'open' FOR UPDATE;
    IF v_tenant IS NULL THEN
        ROLLBACK;
        SELECT 'no_tenant' AS outcome, NULL AS person_id;
        LEAVE login;
    END IF;
    INSERT INTO person (directory, entry_id, tenant_id, login, name, mail, is_admin, first_seen_ms,
                        last_login_ms)
    VALUES (in_directory, in_entry, v_tenant, in_login, in_name, in_mail, in_admin, now_ms(),
            now_ms())
    ON DUPLICATE KEY UPDATE tenant_id = v_tenant, login = in_login, name = in_name, mail = in_mail,
                            is_admin = in_admin, last_login_ms = now_ms();
    SELECT id, state INTO v_person, v_state FROM person
    WHERE directory = in_directory AND entry_id = in_entry;
    IF v_state != 'active' THEN
        ROLLBACK;
        SELECT 'disabled' AS outcome, NULL AS person_id;
        LEAVE login;
    END IF;
    IF in_uid = 0 AND NOT EXISTS (SELECT 1 FROM account WHERE person_id = v_person) THEN
        SELECT COALESCE(MAX(uid) + 1, in_uid_min) INTO v_uid FROM account
        WHERE uid BETWEEN in_uid_min AND in_uid_max FOR UPDATE;
        IF v_uid > in_uid_max THEN
            ROLLBACK;
            SELECT 'no_uid' AS outcome, NULL AS person_id;
            LEAVE login;
        END IF;
        SET v_unix = IF(EXISTS (SELECT 1 FROM account WHERE unix_name = in_login),
                        CONCAT(LEFT(in_login, 20), '-', v_uid), in_login);
        INSERT INTO account VALUES (v_person, v_unix, v_uid, v_uid, '');
    ELSEIF in_uid != 0 THEN
        SELECT COUNT(*) INTO v_taken FROM account
        WHERE (uid = in_uid OR unix_name = in_login) AND person_id != v_person;
        IF v_taken > 0 THEN
            ROLLBACK;
            SELECT 'account_taken' AS outcome, NULL AS person_id;
            LEAVE login;
        END IF;
        INSERT INTO account VALUES (v_person, in_login, in_uid, in_gid, in_gids)
        ON DUPLICATE KEY UPDATE unix_name = in_login, uid = in_uid, gid = in_gid, gids = in_gids;
    END IF;
    COMMIT;
    SELECT 'ok' AS outcome, v_person AS person_id;
END;

-- ---------------------------------------------------------------- runnerd

-- Takes or renews the lease. outcome: held (epoch is ours) | other (held by another for left_ms).
CREATE PROCEDURE lease_take(IN in_name VARCHAR(16), IN in_holder VARCHAR(120), IN in_epoch BIGINT,
                            IN in_ttl_ms BIGINT)
MODIFIES SQL DATA
BEGIN
    -- in_epoch 0: ask for it anew; otherwise renew that epoch
    DECLARE v_now BIGINT DEFAULT now_ms();
    UPDATE lease
    SET epoch = epoch + (in_epoch = 0), holder = in_holder, until_ms = v_now + in_ttl_ms
    WHERE name = in_name
      AND IF(in_epoch = 0, until_ms <= v_now OR holder = in_holder, epoch = in_epoch);
    IF ROW_COUNT() = 1 THEN
        SELECT 'held' AS outcome, epoch, 0 AS left_ms FROM lease WHERE name = in_name;
    ELSE
        SELECT 'other' AS outcome, epoch, GREATEST(until_ms - v_now, 1) AS left_ms
        FROM lease WHERE name = in_name;
    END IF;
END;

-- Ends the caller's transaction with an error unless the epoch is the lease's: a runnerd that was
-- stopped and went on after another took over can change nothing.
CREATE PROCEDURE lease_prove(IN in_epoch BIGINT)
READS SQL DATA
BEGIN
    DECLARE v_epoch BIGINT;
    SELECT epoch INTO v_epoch FROM lease WHERE name = 'runnerd' LOCK IN SHARE MODE;
    IF NOT (v_epoch <=> in_epoch) THEN
        SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 30001, MESSAGE_TEXT = 'another runnerd is active';
    END IF;
END;

-- Appends an event and stores the state it leads to, inside the caller's transaction. The state comes
-- from job_next(); that `seq` follows the job's last one makes every move happen once. out_new is FALSE
-- when this very event is there already: its answer was lost, and nothing is left to do.
CREATE PROCEDURE event_append(IN in_job BIGINT UNSIGNED, IN in_seq INT, IN in_kind VARCHAR(16),
                              IN in_state VARCHAR(16), IN in_attempt BIGINT UNSIGNED,
                              IN in_at_ms BIGINT, IN in_note VARCHAR(500), OUT out_new BOOLEAN)
MODIFIES SQL DATA
BEGIN
    DECLARE v_same INT DEFAULT 0;
    UPDATE job SET state = in_state, seq = in_seq, waits_for = ''
    WHERE id = in_job AND seq = in_seq - 1;
    SET out_new = ROW_COUNT() = 1;
    IF out_new THEN
        INSERT INTO event (job_id, seq, kind, attempt_id, at_ms, note)
        VALUES (in_job, in_seq, in_kind, in_attempt, in_at_ms, in_note);
    ELSE
        SELECT COUNT(*) INTO v_same FROM event
        WHERE job_id = in_job AND seq = in_seq AND kind = in_kind AND attempt_id <=> in_attempt;
        IF v_same = 0 THEN
            SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 30002, MESSAGE_TEXT = 'the job has moved on';
        END IF;
    END IF;
END;

-- Writes an attempt with its launch token, before any executor is asked. outcome: ok.
-- The same token again gives the same attempt. A job without its hold is refused: no_hold.
CREATE PROCEDURE attempt_create(IN in_epoch BIGINT, IN in_job BIGINT UNSIGNED, IN in_seq INT,
                                IN in_token CHAR(32) CHARACTER SET ascii COLLATE ascii_bin,
                                IN in_executor VARCHAR(16),
                                IN in_place VARCHAR(2000), IN in_gpus INT, IN in_weight INT)
MODIFIES SQL DATA
make: BEGIN
    DECLARE v_attempt BIGINT UNSIGNED DEFAULT NULL;
    DECLARE v_no, v_holds INT;
    DECLARE v_at BIGINT DEFAULT now_ms();
    DECLARE v_hold_key VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin
        DEFAULT CONCAT('hold:', in_job);
    DECLARE v_new BOOLEAN;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;
    START TRANSACTION;
    CALL lease_prove(in_epoch);
    SELECT id, no INTO v_attempt, v_no FROM attempt WHERE token = in_token AND job_id = in_job;
    IF v_attempt IS NULL THEN
        SELECT COUNT(*) INTO v_holds FROM transfer t JOIN job j ON j.id = t.job_id
        WHERE t.request_key = v_hold_key AND t.leg = 0 AND j.id = in_job
          AND t.gpums = j.hold_gpums;
        IF v_holds = 0 THEN
            ROLLBACK;
            SELECT 'no_hold' AS outcome, NULL AS attempt_id, NULL AS attempt_no;
            LEAVE make;
        END IF;
        SELECT COALESCE(MAX(no), 0) + 1 INTO v_no FROM attempt WHERE job_id = in_job;
        INSERT INTO attempt (job_id, no, token, executor, place, gpus, weight_permille, created_ms)
        VALUES (in_job, v_no, in_token, in_executor, in_place, in_gpus, in_weight, v_at);
        SET v_attempt = LAST_INSERT_ID();
        CALL event_append(in_job, in_seq, 'attempt', 'starting', v_attempt, v_at, in_place,
                          v_new);
    END IF;
    COMMIT;
    SELECT 'ok' AS outcome, v_attempt AS attempt_id, v_no AS attempt_no;
END;

-- A move of a job that touches no GPU-time: started, not_started, suspend, retry.
CREATE PROCEDURE job_move(IN in_epoch BIGINT, IN in_job BIGINT UNSIGNED, IN in_seq INT,
                          IN in_kind VARCHAR(16), IN in_state VARCHAR(16),
                          IN in_attempt BIGINT UNSIGNED, IN in_at_ms BIGINT,
                          IN in_note VARCHAR(500))
MODIFIES SQL DATA
BEGIN
    DECLARE v_at BIGINT;
    DECLARE v_new BOOLEAN;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;
    START TRANSACTION;
    CALL lease_prove(in_epoch);
    -- the machine that ran it may have a wrong clock: never before the attempt, never after now
    SELECT LEAST(GREATEST(in_at_ms, COALESCE(MAX(created_ms), in_at_ms)), now_ms()) INTO v_at
    FROM attempt WHERE id = in_attempt;
    CALL event_append(in_job, in_seq, in_kind, in_state, in_attempt, v_at, in_note, v_new);
    IF v_new AND in_kind = 'started' THEN
        UPDATE attempt SET started_ms = v_at WHERE id = in_attempt;
        UPDATE job SET started_ms = COALESCE(started_ms, v_at) WHERE id = in_job;
    ELSEIF v_new AND in_kind = 'not_started' THEN
        UPDATE attempt SET ended_ms = v_at, run_ms = 0, chargeable_ms = 0, charge_gpums = 0,
                           cause = 'not_started'
        WHERE id = in_attempt;
    END IF;
    COMMIT;
    SELECT 'ok' AS outcome;
END;

-- The end of an attempt: its times, its cause, and what its charges must come to.
CREATE PROCEDURE attempt_end(IN in_epoch BIGINT, IN in_job BIGINT UNSIGNED, IN in_seq INT,
                             IN in_kind VARCHAR(16), IN in_state VARCHAR(16),
                             IN in_attempt BIGINT UNSIGNED, IN in_ended_ms BIGINT,
                             IN in_run_ms BIGINT, IN in_chargeable_ms BIGINT,
                             IN in_charge_gpums BIGINT, IN in_cause VARCHAR(32), IN in_exit INT,
                             IN in_signal INT, IN in_note VARCHAR(500))
MODIFIES SQL DATA
BEGIN
    DECLARE v_at BIGINT;
    DECLARE v_new BOOLEAN;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;
    START TRANSACTION;
    CALL lease_prove(in_epoch);
    SELECT LEAST(GREATEST(in_ended_ms, COALESCE(started_ms, created_ms)), now_ms()) INTO v_at
    FROM attempt WHERE id = in_attempt;
    CALL event_append(in_job, in_seq, in_kind, in_state, in_attempt, v_at, in_note, v_new);
    IF v_new THEN
        UPDATE attempt
        SET ended_ms = v_at, run_ms = in_run_ms, chargeable_ms = in_chargeable_ms,
            charge_gpums = in_charge_gpums, cause = in_cause, exit_code = in_exit,
            signal_no = in_signal
        WHERE id = in_attempt;
    END IF;
    COMMIT;
    SELECT 'ok' AS outcome;
END;

-- Posts the charge of one attempt for one month. outcome: posted | same.
CREATE PROCEDURE charge_post(IN in_epoch BIGINT, IN in_attempt BIGINT UNSIGNED, IN in_month INT,
                             IN in_gpums BIGINT)
MODIFIES SQL DATA
post: BEGIN
    DECLARE v_job BIGINT UNSIGNED;
    DECLARE v_budget, v_share INT UNSIGNED;
    DECLARE v_month, v_same INT;
    DECLARE v_due, v_posted BIGINT;
    DECLARE v_key VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin
        DEFAULT CONCAT('charge:', in_attempt, ':', in_month);
    DECLARE v_moved BOOLEAN DEFAULT FALSE;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;
    START TRANSACTION;
    CALL lease_prove(in_epoch);
    SELECT j.id, j.budget_id, j.share_id INTO v_job, v_budget, v_share
    FROM attempt a JOIN job j ON j.id = a.job_id WHERE a.id = in_attempt FOR UPDATE;
    SELECT COUNT(*) INTO v_same FROM transfer WHERE request_key = v_key AND leg = 0;
    IF v_same > 0 THEN
        ROLLBACK;
        SELECT 'same' AS outcome;
        LEAVE post;
    END IF;
    SELECT charge_gpums INTO v_due FROM attempt WHERE id = in_attempt;
    SELECT COALESCE(SUM(gpums), 0) INTO v_posted FROM transfer
    WHERE job_id = v_job AND attempt_id = in_attempt AND type = 'charge' AND leg = 0;
    IF NOT (v_posted + in_gpums <= v_due) THEN
        SIGNAL SQLSTATE '45000'
            SET MYSQL_ERRNO = 30003, MESSAGE_TEXT = 'charge exceeds what the attempt used';
    END IF;
    IF in_gpums = 0 THEN -- the attempt used nothing in this month: there is nothing to move
        ROLLBACK;
        SELECT 'posted' AS outcome;
        LEAVE post;
    END IF;
    -- a month that is closed takes nothing more: the charge is booked in the open one
    SELECT IF(closed_ms IS NULL, month, month_now()) INTO v_month FROM month
    WHERE month = in_month LOCK IN SHARE MODE;
    CALL ledger_move('charge', v_budget, 'held', v_budget, 'used', in_gpums, v_job, in_attempt,
                     v_month, 'runnerd', 'run time', '', v_key, 0, v_moved);
    IF v_moved AND v_share IS NOT NULL THEN
        CALL ledger_move('charge', v_share, 'held', v_share, 'used', in_gpums, v_job, in_attempt,
                         v_month, 'runnerd', 'run time', '', v_key, 1, v_moved);
    END IF;
    IF NOT v_moved THEN
        SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 30003, MESSAGE_TEXT = 'charge exceeds the hold';
    END IF;
    UPDATE job SET charged_gpums = charged_gpums + in_gpums WHERE id = v_job;
    COMMIT;
    SELECT 'posted' AS outcome;
END;

-- The end of a job: the rest of its hold goes back to its allocation, or to `expired` when the term
-- is over. outcome: ok | uncharged (an attempt's charges are not all posted yet).
CREATE PROCEDURE job_finish(IN in_epoch BIGINT, IN in_job BIGINT UNSIGNED, IN in_seq INT,
                            IN in_kind VARCHAR(16), IN in_state VARCHAR(16), IN in_exit INT,
                            IN in_outcome VARCHAR(200))
MODIFIES SQL DATA
finish: BEGIN
    DECLARE v_budget, v_share, v_expired INT UNSIGNED;
    DECLARE v_rest, v_charged, v_due, v_until BIGINT;
    DECLARE v_at BIGINT DEFAULT now_ms();
    DECLARE v_allocation INT UNSIGNED;
    DECLARE v_moved, v_new BOOLEAN DEFAULT FALSE;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;
    START TRANSACTION;
    CALL lease_prove(in_epoch);
    SELECT budget_id, share_id, allocation_id, hold_gpums - charged_gpums + refunded_gpums,
           charged_gpums
    INTO v_budget, v_share, v_allocation, v_rest, v_charged
    FROM job WHERE id = in_job FOR UPDATE;
    SELECT until_ms INTO v_until FROM allocation WHERE id = v_allocation;
    SELECT COALESCE(SUM(charge_gpums), 0) INTO v_due FROM attempt WHERE job_id = in_job;
    IF v_due != v_charged THEN
        ROLLBACK;
        SELECT 'uncharged' AS outcome;
        LEAVE finish;
    END IF;
    CALL event_append(in_job, in_seq, in_kind, in_state, NULL, v_at, in_outcome, v_new);
    IF NOT v_new THEN
        ROLLBACK;
        SELECT 'ok' AS outcome;
        LEAVE finish;
    END IF;
    UPDATE job SET ended_ms = v_at, exit_code = in_exit, outcome = in_outcome WHERE id = in_job;
    IF v_rest > 0 THEN
        CALL ledger_move('release', v_budget, 'held', v_budget, 'free', v_rest, in_job, NULL,
                         month_now(), 'runnerd', in_kind, '', CONCAT('release:', in_job), 0,
                         v_moved);
        IF v_moved AND v_share IS NOT NULL THEN
            CALL ledger_move('release', v_share, 'held', v_share, 'free', v_rest, in_job, NULL,
                             month_now(), 'runnerd', in_kind, '', CONCAT('release:', in_job), 1,
                             v_moved);
        END IF;
        IF NOT v_moved THEN
            SIGNAL SQLSTATE '45000'
                SET MYSQL_ERRNO = 30003, MESSAGE_TEXT = 'release exceeds what is held';
        END IF;
        IF v_until <= v_at THEN
            SELECT id INTO v_expired FROM budget WHERE name = 'expired';
            CALL ledger_move('expire', v_budget, 'free', v_expired, 'free', v_rest, in_job, NULL,
                             month_now(), 'runnerd', 'released after the term', '',
                             CONCAT('expire:', in_job), 0, v_moved);
        END IF;
    END IF;
    COMMIT;
    SELECT 'ok' AS outcome;
END;
