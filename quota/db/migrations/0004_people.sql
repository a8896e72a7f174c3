-- SPDX-License-Identifier: Apache-2.0
-- What people change through the portal: members, their limits, and what they ask of one another. Each
-- procedure is one transaction with its audit row, answers with one row (a word and a number), and proves
-- by itself what the acting person may: portald is believed only who that is.
--
-- A key holds for its person alone ('p7.KEY' in the audit): nobody can use up another's. The audit row's
-- text after is what was asked, so that a key used twice is told from a key used for something else. What
-- a person may not see answers like what is not there.

-- 'directory/login', as it stands in audit rows; NULL: nobody, or disabled.
CREATE FUNCTION people_actor(in_person INT UNSIGNED) RETURNS VARCHAR(64) READS SQL DATA
BEGIN
    DECLARE v_actor VARCHAR(64) DEFAULT NULL;
    SELECT CONCAT(LEFT(directory, 30), '/', LEFT(login, 32)) INTO v_actor FROM person
    WHERE id = in_person AND state = 'active';
    RETURN v_actor;
END;

-- May the person act for this tenant: its admin, or an administrator of the site?
CREATE FUNCTION people_run_tenant(in_person INT UNSIGNED, in_tenant INT UNSIGNED) RETURNS BOOLEAN
READS SQL DATA
BEGIN
    DECLARE v_may INT;
    SELECT COUNT(*) INTO v_may FROM person w
    LEFT JOIN tenant_admin a ON a.tenant_id = in_tenant AND a.person_id = w.id
    WHERE w.id = in_person AND w.state = 'active' AND in_tenant IS NOT NULL
      AND (w.is_admin OR a.person_id IS NOT NULL);
    RETURN v_may > 0;
END;

-- May the person act for this project: its PI, or who may act for its tenant?
CREATE FUNCTION people_run_project(in_person INT UNSIGNED, in_project INT UNSIGNED) RETURNS BOOLEAN
READS SQL DATA
BEGIN
    DECLARE v_pi INT;
    DECLARE v_tenant INT UNSIGNED DEFAULT NULL;
    SELECT COUNT(*) INTO v_pi FROM member m JOIN person w ON w.id = m.person_id
    WHERE m.project_id = in_project AND m.person_id = in_person AND m.role = 'pi' AND w.state = 'active';
    SELECT tenant_id INTO v_tenant FROM project WHERE id = in_project;
    RETURN v_pi > 0 OR people_run_tenant(in_person, v_tenant);
END;

-- The audit row of an act; its unique key decides between two who come at once.
CREATE PROCEDURE people_note(IN in_actor INT UNSIGNED, IN in_origin VARCHAR(64), IN in_verb VARCHAR(32),
                             IN in_object VARCHAR(120), IN in_reason VARCHAR(200),
                             IN in_before VARCHAR(2000), IN in_after VARCHAR(2000),
                             IN in_key VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin)
MODIFIES SQL DATA
    INSERT INTO audit (at_ms, actor, origin, verb, object, reason, before_text, after_text, request_key)
    VALUES (now_ms(), COALESCE(people_actor(in_actor), '?'), in_origin, in_verb, in_object, in_reason,
            in_before, in_after, in_key);

-- Answers a key that is taken, after the rollback of what came with it; in_else when it was not the key.
CREATE PROCEDURE people_again(IN in_verb VARCHAR(32), IN in_object VARCHAR(120),
                              IN in_after VARCHAR(2000),
                              IN in_key VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin,
                              IN in_number BIGINT, IN in_else VARCHAR(16))
READS SQL DATA
BEGIN
    DECLARE v_same BOOLEAN DEFAULT NULL;
    SELECT verb = in_verb AND object = in_object AND after_text = in_after INTO v_same
    FROM audit WHERE request_key = in_key;
    SELECT CASE WHEN v_same IS NULL THEN in_else WHEN v_same THEN 'same' ELSE 'other_content' END
           AS outcome, in_number AS number;
END;

-- ---------------------------------------------------------------- members

-- Makes a member PI or plain member, or removes him (in_role 'none'); his jobs go on and are settled.
-- outcome: done | same | other_content | not_there | no_person | last_pi.
CREATE PROCEDURE member_set(IN in_actor INT UNSIGNED, IN in_origin VARCHAR(64),
                            IN in_reason VARCHAR(200),
                            IN in_key CHAR(32) CHARACTER SET ascii COLLATE ascii_bin,
                            IN in_project VARCHAR(32), IN in_person INT UNSIGNED,
                            IN in_role VARCHAR(8))
