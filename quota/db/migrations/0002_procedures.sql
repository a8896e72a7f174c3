-- SPDX-License-Identifier: Apache-2.0
-- What portald and runnerd do to GPU-time and to a job's state: one procedure, one transaction, one round
-- trip.
--
-- Procedures that programs call answer with one row whose first column `outcome` is a word: refusals
-- are answers, not errors. Each may be repeated: a key that was used already gives the first answer.
-- Any error inside rolls the whole transaction back. Keys are typed as their columns are (ascii_bin):
-- compared with text of another character set they would be looked for row by row, under locks.
-- Rows are locked in this order: lease, job, budgets by number, system accounts; each by the whole of a
-- unique key, because whatever else a statement looks at it locks too. The procedures that every job
-- passes (job_place, job_settle, and those that do it for many) lock its budget last and change it once;
-- the others move with ledger_move().

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

-- The month that takes postings at this moment. That of now is never closed, because closing waits until
-- a month has been over for longer than any transaction lives: when it is, the clock was set back, and in
-- time the caller will come through. A month that the calendar does not have is damage.
CREATE PROCEDURE month_find(IN in_now_ms BIGINT, OUT out_month INT)
READS SQL DATA
BEGIN
    DECLARE v_until, v_closed BIGINT DEFAULT NULL;
    SELECT month, until_ms, closed_ms INTO out_month, v_until, v_closed FROM month
    WHERE from_ms <= in_now_ms ORDER BY from_ms DESC LIMIT 1;
    IF v_until IS NULL OR v_until <= in_now_ms THEN
        SIGNAL SQLSTATE '45000'
            SET MYSQL_ERRNO = 30003, MESSAGE_TEXT = 'the month of now is not in the calendar';
    END IF;
    IF v_closed IS NOT NULL THEN
        SIGNAL SQLSTATE '40001'
            SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'the month of now is closed: is the clock set back?';
    END IF;
END;

CREATE FUNCTION month_open(in_now_ms BIGINT) RETURNS INT READS SQL DATA
BEGIN
    DECLARE v_month INT;
    CALL month_find(in_now_ms, v_month);
    RETURN v_month;
END;

-- The budget row of a system account.
CREATE FUNCTION account_id(in_name VARCHAR(16)) RETURNS INT UNSIGNED READS SQL DATA
    RETURN (SELECT id FROM budget WHERE name = in_name);

-- Moves gpums from one bucket to another and writes the transfer, inside the caller's transaction.
-- out_moved is FALSE, and nothing is changed, when the debited bucket holds less (system accounts may
-- go below zero: what they owe is what was issued).
CREATE PROCEDURE ledger_move(
    IN in_type VARCHAR(16), IN in_debit INT UNSIGNED, IN in_debit_bucket VARCHAR(8),
    IN in_credit INT UNSIGNED, IN in_credit_bucket VARCHAR(8), IN in_gpums BIGINT, IN in_raw BIGINT,
    IN in_job BIGINT UNSIGNED, IN in_attempt BIGINT UNSIGNED, IN in_person INT UNSIGNED,
    IN in_month INT, IN in_corrects INT, IN in_cause VARCHAR(16), IN in_actor VARCHAR(64),
    IN in_reason VARCHAR(200), IN in_reference VARCHAR(120),
    IN in_key VARCHAR(72) CHARACTER SET ascii COLLATE ascii_bin,
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
                              raw_gpums, job_id, attempt_id, person_id, month, corrects_month, cause,
                              at_ms, actor, reason, reference, request_key, leg)
        VALUES (in_type, in_debit, in_debit_bucket, in_credit, in_credit_bucket, in_gpums, in_raw,
                in_job, in_attempt, in_person, in_month, in_corrects, in_cause, now_ms(), in_actor,
                in_reason, in_reference, in_key, in_leg);
    END IF;
END;

-- Moves gpums between two buckets of a job's budget and of its share alike, inside the caller's
-- transaction, in which the job is locked. Less than that in either: the books are wrong, an error.
CREATE PROCEDURE job_shift(
    IN in_type VARCHAR(16), IN in_from VARCHAR(8), IN in_to VARCHAR(8), IN in_gpums BIGINT,
    IN in_raw BIGINT, IN in_job BIGINT UNSIGNED, IN in_attempt BIGINT UNSIGNED, IN in_month INT,
    IN in_corrects INT, IN in_cause VARCHAR(16), IN in_actor VARCHAR(64), IN in_reason VARCHAR(200),
    IN in_reference VARCHAR(120), IN in_key VARCHAR(72) CHARACTER SET ascii COLLATE ascii_bin)
MODIFIES SQL DATA
BEGIN
    DECLARE v_budget, v_share, v_person INT UNSIGNED;
    DECLARE v_moved BOOLEAN;
    SELECT budget_id, share_id, person_id INTO v_budget, v_share, v_person FROM job WHERE id = in_job;
    CALL ledger_move(in_type, v_budget, in_from, v_budget, in_to, in_gpums, in_raw, in_job, in_attempt,
                     v_person, in_month, in_corrects, in_cause, in_actor, in_reason, in_reference,
                     in_key, 0, v_moved);
    IF v_moved AND v_share IS NOT NULL THEN
        CALL ledger_move(in_type, v_share, in_from, v_share, in_to, in_gpums, in_raw, in_job, in_attempt,
                         v_person, in_month, in_corrects, in_cause, in_actor, in_reason, in_reference,
                         in_key, 1, v_moved);
    END IF;
    IF NOT v_moved THEN
        SIGNAL SQLSTATE '45000'
            SET MYSQL_ERRNO = 30003, MESSAGE_TEXT = 'a job would move more than its budget holds';
    END IF;
END;

-- Gives back a part of what a job was charged, inside the caller's transaction, in which the job is
-- locked: to its hold while it lives, then to its allocation, or to `expired` when the term is over.
CREATE PROCEDURE job_refund(
    IN in_job BIGINT UNSIGNED, IN in_attempt BIGINT UNSIGNED, IN in_gpums BIGINT, IN in_corrects INT,
    IN in_cause VARCHAR(16), IN in_actor VARCHAR(64), IN in_reason VARCHAR(200),
    IN in_reference VARCHAR(120), IN in_key VARCHAR(72) CHARACTER SET ascii COLLATE ascii_bin)
MODIFIES SQL DATA
BEGIN
    DECLARE v_budget, v_share, v_person INT UNSIGNED;
    DECLARE v_now BIGINT DEFAULT now_ms();
    DECLARE v_until, v_ended BIGINT;
    DECLARE v_month INT DEFAULT month_open(v_now);
    DECLARE v_corrects INT DEFAULT in_corrects;
    DECLARE v_moved BOOLEAN DEFAULT TRUE;
    SELECT j.budget_id, j.share_id, j.person_id, j.ended_ms, a.until_ms
    INTO v_budget, v_share, v_person, v_ended, v_until
    FROM job j JOIN allocation a ON a.id = j.allocation_id WHERE j.id = in_job;
    IF v_corrects IS NULL THEN -- charged in months that are closed alone: it corrects the last of them
        SELECT IF(SUM(m.closed_ms IS NULL) > 0, NULL, MAX(x.month)) INTO v_corrects
        FROM transfer x JOIN month m ON m.month = x.month
        WHERE x.job_id = in_job AND x.type = 'charge' AND x.leg = 0
          AND (in_attempt IS NULL OR x.attempt_id = in_attempt);
    END IF;
    IF v_ended IS NULL OR v_now < v_until THEN
        CALL job_shift('refund', 'used', IF(v_ended IS NULL, 'held', 'free'), in_gpums, 0, in_job,
                       in_attempt, v_month, v_corrects, in_cause, in_actor, in_reason, in_reference,
                       in_key);
    ELSE
        IF v_share IS NOT NULL THEN -- first: the account `expired` is locked last
            CALL ledger_move('refund', v_share, 'used', v_share, 'free', in_gpums, 0, in_job, in_attempt,
                             v_person, v_month, v_corrects, in_cause, in_actor, in_reason,
                             in_reference, in_key, 1, v_moved);
        END IF;
        IF v_moved THEN
            CALL ledger_move('refund', v_budget, 'used', account_id('expired'), 'free', in_gpums, 0,
                             in_job, in_attempt, v_person, v_month, v_corrects, in_cause, in_actor,
                             in_reason, in_reference, in_key, 0, v_moved);
        END IF;
        IF NOT v_moved THEN
            SIGNAL SQLSTATE '45000'
                SET MYSQL_ERRNO = 30003, MESSAGE_TEXT = 'a refund exceeds what was used';
        END IF;
    END IF;
    UPDATE job SET refunded_gpums = refunded_gpums + in_gpums WHERE id = in_job;
END;

-- ---------------------------------------------------------------- portald

