-- SPDX-License-Identifier: Apache-2.0
-- GPU-time in, out, across and back by an administrator's word: the procedures that the command `quota`
-- calls. Each is one transaction with its audit row, answers with one row (a word, the number of what was
-- touched, how much was moved, how much is there), and may be repeated with its key. in_dry: all of
-- it is done and rolled back.
--
-- Rows are locked before the key is looked up: whoever comes with the same key at the same time waits, and
-- finds it used. A used key is error 1062, whether it was found or met at the audit row; its handler
-- answers `same` when the audit row's text after begins with the same content, otherwise `other_content`.
-- What does not fit the books is error 1690.

-- Locks the budget of an allocation. out_state: none | open | closed (it, its project or its tenant) | over
-- (its term).
CREATE PROCEDURE posting_lock(IN in_allocation INT UNSIGNED, OUT out_budget INT UNSIGNED,
                              OUT out_free BIGINT, OUT out_state VARCHAR(8))
MODIFIES SQL DATA
BEGIN
    DECLARE v_now BIGINT DEFAULT now_ms();
    SET out_budget = NULL, out_free = NULL, out_state = 'none';
    SELECT b.id, CASE WHEN a.until_ms <= v_now THEN 'over'
                      WHEN a.state = 'open' AND p.state = 'open' AND t.state = 'open' THEN 'open'
                      ELSE 'closed' END
    INTO out_budget, out_state
    FROM budget b JOIN allocation a ON a.id = b.allocation_id JOIN project p ON p.id = a.project_id
    JOIN tenant t ON t.id = p.tenant_id
    WHERE b.allocation_id = in_allocation AND b.person_id IS NULL;
    SELECT free INTO out_free FROM budget WHERE id = out_budget FOR UPDATE;
END;

-- Goes on only with a new key.
CREATE PROCEDURE posting_fresh(IN in_key VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin)
READS SQL DATA
BEGIN
    DECLARE v_used INT;
    SELECT COUNT(*) INTO v_used FROM audit WHERE request_key = in_key LOCK IN SHARE MODE;
    IF v_used > 0 THEN
        SIGNAL SQLSTATE '23000' SET MYSQL_ERRNO = 1062, MESSAGE_TEXT = 'the key is used';
    END IF;
END;

-- Answers a used key, after the rollback of what came with it. in_number 0: that of the allocation
-- that was opened with it.
CREATE PROCEDURE posting_again(IN in_verb VARCHAR(32), IN in_object VARCHAR(120),
                               IN in_content VARCHAR(700), IN in_number BIGINT,
                               IN in_key VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin)
READS SQL DATA
BEGIN
    DECLARE v_same BOOLEAN DEFAULT FALSE;
    DECLARE v_moved, v_number, v_there BIGINT DEFAULT NULL;
    SELECT verb = in_verb AND object = in_object
           AND LEFT(after_text, CHAR_LENGTH(in_content) + 2) = CONCAT(in_content, '; ')
    INTO v_same FROM audit WHERE request_key = in_key;
    SELECT t.gpums, COALESCE(c.allocation_id, d.allocation_id), COALESCE(c.free, d.free)
    INTO v_moved, v_number, v_there
    FROM transfer t LEFT JOIN budget c ON c.id = t.credit_budget AND c.kind != 'system'
    LEFT JOIN budget d ON d.id = t.debit_budget AND d.kind != 'system'
    WHERE t.request_key = in_key OR t.request_key = CONCAT('extend:', in_key)
    ORDER BY t.leg LIMIT 1;
    SELECT IF(v_same, 'same', 'other_content') AS outcome,
           IF(in_number = 0, v_number, in_number) AS number, v_moved AS moved_gpums,
           v_there AS there_gpums;
END;

CREATE PROCEDURE posting_refuse(IN in_outcome VARCHAR(16), IN in_there BIGINT)
MODIFIES SQL DATA
BEGIN
    ROLLBACK;
    SELECT in_outcome AS outcome, NULL AS number, NULL AS moved_gpums, in_there AS there_gpums;
END;

-- The answer to more than the books can hold: how much more they can.
CREATE PROCEDURE posting_too_much()
MODIFIES SQL DATA
BEGIN
    ROLLBACK;
    SELECT 'too_much' AS outcome, NULL AS number, NULL AS moved_gpums,
           9000000000000000000 - MAX(ABS(free)) AS there_gpums FROM budget WHERE kind = 'system';
END;

CREATE PROCEDURE posting_end(IN in_dry BOOLEAN, IN in_number BIGINT, IN in_moved BIGINT,
                             IN in_there BIGINT)
MODIFIES SQL DATA
BEGIN
    IF in_dry THEN
        ROLLBACK;
    ELSE
        COMMIT;
    END IF;
    SELECT 'done' AS outcome, in_number AS number, in_moved AS moved_gpums, in_there AS there_gpums;