MODIFIES SQL DATA
change_it: BEGIN
    DECLARE v_project INT UNSIGNED DEFAULT NULL;
    DECLARE v_was VARCHAR(8) DEFAULT 'none';
    DECLARE v_pis INT DEFAULT 0;
    DECLARE v_outcome VARCHAR(16) DEFAULT 'done';
    DECLARE v_verb VARCHAR(32) DEFAULT IF(in_role = 'none', 'member remove', 'member set');
    DECLARE v_object VARCHAR(120) DEFAULT CONCAT('project ', in_project);
    DECLARE v_after VARCHAR(200) DEFAULT CONCAT('person ', in_person, ' role ', in_role);
    DECLARE v_key VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin
        DEFAULT CONCAT('p', in_actor, '.', in_key);
    DECLARE EXIT HANDLER FOR 1062
    BEGIN
        ROLLBACK;
        CALL people_again(v_verb, v_object, v_after, v_key, in_person, 'other_content');
    END;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;
    START TRANSACTION;
    -- locked: of two PIs who step down at once the second one must see that he is the last
    SELECT id INTO v_project FROM project WHERE name = in_project FOR UPDATE;
    SELECT role INTO v_was FROM member
    WHERE project_id = v_project AND person_id = in_person FOR UPDATE;
    CALL people_note(in_actor, in_origin, v_verb, v_object, in_reason, CONCAT('role ', v_was), v_after,
                     v_key);
    SELECT COUNT(*) INTO v_pis FROM member WHERE project_id = v_project AND role = 'pi' FOR UPDATE;
    SET v_outcome = CASE WHEN v_project IS NULL OR NOT people_run_project(in_actor, v_project)
                              THEN 'not_there'
                         WHEN v_was = 'none' THEN 'no_person'
                         WHEN v_was = 'pi' AND in_role != 'pi' AND v_pis = 1 THEN 'last_pi'
                         ELSE 'done' END;
    IF v_outcome != 'done' THEN
        ROLLBACK;
    ELSE
        IF in_role = 'none' THEN
            DELETE FROM member WHERE project_id = v_project AND person_id = in_person;
        ELSE
            UPDATE member SET role = in_role WHERE project_id = v_project AND person_id = in_person;
        END IF;
        COMMIT;
    END IF;
    SELECT v_outcome AS outcome, in_person AS number;
END;

-- How much a member may use of an allocation of the project (0003, posting_share, which proves the role in
-- its own transaction). outcome: that of posting_share, whose row this answers with; not_there also when
-- the allocation is another project's.
CREATE PROCEDURE member_share(IN in_actor INT UNSIGNED, IN in_origin VARCHAR(64),
                              IN in_reason VARCHAR(200),
                              IN in_key CHAR(32) CHARACTER SET ascii COLLATE ascii_bin,
                              IN in_project VARCHAR(32), IN in_person INT UNSIGNED,
                              IN in_allocation INT UNSIGNED, IN in_gpums BIGINT)
MODIFIES SQL DATA
BEGIN
    DECLARE v_project INT UNSIGNED DEFAULT NULL;
    SELECT a.project_id INTO v_project FROM project p JOIN allocation a ON a.project_id = p.id
    WHERE p.name = in_project AND a.id = in_allocation;
    IF v_project IS NOT NULL THEN
        CALL posting_share(people_actor(in_actor), in_origin, in_reason, CONCAT('p', in_actor, '.', in_key),
                           FALSE, in_allocation, in_person, in_gpums, in_actor);
    ELSE
        SELECT 'not_there' AS outcome, in_person AS number;
    END IF;
END;

-- ---------------------------------------------------------------- requests

-- A person asks: to join a project, for a new project, for more GPU-hours of his project. Whether a
-- project exists is not told. A name that no project can have is an error: the portal's forms let none
-- through. outcome: done | same | other_content | not_there (nobody) | asked (is open
-- already) | too_many | is_member | not_pi.
CREATE PROCEDURE user_request_add(IN in_actor INT UNSIGNED, IN in_origin VARCHAR(64),
                                  IN in_key CHAR(32) CHARACTER SET ascii COLLATE ascii_bin,
                                  IN in_kind VARCHAR(8), IN in_project VARCHAR(32),
                                  IN in_title VARCHAR(120), IN in_gpums BIGINT,
                                  IN in_note VARCHAR(500))