-- The weight per mille that a job of this GPU type holds at a moment: 'any' at the dearest of those that
-- some node has (of all while no node is known). NULL: no price.
CREATE PROCEDURE price_find(IN in_type VARCHAR(32), IN in_at_ms BIGINT, OUT out_weight INT)
READS SQL DATA
BEGIN
    SET out_weight = NULL;
    IF in_type != 'any' THEN
        SELECT weight_permille INTO out_weight FROM price
        WHERE gpu_type = in_type AND since_ms <= in_at_ms ORDER BY since_ms DESC LIMIT 1;
    ELSE
        SELECT MAX(p.weight_permille) INTO out_weight FROM price p
        LEFT JOIN price q ON q.gpu_type = p.gpu_type AND q.since_ms > p.since_ms AND q.since_ms <= in_at_ms
        WHERE p.since_ms <= in_at_ms AND q.gpu_type IS NULL
          AND (EXISTS (SELECT 1 FROM node n WHERE n.gpu_type = p.gpu_type)
               OR NOT EXISTS (SELECT 1 FROM node n));
    END IF;
END;

CREATE FUNCTION price_now(in_type VARCHAR(32)) RETURNS INT READS SQL DATA
BEGIN
    DECLARE v_weight INT;
    CALL price_find(in_type, now_ms(), v_weight);
    RETURN v_weight;
END;

-- Holds a job against the limits that were set besides the budget, inside the caller's transaction.
-- out_outcome: NULL (it may) | type_refused | too_long | too_many_gpus | too_many_waiting, with whose
-- limit it is, the limit and what is there. Where the waiting are counted, others of the same scope wait
-- until the caller is done: the count is exact.
CREATE PROCEDURE job_limits(
    IN in_person INT UNSIGNED, IN in_project INT UNSIGNED, IN in_tenant INT UNSIGNED, IN in_gpus INT,
    IN in_gpu_type VARCHAR(32), IN in_limit_ms BIGINT, OUT out_outcome VARCHAR(32),
    OUT out_scope VARCHAR(16), OUT out_value BIGINT, OUT out_there BIGINT, OUT out_text VARCHAR(500))
MODIFIES SQL DATA
check_all: BEGIN
    DECLARE v_locked INT;
    FOR l IN (SELECT scope, scope_id, gpus, waiting, time_limit_ms, gpu_types FROM spend_limit
              WHERE (scope = 'person' AND scope_id = in_person)
                 OR (scope = 'project' AND scope_id = in_project)
                 OR (scope = 'tenant' AND scope_id = in_tenant)
                 OR (scope = 'everyone' AND NOT EXISTS (SELECT 1 FROM spend_limit o
                                                        WHERE o.scope = 'person'
                                                          AND o.scope_id = in_person))
              ORDER BY scope) DO
        SET out_scope = l.scope;
        IF in_gpus > 0 AND l.gpu_types IS NOT NULL AND NOT FIND_IN_SET(in_gpu_type, l.gpu_types) THEN
            SET out_outcome = 'type_refused', out_text = l.gpu_types; -- 'any' too: it could be another
            LEAVE check_all;
        END IF;
        IF in_limit_ms > l.time_limit_ms THEN
            SET out_outcome = 'too_long', out_value = l.time_limit_ms;
            LEAVE check_all;
        END IF;
        IF in_gpus > l.gpus THEN
            SET out_outcome = 'too_many_gpus', out_value = l.gpus, out_there = in_gpus;
            LEAVE check_all;
        END IF;
        IF l.waiting IS NOT NULL THEN
            CASE l.scope
            WHEN 'project' THEN
                SELECT id INTO v_locked FROM project WHERE id = in_project FOR UPDATE;
                SELECT COUNT(*) INTO out_there FROM job WHERE state = 'queued' AND project_id = in_project;
            WHEN 'tenant' THEN
                SELECT id INTO v_locked FROM tenant WHERE id = in_tenant FOR UPDATE;
                SELECT COUNT(*) INTO out_there FROM job j JOIN project p ON p.id = j.project_id
                WHERE j.state = 'queued' AND p.tenant_id = in_tenant;
            ELSE
                SELECT id INTO v_locked FROM person WHERE id = in_person FOR UPDATE;
                SELECT COUNT(*) INTO out_there FROM job WHERE state = 'queued' AND person_id = in_person;
            END CASE;
            IF out_there >= l.waiting THEN
                SET out_outcome = 'too_many_waiting', out_value = l.waiting;
                LEAVE check_all;
            END IF;
        END IF;
    END FOR;
    SET out_outcome = NULL, out_scope = NULL, out_value = NULL, out_there = NULL, out_text = NULL;
END;

-- Looks whether this key placed a job before: then out_outcome is same or other_content, otherwise it stays
-- what it is.
CREATE PROCEDURE job_placed(IN in_person INT UNSIGNED,
                            IN in_key CHAR(32) CHARACTER SET ascii COLLATE ascii_bin,
                            IN in_hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin,
                            INOUT io_outcome VARCHAR(32), INOUT io_job BIGINT UNSIGNED,
                            INOUT io_hold BIGINT, INOUT io_free BIGINT, INOUT io_allocation INT UNSIGNED)