END;

-- The audit row of a posting: the content that was asked, then what it led to.
CREATE PROCEDURE posting_note(IN in_actor VARCHAR(64), IN in_origin VARCHAR(64), IN in_verb VARCHAR(32),
                              IN in_object VARCHAR(120), IN in_reason VARCHAR(200),
                              IN in_before VARCHAR(200), IN in_content VARCHAR(700),
                              IN in_after VARCHAR(200),
                              IN in_key VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin)
MODIFIES SQL DATA
    INSERT INTO audit (at_ms, actor, origin, verb, object, reason, before_text, after_text, request_key)
    VALUES (now_ms(), in_actor, in_origin, in_verb, in_object, in_reason, in_before,
            CONCAT(in_content, '; ', in_after), in_key);

-- Moves between the free buckets of two budgets, of which the caller knows that there is enough.
CREATE PROCEDURE posting_move(IN in_type VARCHAR(16), IN in_debit INT UNSIGNED,
                              IN in_credit INT UNSIGNED, IN in_gpums BIGINT, IN in_job BIGINT UNSIGNED,
                              IN in_person INT UNSIGNED, IN in_corrects INT, IN in_actor VARCHAR(64),
                              IN in_reason VARCHAR(200), IN in_reference VARCHAR(120),
                              IN in_key VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin,
                              IN in_leg TINYINT UNSIGNED)
MODIFIES SQL DATA
BEGIN
    DECLARE v_moved BOOLEAN;
    DECLARE v_most BIGINT;
    CALL ledger_move(in_type, in_debit, 'free', in_credit, 'free', in_gpums, 0, in_job, NULL, in_person,
                     month_open(now_ms()), in_corrects, '', in_actor, in_reason, in_reference, in_key,
                     in_leg, v_moved);
    IF NOT v_moved THEN
        SIGNAL SQLSTATE '45000'
            SET MYSQL_ERRNO = 30003, MESSAGE_TEXT = 'a posting must move something that is there';
    END IF;
    SELECT MAX(ABS(free)) INTO v_most FROM budget WHERE id IN (in_debit, in_credit);
    IF v_most > 9000000000000000000 THEN -- sums of what is there must fit, too
        SIGNAL SQLSTATE '22003' SET MYSQL_ERRNO = 1690, MESSAGE_TEXT = 'more than the books can hold';
    END IF;
END;

-- ", reference …" of a content, or nothing.
CREATE FUNCTION posting_reference(in_reference VARCHAR(120)) RETURNS VARCHAR(300) DETERMINISTIC
    RETURN IF(in_reference = '', '', CONCAT(', reference ', JSON_QUOTE(in_reference)));

-- Whether a month may be named as the one corrected: it is closed, and so stays as it is; what is wrong in
-- an open one is put right in itself. 0 names none.
CREATE FUNCTION posting_month(in_month INT) RETURNS BOOLEAN READS SQL DATA
BEGIN
    DECLARE v_closed INT;
    SELECT COUNT(*) INTO v_closed FROM month WHERE month = in_month AND closed_ms IS NOT NULL;
    RETURN in_month = 0 OR v_closed = 1;
END;

-- ---------------------------------------------------------------- the verbs

-- Opens an allocation of a project for a term and grants it its GPU-time, in one. outcome: done | same |
-- other_content | no_project | closed | too_much.
CREATE PROCEDURE posting_open(IN in_actor VARCHAR(64), IN in_origin VARCHAR(64),
                              IN in_reason VARCHAR(200),
                              IN in_key VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin,
                              IN in_dry BOOLEAN, IN in_project VARCHAR(32), IN in_from_ms BIGINT,
                              IN in_until_ms BIGINT, IN in_gpums BIGINT,
                              IN in_reference VARCHAR(120))