MODIFIES SQL DATA
ask: BEGIN
    DECLARE v_person INT UNSIGNED DEFAULT NULL;
    DECLARE v_role VARCHAR(8) DEFAULT 'none';
    DECLARE v_open, v_same INT DEFAULT 0;
    DECLARE v_outcome VARCHAR(16);
    DECLARE v_number INT UNSIGNED DEFAULT NULL;
    DECLARE v_verb VARCHAR(32) DEFAULT CONCAT('request ', in_kind);
    DECLARE v_object VARCHAR(120) DEFAULT CONCAT('person ', in_actor);
    DECLARE v_after VARCHAR(2000) DEFAULT CONCAT('project ', in_project, ' title ', JSON_QUOTE(in_title), ' ',
                                                 in_gpums, ' gpums, note ', LEFT(SHA2(in_note, 256), 32));
    DECLARE v_key VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin
        DEFAULT CONCAT('p', in_actor, '.', in_key);
    DECLARE EXIT HANDLER FOR 1062
    BEGIN
        ROLLBACK;
        CALL people_again(v_verb, v_object, v_after, v_key, NULL, 'other_content');
    END;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;
    IF in_project NOT REGEXP '^[a-z0-9][a-z0-9-]{0,31}\\z' THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no project can have this name';
    END IF;
    START TRANSACTION;
    -- locked: what one person asks comes one after the other, so that the count holds
    SELECT id INTO v_person FROM person WHERE id = in_actor AND state = 'active' FOR UPDATE;
    -- the note stands in the request alone, where `quota person anonymise` can erase it
    CALL people_note(in_actor, in_origin, v_verb, v_object, 'see the request', '', v_after, v_key);
    SELECT COUNT(*), COALESCE(SUM(kind = in_kind AND project_name = in_project), 0)
    INTO v_open, v_same FROM user_request WHERE person_id = in_actor AND state = 'open';
    SELECT m.role INTO v_role FROM project p JOIN member m ON m.project_id = p.id
    WHERE p.name = in_project AND m.person_id = in_actor;
    SET v_outcome = CASE WHEN v_person IS NULL THEN 'not_there'
                         WHEN v_same > 0 THEN 'asked'
                         WHEN in_kind = 'join' AND v_role != 'none' THEN 'is_member'
                         WHEN in_kind = 'hours' AND v_role != 'pi' THEN 'not_pi'
                         WHEN v_open >= 20 THEN 'too_many'
                         ELSE 'done' END;
    IF v_outcome != 'done' THEN
        ROLLBACK;
    ELSE
        INSERT INTO user_request (kind, person_id, project_name, title, gpums, note, at_ms)
        VALUES (in_kind, in_actor, in_project, in_title, in_gpums, in_note, now_ms());
        SET v_number = LAST_INSERT_ID();
        COMMIT;
    END IF;
    SELECT v_outcome AS outcome, v_number AS number;
END;

-- Takes back what one asked oneself. outcome: done | same | other_content | not_there | answered.
CREATE PROCEDURE user_request_withdraw(IN in_actor INT UNSIGNED, IN in_origin VARCHAR(64),
                                       IN in_key CHAR(32) CHARACTER SET ascii COLLATE ascii_bin,
                                       IN in_request INT UNSIGNED)
MODIFIES SQL DATA
withdraw: BEGIN
    DECLARE v_state VARCHAR(16) DEFAULT NULL;
    DECLARE v_outcome VARCHAR(16);
    DECLARE v_object VARCHAR(120) DEFAULT CONCAT('request ', in_request);
    DECLARE v_key VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin
        DEFAULT CONCAT('p', in_actor, '.', in_key);
    DECLARE EXIT HANDLER FOR 1062
    BEGIN
        ROLLBACK;
        CALL people_again('request withdraw', v_object, 'withdrawn', v_key, in_request,
                          'other_content');
    END;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;
    START TRANSACTION;
    SELECT state INTO v_state FROM user_request
    WHERE id = in_request AND person_id = in_actor FOR UPDATE;
    CALL people_note(in_actor, in_origin, 'request withdraw', v_object, 'by who asked',
                     COALESCE(v_state, ''), 'withdrawn', v_key);
    SET v_outcome = CASE WHEN v_state IS NULL OR people_actor(in_actor) IS NULL THEN 'not_there'
                         WHEN v_state != 'open' THEN 'answered'
                         ELSE 'done' END;
    IF v_outcome != 'done' THEN
        ROLLBACK;
    ELSE
        UPDATE user_request
        SET state = 'withdrawn', answered_by = people_actor(in_actor), answered_ms = now_ms()
        WHERE id = in_request;
        COMMIT;
    END IF;
    SELECT v_outcome AS outcome, in_request AS number;
END;

-- What an approval brings about, inside the caller's transaction: the asker becomes a member of the
-- project, or a new project of his tenant has him as its PI.
CREATE PROCEDURE user_request_grant(IN in_kind VARCHAR(8), IN in_person INT UNSIGNED,
                                    IN in_project INT UNSIGNED, IN in_tenant INT UNSIGNED,
                                    IN in_name VARCHAR(32), IN in_title VARCHAR(120))