READS SQL DATA
BEGIN
    DECLARE v_found CHAR(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL;
    SELECT content_hash, id, hold_gpums, allocation_id, NULL
    INTO v_found, io_job, io_hold, io_allocation, io_free
    FROM job WHERE person_id = in_person AND request_key = in_key LOCK IN SHARE MODE;
    IF v_found IS NOT NULL THEN
        SET io_outcome = IF(v_found = in_hash, 'same', 'other_content');
    END IF;
END;

-- Who asks, and whether and at which weight he may. out_refusal: NULL | no_project | disabled | closed |
-- no_price.
CREATE PROCEDURE job_asker(IN in_person INT UNSIGNED, IN in_project VARCHAR(32), IN in_gpu_type VARCHAR(32),
                           IN in_now BIGINT, OUT out_project INT UNSIGNED, OUT out_tenant INT UNSIGNED,
                           OUT out_actor VARCHAR(64), OUT out_weight INT, OUT out_refusal VARCHAR(16))
READS SQL DATA
BEGIN
    SET out_refusal = 'no_project';
    SELECT p.id, t.id, CONCAT(w.directory, '/', w.login),
           CASE WHEN c.uid IS NULL OR w.state != 'active' THEN 'disabled' -- nothing could run its job
                WHEN p.state != 'open' OR t.state != 'open' THEN 'closed' END
    INTO out_project, out_tenant, out_actor, out_refusal
    FROM project p
    STRAIGHT_JOIN tenant t ON t.id = p.tenant_id
    STRAIGHT_JOIN member m ON m.project_id = p.id AND m.person_id = in_person
    STRAIGHT_JOIN person w ON w.id = in_person
    LEFT JOIN account c ON c.person_id = w.id
    WHERE p.name = in_project;
    IF out_refusal IS NULL OR out_refusal = 'closed' THEN
        IF in_gpu_type = 'any' THEN
            CALL price_find(in_gpu_type, in_now, out_weight);
        ELSE
            SELECT weight_permille INTO out_weight FROM price
            WHERE gpu_type = in_gpu_type AND since_ms <= in_now ORDER BY since_ms DESC LIMIT 1;
        END IF;
        SET out_refusal = IF(out_weight IS NULL, 'no_price', out_refusal);
    END IF;
END;

-- Places a job of an asker with its hold inside the caller's transaction. io_outcome comes with the asker's
-- refusal or NULL, and goes with: placed | same | other_content | no_budget | no_allocation | that refusal,
-- or one of job_limits(). For no_budget out_hold and out_free say how much was asked and how much the
-- best allocation (or the share in it) still has. A refusal leaves nothing behind in the transaction,
-- whatever it was placing before. Every submit of the site passes here: few statements, each by keys
-- alone, and the request key is looked up only when it is met or the job is refused.
CREATE PROCEDURE job_place_one(
    IN in_person INT UNSIGNED, IN in_key CHAR(32) CHARACTER SET ascii COLLATE ascii_bin,
    IN in_hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin,
    IN in_project INT UNSIGNED, IN in_allocation INT UNSIGNED, IN in_kind VARCHAR(16),
    IN in_name VARCHAR(80), IN in_nodes INT, IN in_gpus_per_node INT, IN in_gpu_type VARCHAR(32),
    IN in_cpus INT, IN in_memory BIGINT, IN in_limit_ms BIGINT, IN in_checkpoint BOOLEAN,
    IN in_interval_ms BIGINT, IN in_retries INT, IN in_priority VARCHAR(8), IN in_spec MEDIUMTEXT,
    IN in_tenant INT UNSIGNED, IN in_actor VARCHAR(64), IN in_weight INT, IN in_month INT,
    IN in_now BIGINT, INOUT io_outcome VARCHAR(32), OUT out_job BIGINT UNSIGNED, OUT out_hold BIGINT,
    OUT out_free BIGINT, OUT out_allocation INT UNSIGNED, OUT out_scope VARCHAR(16), OUT out_value BIGINT,
    OUT out_there BIGINT, OUT out_text VARCHAR(500))
MODIFIES SQL DATA
place: BEGIN
    DECLARE v_budget, v_share INT UNSIGNED DEFAULT NULL;
    DECLARE v_until BIGINT DEFAULT in_now;
    DECLARE v_moved BOOLEAN;
    DECLARE EXIT HANDLER FOR 1062
    BEGIN -- the key was used before, or came in beside us and committed first
        ROLLBACK TO SAVEPOINT placing;
        SET io_outcome = NULL;
        CALL job_placed(in_person, in_key, in_hash, io_outcome, out_job, out_hold, out_free,
                        out_allocation);
        IF io_outcome IS NULL THEN
            RESIGNAL;
        END IF;
    END;

    SAVEPOINT placing;
    IF io_outcome IS NULL THEN
        SELECT scope INTO out_scope FROM spend_limit LIMIT 1;
        IF out_scope IS NOT NULL THEN -- the site has some
            CALL job_limits(in_person, in_project, in_tenant, in_nodes * in_gpus_per_node, in_gpu_type,
                            in_limit_ms, io_outcome, out_scope, out_value, out_there, out_text);
        END IF;
    END IF;
    IF io_outcome IS NOT NULL THEN
        CALL job_placed(in_person, in_key, in_hash, io_outcome, out_job, out_hold, out_free,
                        out_allocation);
        LEAVE place;
    END IF;
    -- at most 10^4 nodes of 64 GPUs for 31 days at weight 100: 1.8 × 10^17
    SET out_hold = CAST(in_nodes AS DECIMAL(40)) * in_gpus_per_node * in_limit_ms * in_weight DIV 1000;
    attempt: LOOP
        -- the one ending first that has it free; one that was spent since is not looked at again
        SET v_budget = NULL;
        SELECT a.id, a.until_ms, b.id, s.id INTO out_allocation, v_until, v_budget, v_share
        FROM allocation a FORCE INDEX (project_id)
        STRAIGHT_JOIN budget b FORCE INDEX (allocation_id)
        ON b.allocation_id = a.id AND b.person_id IS NULL
        LEFT JOIN budget s FORCE INDEX (allocation_id)
        ON s.allocation_id = a.id AND s.person_id = in_person AND NOT s.is_lifted
        WHERE a.project_id = in_project AND a.until_ms >= v_until
          AND (a.until_ms > v_until OR a.id > out_allocation)
          AND a.state = 'open' AND a.from_ms <= in_now AND (in_allocation = 0 OR a.id = in_allocation)
          AND b.free >= out_hold AND (s.id IS NULL OR s.free >= out_hold)
        ORDER BY a.until_ms, a.id LIMIT 1;
        IF v_budget IS NULL THEN
            LEAVE attempt;
        END IF;
        INSERT INTO job (person_id, request_key, content_hash, project_id, allocation_id,
                         budget_id, share_id, kind, name, nodes, gpus_per_node, gpu_type, cpus,
                         memory_bytes, time_limit_ms, checkpoint, checkpoint_interval_ms,
                         retries, priority, weight_permille, hold_gpums, state, seq, placed_ms)
        VALUES (in_person, in_key, in_hash, in_project, out_allocation, v_budget, v_share, in_kind,
                in_name, in_nodes, in_gpus_per_node, in_gpu_type, in_cpus, in_memory,
                in_limit_ms, in_checkpoint, in_interval_ms, in_retries, in_priority, in_weight,
                out_hold, 'queued', 1, in_now);
        SET out_job = LAST_INSERT_ID();
        INSERT INTO job_spec VALUES (out_job, in_spec);
        INSERT INTO event (job_id, seq, kind, at_ms) VALUES (out_job, 1, 'placed', in_now);
        UPDATE budget SET free = free - out_hold, held = held + out_hold
        WHERE id = v_budget AND free >= out_hold;
        SET v_moved = ROW_COUNT() = 1;
        IF v_moved AND v_share IS NOT NULL THEN
            UPDATE budget SET free = free - out_hold, held = held + out_hold
            WHERE id = v_share AND free >= out_hold;
            SET v_moved = ROW_COUNT() = 1;
        END IF;
        IF v_moved THEN
            INSERT INTO transfer (type, debit_budget, debit_bucket, credit_budget, credit_bucket, gpums,
                                  job_id, person_id, month, at_ms, actor, reason, request_key, leg)
            VALUES ('hold', v_budget, 'free', v_budget, 'held', out_hold, out_job, in_person, in_month,
                    in_now, in_actor, 'submit', CONCAT('hold:', out_job), 0);
            IF v_share IS NOT NULL THEN
                INSERT INTO transfer (type, debit_budget, debit_bucket, credit_budget, credit_bucket,
                                      gpums, job_id, person_id, month, at_ms, actor, reason,
                                      request_key, leg)
                VALUES ('hold', v_share, 'free', v_share, 'held', out_hold, out_job, in_person, in_month,
                        in_now, in_actor, 'submit', CONCAT('hold:', out_job), 1);
            END IF;
            SET io_outcome = 'placed';
            LEAVE place;
        END IF;
        ROLLBACK TO SAVEPOINT placing; -- spent by another submit since it was read
    END LOOP;
    SELECT MAX(LEAST(b.free, COALESCE(s.free, b.free))) INTO out_free
    FROM allocation a FORCE INDEX (project_id)
    JOIN budget b ON b.allocation_id = a.id AND b.person_id IS NULL
    LEFT JOIN budget s ON s.allocation_id = a.id AND s.person_id = in_person AND NOT s.is_lifted
    WHERE a.project_id = in_project AND a.state = 'open' AND a.from_ms <= in_now
      AND in_now < a.until_ms AND (in_allocation = 0 OR a.id = in_allocation);
    SET io_outcome = IF(out_free IS NULL, 'no_allocation', 'no_budget'), out_job = NULL,
        out_allocation = NULL;
    CALL job_placed(in_person, in_key, in_hash, io_outcome, out_job, out_hold, out_free, out_allocation);
END;

-- Places one job. outcome: as of job_place_one().
CREATE PROCEDURE job_place(
    IN in_person INT UNSIGNED, IN in_key CHAR(32) CHARACTER SET ascii COLLATE ascii_bin,
    IN in_hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin,
    IN in_project VARCHAR(32), IN in_allocation INT UNSIGNED, IN in_kind VARCHAR(16),
    IN in_name VARCHAR(80), IN in_nodes INT, IN in_gpus_per_node INT, IN in_gpu_type VARCHAR(32),
    IN in_cpus INT, IN in_memory BIGINT, IN in_limit_ms BIGINT, IN in_checkpoint BOOLEAN,
    IN in_interval_ms BIGINT, IN in_retries INT, IN in_priority VARCHAR(8), IN in_spec MEDIUMTEXT)
MODIFIES SQL DATA
BEGIN
    DECLARE v_now BIGINT DEFAULT CAST(UNIX_TIMESTAMP(SYSDATE(3)) * 1000 AS SIGNED);
    DECLARE v_project, v_tenant, v_allocation INT UNSIGNED;
    DECLARE v_weight, v_month INT;
    DECLARE v_job BIGINT UNSIGNED;
    DECLARE v_hold, v_free, v_value, v_there BIGINT;
    DECLARE v_outcome, v_scope VARCHAR(32);
    DECLARE v_actor VARCHAR(64);
    DECLARE v_text VARCHAR(500);
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;
    START TRANSACTION;
    CALL job_asker(in_person, in_project, in_gpu_type, v_now, v_project, v_tenant, v_actor, v_weight,
                   v_outcome);
    CALL month_find(v_now, v_month);
    CALL job_place_one(in_person, in_key, in_hash, v_project, in_allocation, in_kind, in_name, in_nodes,
                       in_gpus_per_node, in_gpu_type, in_cpus, in_memory, in_limit_ms, in_checkpoint,
                       in_interval_ms, in_retries, in_priority, in_spec, v_tenant, v_actor, v_weight,
                       v_month, v_now, v_outcome, v_job, v_hold, v_free, v_allocation, v_scope, v_value,
                       v_there, v_text);
    COMMIT;
    SELECT v_outcome AS outcome, v_job AS job_id, v_hold AS hold_gpums, v_free AS free_gpums,
           v_allocation AS allocation_id, v_scope AS limit_scope, v_value AS limit_value,
           v_there AS limit_there, v_text AS limit_text;
END;

-- The scratch table of job_place_plain(), for each connection one. It is not transactional, and needs not be.
CREATE PROCEDURE job_place_scratch()
MODIFIES SQL DATA
BEGIN
    CREATE TEMPORARY TABLE IF NOT EXISTS placing (
        no INT PRIMARY KEY, person_id INT UNSIGNED NOT NULL,
        request_key CHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
        content_hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
        project_id INT UNSIGNED NOT NULL, allocation_id INT UNSIGNED NOT NULL,
        budget_id INT UNSIGNED NOT NULL, share_id INT UNSIGNED, kind VARCHAR(16) NOT NULL,
        name VARCHAR(80) NOT NULL, nodes INT NOT NULL, gpus_per_node INT NOT NULL,
        gpu_type VARCHAR(32) NOT NULL, cpus INT NOT NULL, memory_bytes BIGINT NOT NULL,
        time_limit_ms BIGINT NOT NULL, checkpoint BOOLEAN NOT NULL,
        checkpoint_interval_ms BIGINT NOT NULL, retries INT NOT NULL, priority VARCHAR(8) NOT NULL,
        weight_permille INT NOT NULL, hold_gpums BIGINT NOT NULL, actor VARCHAR(64) NOT NULL
    ) ENGINE = MEMORY;
    DELETE FROM placing;
END;

-- Places all of in_asks, whoever's and wherever they are, with one statement for each table, if all are
-- plain: the site has set no limits, no key was used before, nobody is refused, and all holds together fit.
-- Otherwise out_rows is NULL and nothing of it stays. Each takes the allocation that it would take after
-- the others: what one leaves out because it is too small does not grow by what the others take.
CREATE PROCEDURE job_place_plain(IN in_asks LONGTEXT, IN in_now BIGINT, OUT out_rows LONGTEXT)
MODIFIES SQL DATA
place: BEGIN
    DECLARE v_month, v_any, v_plain, v_shares INT;
    DECLARE v_count INT DEFAULT JSON_LENGTH(in_asks);
    DECLARE v_first BIGINT UNSIGNED;
    DECLARE v_fit BOOLEAN DEFAULT TRUE;
    DECLARE EXIT HANDLER FOR 1062
    BEGIN -- a key was used before
        ROLLBACK;
        SET out_rows = NULL;
        START TRANSACTION;
    END;
    SET out_rows = NULL;
    IF @@innodb_autoinc_lock_mode = 2 OR EXISTS (SELECT 1 FROM spend_limit) THEN
        LEAVE place; -- (2: the server numbers the rows of one INSERT in any order)
    END IF;
    CALL job_place_scratch();
    CALL month_find(in_now, v_month);
    CALL price_find('any', in_now, v_any);
    INSERT INTO placing
    SELECT STRAIGHT_JOIN t.no, t.person, t.request_key, t.hash, p.id, a.id, b.id, s.id, t.kind, t.name,
           t.nodes, t.gpus, t.gpu_type, t.cpus, t.memory, t.limit_ms, t.checkpoint, t.interval_ms,
           t.retries, t.priority, g.weight,
           CAST(t.nodes AS DECIMAL(40)) * t.gpus * t.limit_ms * g.weight DIV 1000,
           CONCAT(w.directory, '/', w.login)
    FROM JSON_TABLE(in_asks, '$[*]' COLUMNS (
             no FOR ORDINALITY, person INT UNSIGNED PATH '$.person', request_key CHAR(32) PATH '$.key',
             hash CHAR(64) PATH '$.hash', project VARCHAR(32) PATH '$.project',
             allocation INT UNSIGNED PATH '$.allocation', kind VARCHAR(16) PATH '$.kind',
             name VARCHAR(80) PATH '$.name', nodes INT PATH '$.nodes', gpus INT PATH '$.gpus_per_node',
             gpu_type VARCHAR(32) PATH '$.gpu_type', cpus INT PATH '$.cpus',
             memory BIGINT PATH '$.memory_bytes', limit_ms BIGINT PATH '$.time_limit_ms',
             checkpoint INT PATH '$.checkpoint', interval_ms BIGINT PATH '$.checkpoint_interval_ms',
             retries INT PATH '$.retries', priority VARCHAR(8) PATH '$.priority')) t
    JOIN person w FORCE INDEX (PRIMARY) ON w.id = t.person AND w.state = 'active'
    JOIN account c ON c.person_id = t.person
    JOIN project p ON p.name = t.project AND p.state = 'open'
    JOIN tenant n FORCE INDEX (PRIMARY) ON n.id = p.tenant_id AND n.state = 'open'
    JOIN member m ON m.project_id = p.id AND m.person_id = t.person
    JOIN (SELECT q.gpu_type, q.weight_permille AS weight FROM price q
          WHERE q.since_ms <= in_now
            AND NOT EXISTS (SELECT 1 FROM price o WHERE o.gpu_type = q.gpu_type
                                                    AND o.since_ms > q.since_ms AND o.since_ms <= in_now)
          UNION ALL SELECT 'any', v_any FROM DUAL WHERE v_any IS NOT NULL) g ON g.gpu_type = t.gpu_type
    JOIN allocation a FORCE INDEX (project_id)
    ON a.project_id = p.id AND a.state = 'open' AND a.from_ms <= in_now AND a.until_ms > in_now
       AND (t.allocation = 0 OR a.id = t.allocation)
    JOIN budget b FORCE INDEX (allocation_id) ON b.allocation_id = a.id AND b.person_id IS NULL
    LEFT JOIN budget s FORCE INDEX (allocation_id)
    ON s.allocation_id = a.id AND s.person_id = t.person AND NOT s.is_lifted
    WHERE LEAST(b.free, COALESCE(s.free, b.free))
          >= CAST(t.nodes AS DECIMAL(40)) * t.gpus * t.limit_ms * g.weight DIV 1000
    ORDER BY a.until_ms, a.id
    ON DUPLICATE KEY UPDATE no = placing.no; -- it has the one ending first
    SELECT COUNT(*), COUNT(share_id) INTO v_plain, v_shares FROM placing;
    IF v_plain != v_count THEN
        LEAVE place;
    END IF;
    INSERT INTO job (person_id, request_key, content_hash, project_id, allocation_id, budget_id, share_id,
                     kind, name, nodes, gpus_per_node, gpu_type, cpus, memory_bytes, time_limit_ms,
                     checkpoint, checkpoint_interval_ms, retries, priority, weight_permille, hold_gpums,
                     state, seq, placed_ms)
    SELECT person_id, request_key, content_hash, project_id, allocation_id, budget_id, share_id, kind, name,
           nodes, gpus_per_node, gpu_type, cpus, memory_bytes, time_limit_ms, checkpoint,
           checkpoint_interval_ms, retries, priority, weight_permille, hold_gpums, 'queued', 1, in_now
    FROM placing ORDER BY no;
    SET v_first = LAST_INSERT_ID() - 1;
    INSERT INTO job_spec
    SELECT v_first + t.no, t.spec
    FROM JSON_TABLE(in_asks, '$[*]' COLUMNS (no FOR ORDINALITY, spec MEDIUMTEXT PATH '$.spec')) t;
    INSERT INTO event (job_id, seq, kind, at_ms) SELECT v_first + no, 1, 'placed', in_now FROM placing;
    FOR r IN (SELECT u.id, SUM(u.gpums) AS gpums
              FROM (SELECT budget_id AS id, hold_gpums AS gpums FROM placing
                    UNION ALL SELECT share_id, hold_gpums FROM placing WHERE share_id IS NOT NULL) u
              GROUP BY u.id ORDER BY u.id) DO
        UPDATE budget SET free = free - r.gpums, held = held + r.gpums
        WHERE id = r.id AND free >= r.gpums;
        SET v_fit = v_fit AND ROW_COUNT() = 1;
    END FOR;
    IF NOT v_fit THEN
        ROLLBACK;
        START TRANSACTION;
        LEAVE place;
    END IF;
    INSERT INTO transfer (type, debit_budget, debit_bucket, credit_budget, credit_bucket, gpums, job_id,
                          person_id, month, at_ms, actor, reason, request_key, leg)
    SELECT 'hold', budget_id, 'free', budget_id, 'held', hold_gpums, v_first + no, person_id, v_month,
           in_now, actor, 'submit', CONCAT('hold:', v_first + no), 0
    FROM placing;
    IF v_shares > 0 THEN
        INSERT INTO transfer (type, debit_budget, debit_bucket, credit_budget, credit_bucket, gpums, job_id,
                              person_id, month, at_ms, actor, reason, request_key, leg)
        SELECT 'hold', share_id, 'free', share_id, 'held', hold_gpums, v_first + no, person_id, v_month,
               in_now, actor, 'submit', CONCAT('hold:', v_first + no), 1
        FROM placing WHERE share_id IS NOT NULL;
    END IF;
    SELECT GROUP_CONCAT(JSON_ARRAY('placed', v_first + no, hold_gpums, NULL, allocation_id, NULL, NULL,
                                   NULL, NULL) ORDER BY no)
    INTO out_rows FROM placing;
END;

-- Places several in one transaction. in_asks: JSON, an array of objects; answers with a row for each, as
-- job_place() does, in one text: a JSON array of arrays. Whatever is not plain is placed one by one; then
-- who asks again is not looked up again.
CREATE PROCEDURE job_place_many(IN in_asks LONGTEXT)
MODIFIES SQL DATA
place: BEGIN
    DECLARE v_now BIGINT DEFAULT CAST(UNIX_TIMESTAMP(SYSDATE(3)) * 1000 AS SIGNED);
    DECLARE v_person, v_project, v_tenant, v_allocation INT UNSIGNED DEFAULT 0;
    DECLARE v_weight, v_month INT;
    DECLARE v_job BIGINT UNSIGNED;
    DECLARE v_hold, v_free, v_value, v_there BIGINT;
    DECLARE v_outcome, v_refusal, v_scope, v_name, v_type VARCHAR(32) DEFAULT '';
    DECLARE v_actor VARCHAR(64);
    DECLARE v_text VARCHAR(500);
    DECLARE v_rows LONGTEXT DEFAULT NULL;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;
    START TRANSACTION;
    CALL job_place_plain(in_asks, v_now, v_rows);
    IF v_rows IS NOT NULL THEN
        COMMIT;
        SELECT 'done' AS outcome, CONCAT('[', v_rows, ']') AS answers;
        LEAVE place;
    END IF;
    SET v_rows = '';
    CALL month_find(v_now, v_month);
    FOR a IN (SELECT * FROM JSON_TABLE(in_asks, '$[*]' COLUMNS (
                  person INT UNSIGNED PATH '$.person', request_key CHAR(32) PATH '$.key',
                  hash CHAR(64) PATH '$.hash', project VARCHAR(32) PATH '$.project',
                  allocation INT UNSIGNED PATH '$.allocation', kind VARCHAR(16) PATH '$.kind',
                  name VARCHAR(80) PATH '$.name', nodes INT PATH '$.nodes',
                  gpus INT PATH '$.gpus_per_node', gpu_type VARCHAR(32) PATH '$.gpu_type',
                  cpus INT PATH '$.cpus', memory BIGINT PATH '$.memory_bytes',
                  limit_ms BIGINT PATH '$.time_limit_ms', checkpoint INT PATH '$.checkpoint',
                  interval_ms BIGINT PATH '$.checkpoint_interval_ms', retries INT PATH '$.retries',
                  priority VARCHAR(8) PATH '$.priority', spec MEDIUMTEXT PATH '$.spec')) t) DO
        IF a.person != v_person OR a.project != v_name OR a.gpu_type != v_type THEN
            SET v_person = a.person, v_name = a.project, v_type = a.gpu_type;
            CALL job_asker(v_person, v_name, v_type, v_now, v_project, v_tenant, v_actor, v_weight,
                           v_refusal);
        END IF;
        SET v_outcome = v_refusal;
        CALL job_place_one(a.person, a.request_key, a.hash, v_project, a.allocation, a.kind, a.name,
                           a.nodes, a.gpus, a.gpu_type, a.cpus, a.memory, a.limit_ms, a.checkpoint,
                           a.interval_ms, a.retries, a.priority, a.spec, v_tenant, v_actor, v_weight,
                           v_month, v_now, v_outcome, v_job, v_hold, v_free, v_allocation, v_scope,
                           v_value, v_there, v_text);
        SET v_rows = CONCAT(v_rows, IF(v_rows = '', '', ','),
                            JSON_ARRAY(v_outcome, v_job + 0, v_hold + 0, v_free + 0, v_allocation + 0,
                                       v_scope, v_value + 0, v_there + 0, v_text)); -- + 0: as numbers
    END FOR;
    COMMIT;
    SELECT 'done' AS outcome, CONCAT('[', v_rows, ']') AS answers;
END;

-- Makes or refreshes the person behind a directory entry, and gives an account of the range. Who becomes
-- an administrator of the site by it, or is one no longer, leaves an audit row: the directory's group says
-- so, and no verb of ours.
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
    DECLARE v_was BOOLEAN DEFAULT NULL; -- an administrator; NULL: not known before
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
    SELECT is_admin INTO v_was FROM person
    WHERE directory = in_directory AND entry_id = in_entry FOR UPDATE;
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
    IF COALESCE(v_was, FALSE) != in_admin THEN
        INSERT INTO audit (at_ms, actor, origin, verb, object, reason, before_text, after_text, request_key)
        VALUES (now_ms(), 'portald', 'portald', 'admin', CONCAT('person ', v_person),
                CONCAT('as the directory ', in_directory, ' says'),
                CASE WHEN v_was THEN 'administrator' WHEN v_was = FALSE THEN 'no administrator' ELSE '' END,
                IF(in_admin, 'administrator', 'no administrator'),
                CONCAT('admin:', v_person, ':', now_ms()));
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
        -- the machine's account goes on with who it belongs to
        DELETE a FROM account a JOIN person w ON w.id = a.person_id
        WHERE a.uid = in_uid AND w.state = 'anonymised';
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
        -- the first, and those of more time
        SELECT COUNT(*) INTO v_holds FROM job j
        WHERE j.id = in_job AND j.hold_gpums = (SELECT SUM(t.gpums) FROM transfer t
                                                WHERE t.job_id = in_job AND t.type = 'hold'
                                                  AND t.leg = 0);
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

-- A move of a job that touches no GPU-time: started, not_started, withdrawn, suspend, retry.
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
    ELSEIF v_new AND in_kind IN ('not_started', 'withdrawn') THEN
        UPDATE attempt SET ended_ms = v_at, run_ms = 0, chargeable_ms = 0, charge_gpums = 0,
                           cause = in_kind
        WHERE id = in_attempt;
    END IF;
    COMMIT;
    SELECT 'ok' AS outcome;
END;

-- The end of an attempt: its times, its cause, and what its charges must come to; never less than what
-- was posted for it while it ran.
CREATE PROCEDURE attempt_end(IN in_epoch BIGINT, IN in_job BIGINT UNSIGNED, IN in_seq INT,
                             IN in_kind VARCHAR(16), IN in_state VARCHAR(16),
                             IN in_attempt BIGINT UNSIGNED, IN in_ended_ms BIGINT,
                             IN in_run_ms BIGINT, IN in_chargeable_ms BIGINT,
                             IN in_charge_gpums BIGINT, IN in_sampled_gpums BIGINT,
                             IN in_idle_gpums BIGINT, IN in_cause VARCHAR(32), IN in_exit INT,
                             IN in_signal INT, IN in_note VARCHAR(500))
MODIFIES SQL DATA
BEGIN
    DECLARE v_at, v_posted BIGINT;
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
        SELECT COALESCE(SUM(gpums), 0) INTO v_posted FROM transfer
        WHERE job_id = in_job AND attempt_id = in_attempt AND type = 'charge' AND leg = 0;
        UPDATE attempt
        SET ended_ms = v_at, run_ms = in_run_ms, chargeable_ms = in_chargeable_ms,
            charge_gpums = GREATEST(in_charge_gpums, v_posted), sampled_gpums = in_sampled_gpums,
            idle_gpums = in_idle_gpums, cause = in_cause, exit_code = in_exit, signal_no = in_signal
        WHERE id = in_attempt;
    END IF;
    COMMIT;
    SELECT 'ok' AS outcome;
END;

-- The month in which a charge of in_month is booked: that one while it is open; a closed one takes nothing
-- more, and the charge is booked in the open one and says which it corrects. One that has not begun had
-- begun when the charge was made out: the clock was set back, and it will begin again.
CREATE PROCEDURE month_book(IN in_month INT, IN in_now_ms BIGINT, OUT out_month INT, OUT out_corrects INT)
MODIFIES SQL DATA
BEGIN
    DECLARE v_from, v_closed BIGINT;
    SET out_month = month_open(in_now_ms), out_corrects = NULL;
    IF in_month != out_month THEN
        SELECT month, from_ms, closed_ms INTO out_corrects, v_from, v_closed FROM month
        WHERE month = in_month LOCK IN SHARE MODE;
        IF out_corrects IS NULL THEN
            SIGNAL SQLSTATE '45000'
                SET MYSQL_ERRNO = 30003, MESSAGE_TEXT = 'a charge for a month not in the calendar';
        END IF;
        IF v_from > in_now_ms THEN
            SIGNAL SQLSTATE '40001'
                SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'a charge for a month that has not begun';
        END IF;
        IF v_closed IS NULL THEN
            SET out_month = in_month, out_corrects = NULL;
        END IF;
    END IF;
END;

-- Posts the charge of one attempt for one month. While it runs it is at most what is left of its job's
-- hold. outcome: posted | same.
CREATE PROCEDURE charge_post(IN in_epoch BIGINT, IN in_attempt BIGINT UNSIGNED, IN in_month INT,
                             IN in_gpums BIGINT, IN in_raw_gpums BIGINT)
MODIFIES SQL DATA
post: BEGIN
    DECLARE v_job BIGINT UNSIGNED DEFAULT NULL;
    DECLARE v_month, v_corrects, v_same INT;
    DECLARE v_due, v_posted, v_left BIGINT;
    DECLARE v_gpums BIGINT DEFAULT in_gpums;
    DECLARE v_raw BIGINT DEFAULT in_raw_gpums;
    DECLARE v_key VARCHAR(72) CHARACTER SET ascii COLLATE ascii_bin
        DEFAULT CONCAT('charge:', in_attempt, ':', in_month);
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;
    START TRANSACTION;
    CALL lease_prove(in_epoch);
    SELECT j.id, LEAST(j.hold_gpums - j.charged_gpums + j.refunded_gpums, j.hold_gpums - j.charged_gpums),
           a.charge_gpums
    INTO v_job, v_left, v_due
    FROM attempt a JOIN job j ON j.id = a.job_id WHERE a.id = in_attempt FOR UPDATE;
    SELECT COUNT(*) INTO v_same FROM transfer WHERE request_key = v_key AND leg = 0;
    IF v_same > 0 THEN
        ROLLBACK;
        SELECT 'same' AS outcome;
        LEAVE post;
    END IF;
    IF v_due IS NULL THEN
        IF in_gpums > v_left THEN
            SET v_raw = CAST(in_raw_gpums AS DECIMAL(40)) * v_left DIV in_gpums, v_gpums = v_left;
        END IF;
    ELSE
        SELECT COALESCE(SUM(gpums), 0) INTO v_posted FROM transfer
        WHERE job_id = v_job AND attempt_id = in_attempt AND type = 'charge' AND leg = 0;
        IF v_posted + in_gpums > v_due THEN
            SIGNAL SQLSTATE '45000'
                SET MYSQL_ERRNO = 30003, MESSAGE_TEXT = 'charge exceeds what the attempt used';
        END IF;
    END IF;
    IF v_job IS NULL OR in_gpums < 0 OR v_gpums > v_left THEN
        SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 30003, MESSAGE_TEXT = 'charge exceeds the hold';
    END IF;
    IF v_gpums = 0 THEN -- nothing was used in this month, or nothing is left to pay it with
        ROLLBACK;
        SELECT 'posted' AS outcome;
        LEAVE post;
    END IF;
    CALL month_book(in_month, now_ms(), v_month, v_corrects);
    UPDATE job SET charged_gpums = charged_gpums + v_gpums, raw_gpums = raw_gpums + v_raw WHERE id = v_job;
    CALL job_shift('charge', 'held', 'used', v_gpums, v_raw, v_job, in_attempt, v_month, v_corrects,
                   '', 'runnerd', 'run time', '', v_key);
    COMMIT;
    SELECT 'posted' AS outcome;
END;

-- Gives back a part of an attempt's charge for a cause of the site's, once for each attempt. outcome:
-- refunded | same | nothing (none of its charge is left).
CREATE PROCEDURE attempt_refund(IN in_epoch BIGINT, IN in_attempt BIGINT UNSIGNED, IN in_gpums BIGINT,
                                IN in_cause VARCHAR(16))
MODIFIES SQL DATA
refund: BEGIN
    DECLARE v_job BIGINT UNSIGNED DEFAULT NULL;
    DECLARE v_same INT;
    DECLARE v_charged, v_gpums BIGINT;
    DECLARE v_key VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT CONCAT('refund:', in_attempt);
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;
    START TRANSACTION;
    CALL lease_prove(in_epoch);
    SELECT j.id, j.charged_gpums - j.refunded_gpums INTO v_job, v_gpums
    FROM attempt a JOIN job j ON j.id = a.job_id WHERE a.id = in_attempt FOR UPDATE;
    SELECT COUNT(*) INTO v_same FROM transfer WHERE request_key = v_key AND leg = 0;
    SELECT COALESCE(SUM(gpums), 0) INTO v_charged FROM transfer
    WHERE job_id = v_job AND attempt_id = in_attempt AND type = 'charge' AND leg = 0;
    SET v_gpums = LEAST(in_gpums, v_charged, v_gpums);
    IF v_same > 0 OR v_gpums IS NULL OR v_gpums <= 0 THEN
        ROLLBACK;
        SELECT IF(v_same > 0, 'same', 'nothing') AS outcome;
        LEAVE refund;
    END IF;
    INSERT INTO audit (at_ms, actor, origin, verb, object, reason, before_text, after_text, request_key)
    VALUES (now_ms(), 'runnerd', 'runnerd', 'refund', CONCAT('job ', v_job), in_cause,
            CONCAT('attempt ', in_attempt, ', charged ', v_charged, ' gpums'),
            CONCAT('refunded ', v_gpums, ' gpums'), v_key);
    CALL job_refund(v_job, in_attempt, v_gpums, NULL, in_cause, 'runnerd', in_cause, '', v_key);
    COMMIT;
    SELECT 'refunded' AS outcome;
END;

-- The end of a job: the rest of its hold goes back to its allocation, or to `expired` when the term
-- is over. outcome: ok | uncharged (an attempt's charges are not all posted yet).
CREATE PROCEDURE job_finish(IN in_epoch BIGINT, IN in_job BIGINT UNSIGNED, IN in_seq INT,
                            IN in_kind VARCHAR(16), IN in_state VARCHAR(16), IN in_exit INT,
                            IN in_outcome VARCHAR(200))
MODIFIES SQL DATA
finish: BEGIN
    DECLARE v_budget, v_person INT UNSIGNED;
    DECLARE v_rest, v_charged, v_due, v_until BIGINT;
    DECLARE v_at BIGINT DEFAULT now_ms();
    DECLARE v_month INT DEFAULT month_open(v_at);
    DECLARE v_moved, v_new BOOLEAN DEFAULT FALSE;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;
    START TRANSACTION;
    CALL lease_prove(in_epoch);
    SELECT budget_id, person_id, hold_gpums - charged_gpums + refunded_gpums, charged_gpums,
           (SELECT until_ms FROM allocation WHERE id = allocation_id)
    INTO v_budget, v_person, v_rest, v_charged, v_until
    FROM job WHERE id = in_job FOR UPDATE;
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
        CALL job_shift('release', 'held', 'free', v_rest, 0, in_job, NULL, v_month, NULL, '', 'runnerd',
                       in_kind, '', CONCAT('release:', in_job));
        IF v_until <= v_at THEN
            CALL ledger_move('expire', v_budget, 'free', account_id('expired'), 'free', v_rest, 0, in_job,
                             NULL, v_person, v_month, NULL, '', 'runnerd', 'released after the term', '',
                             CONCAT('expire:', in_job), 0, v_moved);
        END IF;
    END IF;
    COMMIT;
    SELECT 'ok' AS outcome;
END;

-- attempt_end(), charge_post(), attempt_refund() (unless in_refund_cause is NULL) and job_finish() in one:
-- the end of a job whose last attempt has at most one month to be charged still. in_seq is that of the
-- event `ended`, the last event's is one more. outcome: ok | uncharged.
CREATE PROCEDURE job_settle(IN in_epoch BIGINT, IN in_job BIGINT UNSIGNED, IN in_attempt BIGINT UNSIGNED,
                            IN in_seq INT, IN in_ended_ms BIGINT, IN in_run_ms BIGINT,
                            IN in_chargeable_ms BIGINT, IN in_charge_gpums BIGINT,
                            IN in_sampled_gpums BIGINT, IN in_idle_gpums BIGINT,
                            IN in_cause VARCHAR(32), IN in_exit INT, IN in_signal INT,
                            IN in_note VARCHAR(500), IN in_month INT, IN in_gpums BIGINT,
                            IN in_raw_gpums BIGINT, IN in_refund_cause VARCHAR(16),
                            IN in_refund_gpums BIGINT, IN in_kind VARCHAR(16), IN in_state VARCHAR(16),
                            IN in_job_exit INT, IN in_outcome VARCHAR(200))
MODIFIES SQL DATA
settle: BEGIN
    DECLARE v_budget, v_share, v_person INT UNSIGNED;
    DECLARE v_seq, v_no, v_month, v_booked, v_corrects, v_same INT DEFAULT NULL;
    DECLARE v_hold, v_charged, v_refunded, v_due, v_until, v_ended, v_rest, v_epoch BIGINT;
    DECLARE v_others, v_posted, v_refund BIGINT DEFAULT 0;
    DECLARE v_now BIGINT DEFAULT CAST(UNIX_TIMESTAMP(SYSDATE(3)) * 1000 AS SIGNED);
    DECLARE v_moved BOOLEAN;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;
    START TRANSACTION;
    SELECT epoch INTO v_epoch FROM lease WHERE name = 'runnerd' LOCK IN SHARE MODE;
    IF NOT (v_epoch <=> in_epoch) THEN
        CALL lease_prove(in_epoch);
    END IF;
    SELECT j.seq, j.budget_id, j.share_id, j.person_id, j.hold_gpums, j.charged_gpums, j.refunded_gpums,
           a.no, LEAST(GREATEST(in_ended_ms, COALESCE(a.started_ms, a.created_ms)), v_now), l.until_ms
    INTO v_seq, v_budget, v_share, v_person, v_hold, v_charged, v_refunded, v_no, v_ended, v_until
    FROM job j STRAIGHT_JOIN attempt a ON a.id = in_attempt AND a.job_id = j.id
    STRAIGHT_JOIN allocation l ON l.id = j.allocation_id WHERE j.id = in_job;
    IF v_seq = in_seq + 1 THEN
        SELECT COUNT(*) INTO v_same FROM event
        WHERE job_id = in_job AND ((seq = in_seq AND kind = 'ended' AND attempt_id = in_attempt)
                                   OR (seq = in_seq + 1 AND kind = in_kind));
        IF v_same = 2 THEN -- its answer was lost
            ROLLBACK;
            SELECT 'ok' AS outcome;
            LEAVE settle;
        END IF;
    END IF;
    IF NOT (v_seq <=> in_seq - 1) THEN
        SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 30002, MESSAGE_TEXT = 'the job has moved on';
    END IF;
    IF v_charged > 0 THEN
        SELECT COALESCE(SUM(gpums), 0) INTO v_posted FROM transfer
        WHERE job_id = in_job AND attempt_id = in_attempt AND type = 'charge' AND leg = 0;
    END IF;
    IF v_no > 1 THEN
        SELECT COALESCE(SUM(charge_gpums), 0) INTO v_others FROM attempt
        WHERE job_id = in_job AND id != in_attempt;
    END IF;
    SET v_due = GREATEST(in_charge_gpums, v_posted);
    IF v_charged - v_posted != v_others OR v_posted + in_gpums != v_due THEN
        ROLLBACK;
        SELECT 'uncharged' AS outcome;
        LEAVE settle;
    END IF;
    IF in_gpums < 0 OR v_charged + in_gpums > v_hold THEN
        SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 30003, MESSAGE_TEXT = 'charge exceeds the hold';
    END IF;
    IF in_refund_cause IS NOT NULL THEN
        SET v_refund = GREATEST(0, LEAST(in_refund_gpums, v_due, v_charged + in_gpums - v_refunded));
    END IF;
    SET v_rest = v_hold - v_charged - in_gpums + v_refunded + v_refund;
    CALL month_find(v_now, v_month);
    SET v_booked = v_month;
    IF in_gpums > 0 AND in_month != v_month THEN
        CALL month_book(in_month, v_now, v_booked, v_corrects);
    END IF;
    UPDATE job
    SET state = in_state, seq = in_seq + 1, waits_for = '', charged_gpums = charged_gpums + in_gpums,
        raw_gpums = raw_gpums + in_raw_gpums, refunded_gpums = refunded_gpums + v_refund,
        ended_ms = v_now, exit_code = in_job_exit, outcome = in_outcome
    WHERE id = in_job AND seq = v_seq AND hold_gpums = v_hold AND charged_gpums = v_charged
      AND refunded_gpums = v_refunded;
    IF ROW_COUNT() = 0 THEN -- an administrator's posting came between: all of it again
        SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'the job was changed beside us';
    END IF;
    INSERT INTO event (job_id, seq, kind, attempt_id, at_ms, note)
    VALUES (in_job, in_seq, 'ended', in_attempt, v_ended, in_note),
           (in_job, in_seq + 1, in_kind, NULL, v_now, in_outcome);
    UPDATE attempt
    SET ended_ms = v_ended, run_ms = in_run_ms, chargeable_ms = in_chargeable_ms, charge_gpums = v_due,
        sampled_gpums = in_sampled_gpums, idle_gpums = in_idle_gpums, cause = in_cause,
        exit_code = in_exit, signal_no = in_signal
    WHERE id = in_attempt;
    IF in_gpums + v_refund + v_rest > 0 THEN
        UPDATE budget
        SET held = held - in_gpums - v_rest + v_refund, used = used + in_gpums - v_refund,
            free = free + v_rest
        WHERE id = v_budget AND held >= in_gpums + v_rest - v_refund;
        SET v_moved = ROW_COUNT() = 1;
        IF v_moved AND v_share IS NOT NULL THEN
            UPDATE budget
            SET held = held - in_gpums - v_rest + v_refund, used = used + in_gpums - v_refund,
                free = free + v_rest
            WHERE id = v_share AND held >= in_gpums + v_rest - v_refund;
            SET v_moved = ROW_COUNT() = 1;
        END IF;
        IF NOT v_moved THEN
            SIGNAL SQLSTATE '45000'
                SET MYSQL_ERRNO = 30003, MESSAGE_TEXT = 'a job would settle more than its budget holds';
        END IF;
    END IF;
    IF in_gpums > 0 THEN
        INSERT INTO transfer (type, debit_budget, debit_bucket, credit_budget, credit_bucket, gpums,
                              raw_gpums, job_id, attempt_id, person_id, month, corrects_month, at_ms, actor,
                              reason, request_key, leg)
        VALUES ('charge', v_budget, 'held', v_budget, 'used', in_gpums, in_raw_gpums, in_job, in_attempt,
                v_person, v_booked, v_corrects, v_now, 'runnerd', 'run time',
                CONCAT('charge:', in_attempt, ':', in_month), 0);
    END IF;
    IF v_refund > 0 THEN
        INSERT INTO audit (at_ms, actor, origin, verb, object, reason, before_text, after_text, request_key)
        VALUES (v_now, 'runnerd', 'runnerd', 'refund', CONCAT('job ', in_job), in_refund_cause,
                CONCAT('attempt ', in_attempt, ', charged ', v_due, ' gpums'),
                CONCAT('refunded ', v_refund, ' gpums'), CONCAT('refund:', in_attempt));
        INSERT INTO transfer (type, debit_budget, debit_bucket, credit_budget, credit_bucket, gpums,
                              job_id, attempt_id, person_id, month, cause, at_ms, actor, reason,
                              request_key, leg)
        VALUES ('refund', v_budget, 'used', v_budget, 'held', v_refund, in_job, in_attempt, v_person,
                v_month, in_refund_cause, v_now, 'runnerd', in_refund_cause,
                CONCAT('refund:', in_attempt), 0);
    END IF;
    IF v_rest > 0 THEN
        INSERT INTO transfer (type, debit_budget, debit_bucket, credit_budget, credit_bucket, gpums,
                              job_id, person_id, month, at_ms, actor, reason, request_key, leg)
        VALUES ('release', v_budget, 'held', v_budget, 'free', v_rest, in_job, v_person, v_month, v_now,
                'runnerd', in_kind, CONCAT('release:', in_job), 0);
    END IF;
    IF v_share IS NOT NULL THEN
        INSERT INTO transfer (type, debit_budget, debit_bucket, credit_budget, credit_bucket, gpums,
                              raw_gpums, job_id, attempt_id, person_id, month, corrects_month, cause,
                              at_ms, actor, reason, request_key, leg)
        SELECT type, v_share, debit_bucket, v_share, credit_bucket, gpums, raw_gpums, job_id, attempt_id,
               person_id, month, corrects_month, cause, at_ms, actor, reason, request_key, 1
        FROM transfer
        WHERE leg = 0 AND request_key IN (CONCAT('charge:', in_attempt, ':', in_month),
                                          CONCAT('refund:', in_attempt), CONCAT('release:', in_job))
          AND at_ms = v_now;
    END IF;
    IF v_rest > 0 AND v_until <= v_now THEN
        CALL ledger_move('expire', v_budget, 'free', account_id('expired'), 'free', v_rest, 0, in_job, NULL,
                         v_person, v_month, NULL, '', 'runnerd', 'released after the term', '',
                         CONCAT('expire:', in_job), 0, v_moved);
    END IF;
    COMMIT;
    SELECT 'ok' AS outcome;
END;

-- The scratch table of job_settle_many(), for each connection one.
CREATE PROCEDURE job_settle_scratch()
MODIFIES SQL DATA
BEGIN
    CREATE TEMPORARY TABLE IF NOT EXISTS settling (
        job_id BIGINT UNSIGNED PRIMARY KEY, attempt_id BIGINT UNSIGNED NOT NULL UNIQUE, seq INT NOT NULL,
        ended_ms BIGINT NOT NULL, run_ms BIGINT NOT NULL, chargeable_ms BIGINT NOT NULL,
        gpums BIGINT NOT NULL, raw_gpums BIGINT NOT NULL, sampled_gpums BIGINT NOT NULL,
        idle_gpums BIGINT NOT NULL, cause VARCHAR(32) NOT NULL, exit_code INT, signal_no INT,
        note VARCHAR(500) NOT NULL, kind VARCHAR(16) NOT NULL, state VARCHAR(16) NOT NULL, job_exit INT,
        outcome VARCHAR(200) NOT NULL, budget_id INT UNSIGNED NOT NULL, share_id INT UNSIGNED,
        person_id INT UNSIGNED NOT NULL, hold_gpums BIGINT NOT NULL
    ) ENGINE = MEMORY;
    DELETE FROM settling;
END;

-- Does job_settle() for several in one transaction with one statement for each table, if all are plain:
-- the first attempt of a job that was charged nothing before, all of it in the month of now, with nothing
-- to give back and in its term. in_asks: JSON, an array of objects. outcome: ok | one_by_one (some are
-- not, and nothing is changed: each is to be settled by itself).
CREATE PROCEDURE job_settle_many(IN in_epoch BIGINT, IN in_asks LONGTEXT)
MODIFIES SQL DATA
settle: BEGIN
    DECLARE v_now BIGINT DEFAULT CAST(UNIX_TIMESTAMP(SYSDATE(3)) * 1000 AS SIGNED);
    DECLARE v_month INT;
    DECLARE v_count INT DEFAULT JSON_LENGTH(in_asks);
    DECLARE v_plain BOOLEAN DEFAULT TRUE;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;
    START TRANSACTION;
    CALL lease_prove(in_epoch);
    CALL month_find(v_now, v_month);
    CALL job_settle_scratch();
    INSERT INTO settling
    SELECT STRAIGHT_JOIN t.job, t.attempt, t.seq,
           LEAST(GREATEST(t.ended_ms, COALESCE(a.started_ms, a.created_ms)), v_now), t.run_ms,
           t.chargeable_ms, t.gpums, t.raw_gpums, t.sampled_gpums, t.idle_gpums, t.cause, t.exit_code,
           t.signal_no, t.note, t.kind, t.state, t.job_exit, t.outcome, j.budget_id, j.share_id,
           j.person_id, j.hold_gpums
    FROM JSON_TABLE(in_asks, '$[*]' COLUMNS (
             job BIGINT UNSIGNED PATH '$.job', attempt BIGINT UNSIGNED PATH '$.attempt',
             seq INT PATH '$.seq', ended_ms BIGINT PATH '$.ended_ms', run_ms BIGINT PATH '$.run_ms',
             chargeable_ms BIGINT PATH '$.chargeable_ms', charge_gpums BIGINT PATH '$.charge_gpums',
             sampled_gpums BIGINT PATH '$.sampled_gpums', idle_gpums BIGINT PATH '$.idle_gpums',
             cause VARCHAR(32) PATH '$.cause', exit_code INT PATH '$.exit_code',
             signal_no INT PATH '$.signal_no', note VARCHAR(500) PATH '$.note', month INT PATH '$.month',
             gpums BIGINT PATH '$.gpums', raw_gpums BIGINT PATH '$.raw_gpums',
             kind VARCHAR(16) PATH '$.kind', state VARCHAR(16) PATH '$.state',
             job_exit INT PATH '$.job_exit', outcome VARCHAR(200) PATH '$.outcome')) t
    JOIN job j FORCE INDEX (PRIMARY) ON j.id = t.job
    JOIN attempt a FORCE INDEX (PRIMARY) ON a.id = t.attempt AND a.job_id = j.id
    JOIN allocation l FORCE INDEX (PRIMARY) ON l.id = j.allocation_id
    WHERE j.seq = t.seq - 1 AND j.charged_gpums = 0 AND j.refunded_gpums = 0 AND a.no = 1
      AND t.gpums = t.charge_gpums AND t.gpums BETWEEN 0 AND j.hold_gpums
      AND (t.gpums = 0 OR t.month = v_month) AND l.until_ms > v_now;
    IF ROW_COUNT() != v_count THEN
        ROLLBACK;
        SELECT 'one_by_one' AS outcome;
        LEAVE settle;
    END IF;
    UPDATE settling k STRAIGHT_JOIN job j FORCE INDEX (PRIMARY) ON j.id = k.job_id
    SET j.state = k.state, j.seq = k.seq + 1, j.waits_for = '', j.charged_gpums = k.gpums,
        j.raw_gpums = j.raw_gpums + k.raw_gpums, j.ended_ms = v_now, j.exit_code = k.job_exit,
        j.outcome = k.outcome
    WHERE j.seq = k.seq - 1 AND j.hold_gpums = k.hold_gpums AND j.charged_gpums = 0
      AND j.refunded_gpums = 0;
    SET v_plain = ROW_COUNT() = v_count;
    INSERT INTO event (job_id, seq, kind, attempt_id, at_ms, note)
    SELECT job_id, seq, 'ended', attempt_id, ended_ms, note FROM settling
    UNION ALL SELECT job_id, seq + 1, kind, NULL, v_now, outcome FROM settling;
    UPDATE settling k STRAIGHT_JOIN attempt a FORCE INDEX (PRIMARY) ON a.id = k.attempt_id
    SET a.ended_ms = k.ended_ms, a.run_ms = k.run_ms, a.chargeable_ms = k.chargeable_ms,
        a.charge_gpums = k.gpums, a.sampled_gpums = k.sampled_gpums, a.idle_gpums = k.idle_gpums,
        a.cause = k.cause, a.exit_code = k.exit_code, a.signal_no = k.signal_no;
    FOR r IN (SELECT u.id, SUM(u.hold) AS hold, SUM(u.used) AS used
              FROM (SELECT budget_id AS id, hold_gpums AS hold, gpums AS used FROM settling
                    UNION ALL SELECT share_id, hold_gpums, gpums FROM settling
                              WHERE share_id IS NOT NULL) u
              GROUP BY u.id ORDER BY u.id) DO
        IF r.hold > 0 THEN
            UPDATE budget SET held = held - r.hold, used = used + r.used, free = free + r.hold - r.used
            WHERE id = r.id AND held >= r.hold;
            SET v_plain = v_plain AND ROW_COUNT() = 1;
        END IF;
    END FOR;
    IF NOT v_plain THEN
        ROLLBACK;
        SELECT 'one_by_one' AS outcome;
        LEAVE settle;
    END IF;
    INSERT INTO transfer (type, debit_budget, debit_bucket, credit_budget, credit_bucket, gpums, raw_gpums,
                          job_id, attempt_id, person_id, month, at_ms, actor, reason, request_key, leg)
    SELECT 'charge', budget_id, 'held', budget_id, 'used', gpums, raw_gpums, job_id, attempt_id, person_id,
           v_month, v_now, 'runnerd', 'run time', CONCAT('charge:', attempt_id, ':', v_month), 0
    FROM settling WHERE gpums > 0
    UNION ALL
    SELECT 'charge', share_id, 'held', share_id, 'used', gpums, raw_gpums, job_id, attempt_id, person_id,
           v_month, v_now, 'runnerd', 'run time', CONCAT('charge:', attempt_id, ':', v_month), 1
    FROM settling WHERE gpums > 0 AND share_id IS NOT NULL
    UNION ALL
    SELECT 'release', budget_id, 'held', budget_id, 'free', hold_gpums - gpums, 0, job_id, NULL, person_id,
           v_month, v_now, 'runnerd', kind, CONCAT('release:', job_id), 0
    FROM settling WHERE hold_gpums > gpums
    UNION ALL
    SELECT 'release', share_id, 'held', share_id, 'free', hold_gpums - gpums, 0, job_id, NULL, person_id,
           v_month, v_now, 'runnerd', kind, CONCAT('release:', job_id), 1
    FROM settling WHERE hold_gpums > gpums AND share_id IS NOT NULL;
    COMMIT;
    SELECT 'ok' AS outcome;
END;

-- Expires what is free in an allocation whose term is over. outcome: done | nothing.
CREATE PROCEDURE allocation_expire(IN in_epoch BIGINT, IN in_allocation INT UNSIGNED)
MODIFIES SQL DATA
expire: BEGIN
    DECLARE v_budget INT UNSIGNED DEFAULT NULL;
    DECLARE v_free, v_until BIGINT;
    DECLARE v_now BIGINT DEFAULT now_ms();
    DECLARE v_month INT DEFAULT month_open(v_now);
    DECLARE v_moved BOOLEAN;
    DECLARE v_key VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin
        DEFAULT CONCAT('expire:a', in_allocation, ':', v_now);
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;
    START TRANSACTION;
    CALL lease_prove(in_epoch);
    SELECT b.id, a.until_ms INTO v_budget, v_until
    FROM allocation a JOIN budget b ON b.allocation_id = a.id AND b.person_id IS NULL
    WHERE a.id = in_allocation;
    SELECT free INTO v_free FROM budget WHERE id = v_budget FOR UPDATE;
    IF v_budget IS NULL OR v_free = 0 OR v_until > v_now THEN
        ROLLBACK;
        SELECT 'nothing' AS outcome;
        LEAVE expire;
    END IF;
    INSERT INTO audit (at_ms, actor, origin, verb, object, reason, before_text, after_text, request_key)
    VALUES (v_now, 'runnerd', 'runnerd', 'expire', CONCAT('allocation ', in_allocation),
            'the term is over', CONCAT('free ', v_free, ' gpums'), 'free 0 gpums', v_key);
    CALL ledger_move('expire', v_budget, 'free', account_id('expired'), 'free', v_free, 0, NULL, NULL,
                     NULL, v_month, NULL, '', 'runnerd', 'the term is over', '', v_key, 0, v_moved);
    IF NOT v_moved THEN
        SIGNAL SQLSTATE '45000'
            SET MYSQL_ERRNO = 30003, MESSAGE_TEXT = 'what is free in the allocation cannot expire';
    END IF;
    COMMIT;
    SELECT 'done' AS outcome;
END;

-- Seals audit rows: in_rows is a list of {"id", "no", "seal"} in the order of the chain, whose head must be
-- in_no with in_seal still (0 and '': there is none). The lock on the lease keeps the chain from being
-- forked. outcome: sealed | other_head | other_rows (one of them is sealed already, or gone).
CREATE PROCEDURE audit_seal(IN in_epoch BIGINT, IN in_no BIGINT UNSIGNED,
                            IN in_seal CHAR(64) CHARACTER SET ascii COLLATE ascii_bin,
                            IN in_rows LONGTEXT)
MODIFIES SQL DATA
seal: BEGIN
    DECLARE v_no BIGINT UNSIGNED DEFAULT 0;
    DECLARE v_seal CHAR(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT '';
    DECLARE v_missing INT DEFAULT 0;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;
    START TRANSACTION;
    CALL lease_prove(in_epoch);
    SELECT MAX(chain_no) INTO v_no FROM audit;
    SELECT COALESCE(MAX(seal), '') INTO v_seal FROM audit WHERE chain_no = v_no;
    IF COALESCE(v_no, 0) != in_no OR v_seal != in_seal THEN
        ROLLBACK;
        SELECT 'other_head' AS outcome;
        LEAVE seal;
    END IF;
    FOR r IN (SELECT * FROM JSON_TABLE(in_rows, '$[*]' COLUMNS (
                  id BIGINT UNSIGNED PATH '$.id', no BIGINT UNSIGNED PATH '$.no',
                  seal CHAR(64) PATH '$.seal')) t) DO
        UPDATE audit SET chain_no = r.no, seal = r.seal WHERE id = r.id AND chain_no IS NULL;
        SET v_missing = v_missing + (ROW_COUNT() != 1);
    END FOR;
    IF v_missing > 0 THEN
        ROLLBACK;
        SELECT 'other_rows' AS outcome;
        LEAVE seal;
    END IF;
    COMMIT;
    SELECT 'sealed' AS outcome;
END;