MODIFIES SQL DATA
post: BEGIN
    DECLARE v_project, v_allocation, v_budget INT UNSIGNED DEFAULT NULL;
    DECLARE v_open BOOLEAN;
    DECLARE v_object VARCHAR(120) DEFAULT CONCAT('project ', in_project);
    DECLARE v_content VARCHAR(700) DEFAULT CONCAT(in_gpums, ' gpums from ', in_from_ms, ' until ',
                                                  in_until_ms, posting_reference(in_reference));
    DECLARE EXIT HANDLER FOR 1690 CALL posting_too_much();
    DECLARE EXIT HANDLER FOR 1062
    BEGIN
        ROLLBACK;
        CALL posting_again('grant', v_object, v_content, 0, in_key);
    END;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;
    START TRANSACTION;
    SELECT p.id, p.state = 'open' AND t.state = 'open' INTO v_project, v_open
    FROM project p JOIN tenant t ON t.id = p.tenant_id WHERE p.name = in_project FOR UPDATE;
    CALL posting_fresh(in_key);
    IF v_project IS NULL OR NOT v_open OR in_until_ms <= now_ms() THEN
        CALL posting_refuse(IF(v_project IS NULL, 'no_project', 'closed'), NULL);
        LEAVE post;
    END IF;
    CALL posting_note(in_actor, in_origin, 'grant', v_object, in_reason, '', v_content,
                      CONCAT('free ', in_gpums, ' gpums'), in_key);
    INSERT INTO allocation (project_id, from_ms, until_ms, created_ms)
    VALUES (v_project, in_from_ms, in_until_ms, now_ms());
    SET v_allocation = LAST_INSERT_ID();
    INSERT INTO budget (kind, allocation_id) VALUES ('allocation', v_allocation);
    SET v_budget = LAST_INSERT_ID();
    CALL posting_move('grant', account_id('issued'), v_budget, in_gpums, NULL, NULL, NULL, in_actor,
                      in_reason, in_reference, in_key, 0);
    CALL posting_end(in_dry, IF(in_dry, NULL, v_allocation), in_gpums, in_gpums);
END;

-- More for an allocation. outcome: done | same | other_content | no_allocation | closed | too_much.
CREATE PROCEDURE posting_grant(IN in_actor VARCHAR(64), IN in_origin VARCHAR(64),
                               IN in_reason VARCHAR(200),
                               IN in_key VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin,
                               IN in_dry BOOLEAN, IN in_allocation INT UNSIGNED, IN in_gpums BIGINT,
                               IN in_reference VARCHAR(120))
MODIFIES SQL DATA
post: BEGIN
    DECLARE v_budget INT UNSIGNED;
    DECLARE v_free BIGINT;
    DECLARE v_state VARCHAR(8);
    DECLARE v_object VARCHAR(120) DEFAULT CONCAT('allocation ', in_allocation);
    DECLARE v_content VARCHAR(700) DEFAULT CONCAT(in_gpums, ' gpums', posting_reference(in_reference));
    DECLARE EXIT HANDLER FOR 1690 CALL posting_too_much();
    DECLARE EXIT HANDLER FOR 1062
    BEGIN
        ROLLBACK;
        CALL posting_again('grant', v_object, v_content, in_allocation, in_key);
    END;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;
    START TRANSACTION;
    CALL posting_lock(in_allocation, v_budget, v_free, v_state);
    CALL posting_fresh(in_key);
    IF v_state != 'open' THEN
        CALL posting_refuse(IF(v_state = 'none', 'no_allocation', 'closed'), v_free);
        LEAVE post;
    END IF;
    CALL posting_note(in_actor, in_origin, 'grant', v_object, in_reason,
                      CONCAT('free ', v_free, ' gpums'), v_content,
                      CONCAT('free ', v_free + in_gpums, ' gpums'), in_key);
    CALL posting_move('grant', account_id('issued'), v_budget, in_gpums, NULL, NULL, NULL, in_actor,
                      in_reason, in_reference, in_key, 0);
    CALL posting_end(in_dry, in_allocation, in_gpums, v_free + in_gpums);
END;

-- Takes what is free out of an allocation, also out of a closed one. outcome: done | same | other_content |
-- no_allocation | too_little.
CREATE PROCEDURE posting_revoke(IN in_actor VARCHAR(64), IN in_origin VARCHAR(64),
                                IN in_reason VARCHAR(200),
                                IN in_key VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin,
                                IN in_dry BOOLEAN, IN in_allocation INT UNSIGNED, IN in_gpums BIGINT,
                                IN in_reference VARCHAR(120))
MODIFIES SQL DATA
post: BEGIN
    DECLARE v_budget INT UNSIGNED;
    DECLARE v_free BIGINT;
    DECLARE v_state VARCHAR(8);
    DECLARE v_object VARCHAR(120) DEFAULT CONCAT('allocation ', in_allocation);
    DECLARE v_content VARCHAR(700) DEFAULT CONCAT(in_gpums, ' gpums', posting_reference(in_reference));
    DECLARE EXIT HANDLER FOR 1062
    BEGIN
        ROLLBACK;
        CALL posting_again('revoke', v_object, v_content, in_allocation, in_key);
    END;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;
    START TRANSACTION;
    CALL posting_lock(in_allocation, v_budget, v_free, v_state);
    CALL posting_fresh(in_key);
    IF v_state = 'none' OR v_free < in_gpums THEN
        CALL posting_refuse(IF(v_state = 'none', 'no_allocation', 'too_little'), v_free);
        LEAVE post;
    END IF;
    CALL posting_note(in_actor, in_origin, 'revoke', v_object, in_reason,
                      CONCAT('free ', v_free, ' gpums'), v_content,
                      CONCAT('free ', v_free - in_gpums, ' gpums'), in_key);
    CALL posting_move('revoke', v_budget, account_id('issued'), in_gpums, NULL, NULL, NULL, in_actor,
                      in_reason, in_reference, in_key, 0);
    CALL posting_end(in_dry, in_allocation, in_gpums, v_free - in_gpums);