MODIFIES SQL DATA
BEGIN
    IF in_kind = 'join' THEN
        INSERT IGNORE INTO member (project_id, person_id, role, since_ms)
        VALUES (in_project, in_person, 'member', now_ms());
    ELSE
        INSERT INTO project (tenant_id, name, title, created_ms)
        VALUES (in_tenant, in_name, IF(in_title = '', in_name, in_title), now_ms());
        INSERT INTO member (project_id, person_id, role, since_ms)
        VALUES (LAST_INSERT_ID(), in_person, 'pi', now_ms());
    END IF;
END;

-- Answers a request: to join, by who may act for the project; for a project, by who may act for the
-- asker's tenant; for GPU-hours nobody here, because they are granted by the command `quota`. Nobody
-- answers his own.
-- outcome: done | same | other_content | not_there | answered | name_taken | closed | gone (the asker is
-- disabled) | elsewhere.
CREATE PROCEDURE user_request_answer(IN in_actor INT UNSIGNED, IN in_origin VARCHAR(64),
                                     IN in_reason VARCHAR(200),
                                     IN in_key CHAR(32) CHARACTER SET ascii COLLATE ascii_bin,
                                     IN in_request INT UNSIGNED, IN in_approved BOOLEAN)
MODIFIES SQL DATA
answer_it: BEGIN
    DECLARE v_person, v_tenant, v_project, v_project_tenant INT UNSIGNED DEFAULT NULL;
    DECLARE v_kind, v_state, v_person_state, v_tenant_state VARCHAR(16) DEFAULT NULL;
    DECLARE v_name VARCHAR(32);
    DECLARE v_title VARCHAR(120);
    DECLARE v_may BOOLEAN;
    DECLARE v_outcome VARCHAR(16);
    DECLARE v_verb VARCHAR(32) DEFAULT IF(in_approved, 'request approve', 'request deny');
    DECLARE v_object VARCHAR(120) DEFAULT CONCAT('request ', in_request);
    DECLARE v_after VARCHAR(32) DEFAULT IF(in_approved, 'approved', 'denied');
    DECLARE v_key VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin
        DEFAULT CONCAT('p', in_actor, '.', in_key);
    DECLARE EXIT HANDLER FOR 1062
    BEGIN -- the key, or a project of that name that was made beside us
        ROLLBACK;
        CALL people_again(v_verb, v_object, v_after, v_key, in_request, 'name_taken');
    END;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;
    START TRANSACTION;
    SELECT kind, person_id, project_name, title, state
    INTO v_kind, v_person, v_name, v_title, v_state
    FROM user_request WHERE id = in_request FOR UPDATE;
    SELECT w.state, w.tenant_id, t.state INTO v_person_state, v_tenant, v_tenant_state
    FROM person w JOIN tenant t ON t.id = w.tenant_id WHERE w.id = v_person;
    SELECT id, tenant_id INTO v_project, v_project_tenant FROM project WHERE name = v_name;
    CALL people_note(in_actor, in_origin, v_verb, v_object, in_reason,
                     COALESCE(CONCAT('person ', v_person, ', ', v_kind, ' ', v_name, ', ', v_state), ''),
                     v_after, v_key);
    SET v_may = CASE v_kind WHEN 'join' THEN people_run_project(in_actor, v_project)
                            WHEN 'project' THEN people_run_tenant(in_actor, v_tenant)
                            WHEN 'hours' THEN people_run_tenant(in_actor, v_project_tenant)
                            ELSE FALSE END;
    SET v_outcome = CASE WHEN NOT v_may OR v_person = in_actor THEN 'not_there'
                         WHEN v_kind = 'hours' THEN 'elsewhere'
                         WHEN v_state != 'open' THEN 'answered'
                         WHEN NOT in_approved THEN 'done'
                         WHEN v_person_state != 'active' THEN 'gone'
                         WHEN v_kind = 'project' AND v_project IS NOT NULL THEN 'name_taken'
                         WHEN v_kind = 'project' AND v_tenant_state != 'open' THEN 'closed'
                         ELSE 'done' END;
    IF v_outcome != 'done' THEN
        ROLLBACK;
    ELSE
        IF in_approved THEN
            CALL user_request_grant(v_kind, v_person, v_project, v_tenant, v_name, v_title);
        END IF;
        UPDATE user_request
        SET state = v_after, answered_by = people_actor(in_actor), answered_ms = now_ms(),
            answer = in_reason
        WHERE id = in_request;
        COMMIT;
    END IF;
    SELECT v_outcome AS outcome, in_request AS number;
END;
