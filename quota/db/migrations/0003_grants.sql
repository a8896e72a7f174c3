-- SPDX-License-Identifier: Apache-2.0
-- How GPU-time comes in: the procedures that the command `quota` calls. Each is one transaction with its
-- audit row, answers with one row whose first column `outcome` is a word, and may be repeated with its key.

-- Grants GPU-time to an allocation. outcome: done | same | other_content | no_allocation.
CREATE PROCEDURE grant_post(IN in_allocation INT UNSIGNED, IN in_gpums BIGINT,
                            IN in_actor VARCHAR(64), IN in_reason VARCHAR(200),
                            IN in_reference VARCHAR(120),
                            IN in_key VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin)
MODIFIES SQL DATA
post: BEGIN
    DECLARE v_budget, v_issued INT UNSIGNED DEFAULT NULL;
    DECLARE v_free BIGINT;
    DECLARE v_moved BOOLEAN;
    DECLARE EXIT HANDLER FOR 1062
    BEGIN
        ROLLBACK;
        SELECT IF(COUNT(*) = 1, 'same', 'other_content') AS outcome, NULL AS free_gpums
        FROM transfer t JOIN budget b ON b.id = t.credit_budget
        WHERE t.request_key = in_key AND t.leg = 0 AND t.type = 'grant' AND t.gpums = in_gpums
          AND b.allocation_id = in_allocation;
    END;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;
    START TRANSACTION;
    SELECT id INTO v_issued FROM budget WHERE name = 'issued';
    SELECT b.id INTO v_budget FROM budget b
    WHERE b.allocation_id = in_allocation AND b.person_id IS NULL;
    IF v_budget IS NULL THEN
        ROLLBACK;
        SELECT 'no_allocation' AS outcome, NULL AS free_gpums;
        LEAVE post;
    END IF;
    SELECT free INTO v_free FROM budget WHERE id = v_budget FOR UPDATE;
    INSERT INTO audit (at_ms, actor, origin, verb, object, reason, before_text, after_text,
                       request_key)
    VALUES (now_ms(), in_actor, 'quota', 'grant', CONCAT('allocation ', in_allocation), in_reason,
            CONCAT('free ', v_free, ' gpums'), CONCAT('free ', v_free + in_gpums, ' gpums'), in_key);
    CALL ledger_move('grant', v_issued, 'free', v_budget, 'free', in_gpums, NULL, NULL, month_now(),
                     in_actor, in_reason, in_reference, in_key, 0, v_moved);
    IF NOT v_moved THEN
        SIGNAL SQLSTATE '45000'
            SET MYSQL_ERRNO = 30003, MESSAGE_TEXT = 'a grant must be more than nothing';
    END IF;
    COMMIT;
    SELECT 'done' AS outcome, v_free + in_gpums AS free_gpums;
END;

-- Opens an allocation of a project for a term and grants it its GPU-time, in one. outcome: done | same |
-- other_content | no_project.
CREATE PROCEDURE allocation_open(IN in_project VARCHAR(32), IN in_from_ms BIGINT,
                                 IN in_until_ms BIGINT, IN in_gpums BIGINT,
                                 IN in_actor VARCHAR(64), IN in_reason VARCHAR(200),
                                 IN in_reference VARCHAR(120),
                                 IN in_key VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin)
MODIFIES SQL DATA
open_it: BEGIN
    DECLARE v_project, v_allocation, v_budget, v_issued INT UNSIGNED DEFAULT NULL;
    DECLARE v_moved BOOLEAN;
    DECLARE EXIT HANDLER FOR 1062
    BEGIN
        ROLLBACK;
        SELECT IF(COUNT(*) = 1, 'same', 'other_content') AS outcome, MAX(a.id) AS allocation_id
        FROM transfer t JOIN budget b ON b.id = t.credit_budget
        JOIN allocation a ON a.id = b.allocation_id JOIN project p ON p.id = a.project_id
        WHERE t.request_key = in_key AND t.leg = 0 AND t.type = 'grant' AND t.gpums = in_gpums
          AND p.name = in_project AND a.from_ms = in_from_ms AND a.until_ms = in_until_ms;
    END;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;
    START TRANSACTION;
    SELECT id INTO v_issued FROM budget WHERE name = 'issued';
    SELECT id INTO v_project FROM project WHERE name = in_project AND state = 'open';
    IF v_project IS NULL THEN
        ROLLBACK;
        SELECT 'no_project' AS outcome, NULL AS allocation_id;
        LEAVE open_it;
    END IF;
    INSERT INTO audit (at_ms, actor, origin, verb, object, reason, after_text, request_key)
    VALUES (now_ms(), in_actor, 'quota', 'grant', CONCAT('project ', in_project), in_reason,
            CONCAT(in_gpums, ' gpums from ', in_from_ms, ' until ', in_until_ms), in_key);
    INSERT INTO allocation (project_id, from_ms, until_ms, created_ms)
    VALUES (v_project, in_from_ms, in_until_ms, now_ms());
    SET v_allocation = LAST_INSERT_ID();
    INSERT INTO budget (kind, allocation_id) VALUES ('allocation', v_allocation);
    SET v_budget = LAST_INSERT_ID();
    CALL ledger_move('grant', v_issued, 'free', v_budget, 'free', in_gpums, NULL, NULL, month_now(),
                     in_actor, in_reason, in_reference, in_key, 0, v_moved);
    IF NOT v_moved THEN
        SIGNAL SQLSTATE '45000'
            SET MYSQL_ERRNO = 30003, MESSAGE_TEXT = 'a grant must be more than nothing';
    END IF;
    COMMIT;
    SELECT 'done' AS outcome, v_allocation AS allocation_id;
END;