END;

-- From what is free in one allocation to another, of whatever project. The one that gives may be closed;
-- when its term is over it has nothing to give. outcome: done | same | other_content | no_allocation |
-- closed | too_little | too_much.
CREATE PROCEDURE posting_transfer(IN in_actor VARCHAR(64), IN in_origin VARCHAR(64),
                                  IN in_reason VARCHAR(200),
                                  IN in_key VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin,
                                  IN in_dry BOOLEAN, IN in_from INT UNSIGNED, IN in_to INT UNSIGNED,
                                  IN in_gpums BIGINT, IN in_reference VARCHAR(120))
MODIFIES SQL DATA
post: BEGIN
    DECLARE v_from, v_to INT UNSIGNED;
    DECLARE v_from_free, v_to_free BIGINT;
    DECLARE v_from_state, v_to_state VARCHAR(8);
    DECLARE v_object VARCHAR(120) DEFAULT CONCAT('allocation ', in_from);
    DECLARE v_content VARCHAR(700) DEFAULT CONCAT(in_gpums, ' gpums to allocation ', in_to,
                                                  posting_reference(in_reference));
    DECLARE EXIT HANDLER FOR 1690 CALL posting_too_much();
    DECLARE EXIT HANDLER FOR 1062
    BEGIN
        ROLLBACK;
        CALL posting_again('transfer', v_object, v_content, in_from, in_key);
    END;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;
    START TRANSACTION;
    IF in_from < in_to THEN
        CALL posting_lock(in_from, v_from, v_from_free, v_from_state);
        CALL posting_lock(in_to, v_to, v_to_free, v_to_state);
    ELSE
        CALL posting_lock(in_to, v_to, v_to_free, v_to_state);
        CALL posting_lock(in_from, v_from, v_from_free, v_from_state);
    END IF;
    CALL posting_fresh(in_key);
    IF v_from_state IN ('none', 'over') OR v_to_state != 'open' OR v_from = v_to
       OR v_from_free < in_gpums THEN
        CALL posting_refuse(CASE WHEN v_from_state = 'none' OR v_to_state = 'none' THEN 'no_allocation'
                                 WHEN v_from_state = 'over' OR v_to_state != 'open' THEN 'closed'
                                 WHEN v_from = v_to THEN 'nothing' ELSE 'too_little' END, v_from_free);
        LEAVE post;
    END IF;
    CALL posting_note(in_actor, in_origin, 'transfer', v_object, in_reason,
                      CONCAT('free ', v_from_free, ' gpums, there ', v_to_free), v_content,
                      CONCAT('free ', v_from_free - in_gpums, ' gpums, there ', v_to_free + in_gpums),
                      in_key);
    CALL posting_move('transfer', v_from, v_to, in_gpums, NULL, NULL, NULL, in_actor, in_reason,
                      in_reference, in_key, 0);
    CALL posting_end(in_dry, in_from, in_gpums, v_from_free - in_gpums);
END;

-- A part of what a job was charged, back to where it came from; in_gpums 0: all that is left. outcome:
-- done | same | other_content | no_job | nothing | too_little | wrong_month (nothing was charged in it).
CREATE PROCEDURE posting_refund(IN in_actor VARCHAR(64), IN in_origin VARCHAR(64),
                                IN in_reason VARCHAR(200),
                                IN in_key VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin,
                                IN in_dry BOOLEAN, IN in_job BIGINT UNSIGNED, IN in_gpums BIGINT,
                                IN in_cause VARCHAR(16), IN in_month INT, IN in_reference VARCHAR(120))
MODIFIES SQL DATA
post: BEGIN
    DECLARE v_charged, v_refunded, v_left, v_gpums BIGINT DEFAULT NULL;
    DECLARE v_there INT;
    DECLARE v_object VARCHAR(120) DEFAULT CONCAT('job ', in_job);
    DECLARE v_content VARCHAR(700)
        DEFAULT CONCAT(in_cause, ', ', IF(in_gpums = 0, 'all that is left', CONCAT(in_gpums, ' gpums')),
                       IF(in_month = 0, '', CONCAT(', of ', in_month)), posting_reference(in_reference));
    DECLARE EXIT HANDLER FOR 1062
    BEGIN
        ROLLBACK;
        CALL posting_again('refund', v_object, v_content, in_job, in_key);
    END;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;
    START TRANSACTION;
    SELECT charged_gpums, refunded_gpums, charged_gpums - refunded_gpums
    INTO v_charged, v_refunded, v_left FROM job WHERE id = in_job FOR UPDATE;
    CALL posting_fresh(in_key);
    SET v_gpums = IF(in_gpums = 0, v_left, in_gpums);
    SELECT COUNT(*) INTO v_there FROM transfer
    WHERE job_id = in_job AND type = 'charge' AND leg = 0 AND in_month IN (month, corrects_month);
    IF v_left IS NULL OR v_left = 0 OR v_gpums > v_left OR (in_month != 0 AND v_there = 0) THEN
        CALL posting_refuse(CASE WHEN v_left IS NULL THEN 'no_job' WHEN v_left = 0 THEN 'nothing'
                                 WHEN v_gpums > v_left THEN 'too_little' ELSE 'wrong_month' END, v_left);
        LEAVE post;
    END IF;
    CALL posting_note(in_actor, in_origin, 'refund', v_object, in_reason,
                      CONCAT('charged ', v_charged, ' refunded ', v_refunded, ' gpums'), v_content,
                      CONCAT('refunded ', v_refunded + v_gpums, ' gpums'), in_key);
    CALL job_refund(in_job, NULL, v_gpums, NULLIF(in_month, 0), in_cause, in_actor, in_reason,
                    in_reference, in_key);
    CALL posting_end(in_dry, in_job, v_gpums, v_left - v_gpums);
END;

-- A correction of what is free: up (not when it is closed or its term is over) or, below 0, down; names the
-- job and the month corrected, or 0. outcome: done | same | other_content | no_allocation | no_job (of
-- another allocation) | closed | too_little | too_much | wrong_month (it is not closed).
CREATE PROCEDURE posting_adjust(IN in_actor VARCHAR(64), IN in_origin VARCHAR(64),
                                IN in_reason VARCHAR(200),
                                IN in_key VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin,
                                IN in_dry BOOLEAN, IN in_allocation INT UNSIGNED, IN in_gpums BIGINT,
                                IN in_job BIGINT UNSIGNED, IN in_month INT,
                                IN in_reference VARCHAR(120))
MODIFIES SQL DATA
post: BEGIN
    DECLARE v_budget, v_person INT UNSIGNED;
    DECLARE v_free BIGINT;
    DECLARE v_state VARCHAR(8);
    DECLARE v_refusal VARCHAR(16);
    DECLARE v_object VARCHAR(120) DEFAULT CONCAT('allocation ', in_allocation);
    DECLARE v_content VARCHAR(700)
        DEFAULT CONCAT(in_gpums, ' gpums', IF(in_job = 0, '', CONCAT(', job ', in_job)),
                       IF(in_month = 0, '', CONCAT(', of ', in_month)), posting_reference(in_reference));
    DECLARE EXIT HANDLER FOR 1690 CALL posting_too_much();
    DECLARE EXIT HANDLER FOR 1062
    BEGIN
        ROLLBACK;
        CALL posting_again('adjust', v_object, v_content, in_allocation, in_key);
    END;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;
    START TRANSACTION;
    CALL posting_lock(in_allocation, v_budget, v_free, v_state);
    CALL posting_fresh(in_key);
    SELECT person_id INTO v_person FROM job WHERE id = in_job AND allocation_id = in_allocation;
    SET v_refusal = CASE WHEN v_state = 'none' THEN 'no_allocation'
                         WHEN in_job != 0 AND v_person IS NULL THEN 'no_job'
                         WHEN NOT posting_month(in_month) THEN 'wrong_month'
                         WHEN in_gpums > 0 AND v_state != 'open' THEN 'closed'
                         WHEN v_free + in_gpums < 0 THEN 'too_little' END;
    IF v_refusal IS NOT NULL THEN
        CALL posting_refuse(v_refusal, v_free);
        LEAVE post;
    END IF;
    CALL posting_note(in_actor, in_origin, 'adjust', v_object, in_reason,
                      CONCAT('free ', v_free, ' gpums'), v_content,
                      CONCAT('free ', v_free + in_gpums, ' gpums'), in_key);
    CALL posting_move('adjust', IF(in_gpums > 0, account_id('adjusted'), v_budget),
                      IF(in_gpums > 0, v_budget, account_id('adjusted')), ABS(in_gpums),
                      NULLIF(in_job, 0), v_person, NULLIF(in_month, 0), in_actor, in_reason, in_reference,
                      in_key, 0);
    CALL posting_end(in_dry, in_allocation, ABS(in_gpums), v_free + in_gpums);
END;

-- What is free in an allocation whose term is over. outcome: done | same | other_content | no_allocation |
-- over (the term is not) | nothing.
CREATE PROCEDURE posting_expire(IN in_actor VARCHAR(64), IN in_origin VARCHAR(64),
                                IN in_reason VARCHAR(200),
                                IN in_key VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin,
                                IN in_dry BOOLEAN, IN in_allocation INT UNSIGNED)
MODIFIES SQL DATA
post: BEGIN
    DECLARE v_budget INT UNSIGNED;
    DECLARE v_free BIGINT;
    DECLARE v_state VARCHAR(8);
    DECLARE v_object VARCHAR(120) DEFAULT CONCAT('allocation ', in_allocation);
    DECLARE v_content VARCHAR(700) DEFAULT 'what is free';
    DECLARE EXIT HANDLER FOR 1062
    BEGIN
        ROLLBACK;
        CALL posting_again('expire', v_object, v_content, in_allocation, in_key);
    END;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;
    START TRANSACTION;
    CALL posting_lock(in_allocation, v_budget, v_free, v_state);
    CALL posting_fresh(in_key);
    IF v_state != 'over' OR v_free = 0 THEN
        CALL posting_refuse(CASE v_state WHEN 'none' THEN 'no_allocation' WHEN 'over' THEN 'nothing'
                            ELSE 'over' END, v_free);
        LEAVE post;
    END IF;
    CALL posting_note(in_actor, in_origin, 'expire', v_object, in_reason,
                      CONCAT('free ', v_free, ' gpums'), v_content, 'free 0 gpums', in_key);
    CALL posting_move('expire', v_budget, account_id('expired'), v_free, NULL, NULL, NULL, in_actor,
                      in_reason, '', in_key, 0);
    CALL posting_end(in_dry, in_allocation, v_free, 0);
END;

-- How much a member may use of an allocation, of the jobs placed from now on: in_gpums is the limit, -1
-- lifts it. What the share's jobs hold and used counts; the rest is free. in_prover: the person in whose
-- name it is posted, and who must run the allocation's project (0004_people) at this moment; NULL: an
-- administrator posts. outcome: done | same | other_content | not_there (the prover may not) |
-- no_allocation | no_person (or no member) | closed | too_little | nothing (lifted: there is none) |
-- too_much.
CREATE PROCEDURE posting_share(IN in_actor VARCHAR(64), IN in_origin VARCHAR(64),
                               IN in_reason VARCHAR(200),
                               IN in_key VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin,
                               IN in_dry BOOLEAN, IN in_allocation INT UNSIGNED,
                               IN in_person INT UNSIGNED, IN in_gpums BIGINT,
                               IN in_prover INT UNSIGNED)
MODIFIES SQL DATA
post: BEGIN
    DECLARE v_budget, v_share, v_project INT UNSIGNED DEFAULT NULL;
    DECLARE v_all, v_delta BIGINT;
    DECLARE v_free, v_spent BIGINT DEFAULT 0;
    DECLARE v_member INT;
    DECLARE v_lifted BOOLEAN DEFAULT TRUE;
    DECLARE v_state VARCHAR(8);
    DECLARE v_refusal VARCHAR(16);
    DECLARE v_object VARCHAR(120)
        DEFAULT CONCAT('allocation ', in_allocation, ' person ', in_person);
    DECLARE v_content VARCHAR(700) DEFAULT IF(in_gpums < 0, 'no limit', CONCAT('at most ', in_gpums,
                                                                              ' gpums'));
    DECLARE EXIT HANDLER FOR 1690 CALL posting_too_much();
    DECLARE EXIT HANDLER FOR 1062
    BEGIN
        ROLLBACK;
        CALL posting_again('share', v_object, v_content, in_allocation, in_key);
    END;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;
    START TRANSACTION;
    CALL posting_lock(in_allocation, v_budget, v_all, v_state);
    SELECT id, free, held + used, is_lifted INTO v_share, v_free, v_spent, v_lifted
    FROM budget WHERE allocation_id = in_allocation AND person_id = in_person FOR UPDATE;
    CALL posting_fresh(in_key);
    SELECT project_id INTO v_project FROM allocation WHERE id = in_allocation;
    SELECT COUNT(*) INTO v_member FROM member WHERE project_id = v_project AND person_id = in_person;
    SET v_refusal = CASE WHEN in_prover IS NOT NULL AND NOT people_run_project(in_prover, v_project)
                              THEN 'not_there' -- here: his role may have gone while we waited for the locks
                         WHEN v_state = 'none' THEN 'no_allocation'
                         WHEN in_gpums < 0 AND v_lifted THEN 'nothing'
                         WHEN in_gpums >= 0 AND v_member = 0 THEN 'no_person'
                         WHEN in_gpums >= 0 AND v_state != 'open' THEN 'closed'
                         WHEN in_gpums >= 0 AND in_gpums < v_spent THEN 'too_little' END;
    IF v_refusal IS NOT NULL THEN
        CALL posting_refuse(v_refusal, v_spent);
        LEAVE post;
    END IF;
    CALL posting_note(in_actor, in_origin, 'share', v_object, in_reason,
                      IF(v_lifted, 'no limit', CONCAT('at most ', v_free + v_spent, ' gpums')), v_content,
                      CONCAT('held and used ', v_spent, ' gpums'), in_key);
    IF v_share IS NULL THEN
        INSERT INTO budget (kind, allocation_id, person_id) VALUES ('share', in_allocation, in_person);
        SET v_share = LAST_INSERT_ID();
    ELSE
        UPDATE budget SET is_lifted = in_gpums < 0 WHERE id = v_share;
    END IF;
    SET v_delta = IF(in_gpums < 0, 0, in_gpums - v_spent) - v_free;
    IF v_delta > 0 THEN
        CALL posting_move('grant', account_id('shares'), v_share, v_delta, NULL, in_person, NULL, in_actor,
                          in_reason, '', in_key, 1);
    ELSEIF v_delta < 0 THEN
        CALL posting_move('revoke', v_share, account_id('shares'), -v_delta, NULL, in_person, NULL,
                          in_actor, in_reason, '', in_key, 1);
    END IF;
    CALL posting_end(in_dry, in_allocation, ABS(v_delta), v_free + v_delta);
END;

-- More time for a job that lives, and a hold for it in the same allocation and share, at the job's weight;
-- runnerd is told by a request. outcome: done | same | other_content | no_job | over (the job has ended) |
-- closed | too_long (there: the longest, in ms) | too_little.
CREATE PROCEDURE posting_extend(IN in_actor VARCHAR(64), IN in_origin VARCHAR(64),
                                IN in_reason VARCHAR(200),
                                IN in_key VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin,
                                IN in_dry BOOLEAN, IN in_job BIGINT UNSIGNED, IN in_more_ms BIGINT)
MODIFIES SQL DATA
post: BEGIN
    DECLARE v_allocation, v_budget, v_share, v_person INT UNSIGNED;
    DECLARE v_limit, v_longest, v_hold, v_more, v_ended, v_free, v_share_free BIGINT;
    DECLARE v_lifted BOOLEAN DEFAULT FALSE;
    DECLARE v_state VARCHAR(8);
    DECLARE v_refusal VARCHAR(16);
    DECLARE v_object VARCHAR(120) DEFAULT CONCAT('job ', in_job);
    DECLARE v_content VARCHAR(700) DEFAULT CONCAT(in_more_ms, ' ms more');
    DECLARE EXIT HANDLER FOR 1062
    BEGIN
        ROLLBACK;
        CALL posting_again('job extend', v_object, v_content, in_job, in_key);
    END;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;
    START TRANSACTION;
    SELECT j.allocation_id, j.share_id, j.person_id, j.time_limit_ms, j.hold_gpums, j.ended_ms,
           -- of limits that it would pass only; the site's own is 31 days
           LEAST(2678400000,
                 COALESCE((SELECT MIN(l.time_limit_ms) FROM spend_limit l
                           JOIN project p ON p.id = j.project_id
                           WHERE (l.scope = 'person' AND l.scope_id = j.person_id)
                              OR (l.scope = 'project' AND l.scope_id = p.id)
                              OR (l.scope = 'tenant' AND l.scope_id = p.tenant_id)
                              OR (l.scope = 'everyone' AND NOT EXISTS
                                  (SELECT 1 FROM spend_limit o
                                   WHERE o.scope = 'person' AND o.scope_id = j.person_id))),
                          2678400000)),
           CAST(j.nodes AS DECIMAL(40)) * j.gpus_per_node
               * (j.time_limit_ms + LEAST(in_more_ms, 2678400000)) * j.weight_permille DIV 1000
               - j.hold_gpums
    INTO v_allocation, v_share, v_person, v_limit, v_hold, v_ended, v_longest, v_more
    FROM job j WHERE j.id = in_job FOR UPDATE;
    CALL posting_lock(v_allocation, v_budget, v_free, v_state);
    SELECT free, is_lifted INTO v_share_free, v_lifted FROM budget WHERE id = v_share FOR UPDATE;
    CALL posting_fresh(in_key);
    SET v_refusal = CASE WHEN v_limit IS NULL THEN 'no_job'
                         WHEN v_ended IS NOT NULL THEN 'over'
                         WHEN in_more_ms > v_longest - v_limit THEN 'too_long'
                         WHEN v_state != 'open' THEN 'closed'
                         WHEN v_free < v_more THEN 'too_little'
                         WHEN NOT v_lifted AND v_share_free < v_more THEN 'too_little' END;
    IF v_refusal IS NOT NULL THEN
        CALL posting_refuse(v_refusal, CASE v_refusal WHEN 'too_long' THEN v_longest
                                       ELSE LEAST(v_free, IF(v_lifted, v_free,
                                                             COALESCE(v_share_free, v_free))) END);
        LEAVE post;
    END IF;
    CALL posting_note(in_actor, in_origin, 'job extend', v_object, in_reason,
                      CONCAT('time limit ', v_limit, ' ms, hold ', v_hold, ' gpums'), v_content,
                      CONCAT('time limit ', v_limit + in_more_ms, ' ms, hold ', v_hold + v_more,
                             ' gpums'), in_key);
    IF v_lifted AND v_share_free < v_more THEN -- it limits no more, and still counts its jobs
        CALL posting_move('grant', account_id('shares'), v_share, v_more - v_share_free, NULL, v_person,
                          NULL, in_actor, in_reason, '', in_key, 1);
    END IF;
    UPDATE job SET time_limit_ms = v_limit + in_more_ms, hold_gpums = v_hold + v_more WHERE id = in_job;
    IF v_more > 0 THEN
        CALL job_shift('hold', 'free', 'held', v_more, 0, in_job, NULL, month_open(now_ms()), NULL, '',
                       in_actor, in_reason, '', CONCAT('extend:', in_key));
    END IF;
    INSERT INTO request (kind, job_id, actor, reason, at_ms)
    VALUES ('extend', in_job, in_actor, in_reason, now_ms());
    CALL posting_end(in_dry, in_job, v_more, v_free - v_more);
END;

-- ---------------------------------------------------------------- months, inside the caller's transaction

-- A month as it is, locked: what charges runnerd posts wait for the end of the caller's transaction.
CREATE PROCEDURE month_lock(IN in_month INT)
MODIFIES SQL DATA
    SELECT from_ms, until_ms, now_ms(), COALESCE(closed_ms, 0), COALESCE(closed_by, ''),
           COALESCE(checksum, ''), COALESCE(audit_no, 0), COALESCE(audit_seal, '')
    FROM month WHERE month = in_month FOR UPDATE;

-- Ends the caller's transaction with an error unless the month is open.
CREATE PROCEDURE month_prove_open(IN in_month INT)
READS SQL DATA
BEGIN
    DECLARE v_open INT;
    SELECT COUNT(*) INTO v_open FROM month WHERE month = in_month AND closed_ms IS NULL;
    IF v_open = 0 THEN
        SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 30003, MESSAGE_TEXT = 'the month is closed';
    END IF;
END;

-- What all budgets had at the end of an open month: what the closed month before left (0: there is none),
-- and what was moved since.
CREATE PROCEDURE month_keep_balances(IN in_month INT, IN in_before INT)
MODIFIES SQL DATA
BEGIN
    CALL month_prove_open(in_month);
    INSERT INTO month_balance (month, budget_id, free, held, used)
    SELECT in_month, b.id, COALESCE(o.free, 0) + COALESCE(x.free, 0),
           COALESCE(o.held, 0) + COALESCE(x.held, 0), COALESCE(o.used, 0) + COALESCE(x.used, 0)
    FROM budget b LEFT JOIN month_balance o ON o.month = in_before AND o.budget_id = b.id
    LEFT JOIN (SELECT budget, SUM(IF(bucket = 'free', delta, 0)) AS free,
                      SUM(IF(bucket = 'held', delta, 0)) AS held,
                      SUM(IF(bucket = 'used', delta, 0)) AS used
               FROM (SELECT debit_budget AS budget, debit_bucket AS bucket, -SUM(gpums) AS delta
                     FROM transfer WHERE month > in_before AND month <= in_month GROUP BY 1, 2
                     UNION ALL
                     SELECT credit_budget, credit_bucket, SUM(gpums)
                     FROM transfer WHERE month > in_before AND month <= in_month GROUP BY 1, 2) d
               GROUP BY budget) x ON x.budget = b.id
    WHERE o.budget_id IS NOT NULL OR x.budget IS NOT NULL;
    SELECT 'ok' AS outcome;
END;

-- Closes an open month with its text and seals; nothing opens it again.
CREATE PROCEDURE month_freeze(IN in_month INT, IN in_text LONGTEXT, IN in_at_ms BIGINT,
                              IN in_by VARCHAR(64), IN in_checksum CHAR(64), IN in_audit_no BIGINT UNSIGNED,
                              IN in_audit_seal CHAR(64))
MODIFIES SQL DATA
BEGIN
    CALL month_prove_open(in_month);
    INSERT INTO month_report (month, text) VALUES (in_month, in_text);
    UPDATE month SET closed_ms = in_at_ms, closed_by = in_by, checksum = in_checksum,
                     audit_no = in_audit_no, audit_seal = in_audit_seal
    WHERE month = in_month;
    SELECT 'ok' AS outcome;
END;
