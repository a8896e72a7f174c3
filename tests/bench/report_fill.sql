-- SPDX-License-Identifier: Apache-2.0
-- Fills a site (the numbers above @base, or 0, must be free) with @jobs jobs of @projects projects with @people
-- members each, placed over the whole of @month (a month before the last one: some run over its end). `quota
-- verify` finds the books sound: every job has its request, events, attempt, hold, charges, release and, one in
-- twenty, a refund. Run as root.
SET SESSION unique_checks = 0, foreign_key_checks = 0, sql_mode = 'STRICT_ALL_TABLES,NO_UNSIGNED_SUBTRACTION';
SELECT from_ms, until_ms INTO @from, @until FROM month WHERE month = @month;
SELECT month INTO @next FROM month WHERE from_ms = @until;
SET @base = COALESCE(@base, 0), @hour = 3600000, @grant = 1000000 * 3600000;

INSERT INTO tenant (id, name, title, contact, created_ms)
SELECT @base + seq, CONCAT('tenant-', seq), CONCAT('University ', seq), 'office@example.org', @from FROM seq_1_to_20;
INSERT INTO project (id, tenant_id, name, title, created_ms)
SELECT @base + seq, @base + 1 + seq % 20, CONCAT('project-', seq), CONCAT('Research group ', seq), @from
FROM seq_1_to_100000 WHERE seq <= @projects;
INSERT INTO person (id, directory, entry_id, tenant_id, login, name, first_seen_ms, last_login_ms)
SELECT @base + (p.id - @base - 1) * @people + k.seq, 'north', CONCAT('entry-', p.id, '-', k.seq), p.tenant_id,
       CONCAT('user', (p.id - @base - 1) * @people + k.seq), CONCAT('Person ', p.id - @base, ' ', k.seq), @from, @from
FROM project p JOIN seq_1_to_1000 k WHERE p.id > @base AND k.seq <= @people ORDER BY 1;
INSERT INTO account (person_id, unix_name, uid, gid) SELECT id, login, 10000000 + id, 10000000 + id FROM person
WHERE id > @base;
INSERT INTO member (project_id, person_id, role, since_ms)
SELECT @base + 1 + (id - @base - 1) DIV @people, id, IF((id - @base) % @people = 1, 'pi', 'member'), @from FROM person
WHERE id > @base;
INSERT IGNORE INTO price (gpu_type, since_ms, weight_permille)
VALUES ('h100', @from - @hour, 1000), ('a100', @from - @hour, 500);

INSERT INTO allocation (id, project_id, from_ms, until_ms, created_ms)
SELECT id, id, @from, @from + 8784 * @hour, @from FROM project WHERE id > @base;
INSERT INTO budget (id, kind, allocation_id) SELECT 1000 + id, 'allocation', id FROM allocation WHERE id > @base;
INSERT INTO audit (at_ms, actor, origin, verb, object, reason, after_text, request_key)
SELECT @from, 'root', 'quota here', 'grant', CONCAT('allocation ', id), 'a bench', CONCAT(@grant, ' gpums'),
       CONCAT('fill-grant-', id) FROM allocation WHERE id > @base;
INSERT INTO transfer (type, debit_budget, debit_bucket, credit_budget, credit_bucket, gpums, month, at_ms, actor,
                      reason, request_key, leg)
SELECT 'grant', (SELECT id FROM budget WHERE name = 'issued'), 'free', 1000 + a.id, 'free', @grant, @month, @from,
       'root', 'a bench', CONCAT('fill-grant-', a.id), 0 FROM allocation a WHERE a.id > @base;

INSERT INTO job (id, person_id, request_key, content_hash, project_id, allocation_id, budget_id, kind, name, nodes,
                 gpus_per_node, gpu_type, cpus, memory_bytes, time_limit_ms, checkpoint, checkpoint_interval_ms,
                 priority, weight_permille, hold_gpums, state, seq, outcome, exit_code, placed_ms, started_ms, ended_ms)
SELECT @base + i, @base + (p - 1) * @people + 1 + mix DIV 512 % @people, MD5(i), SHA2(i, 256), @base + p, @base + p,
       @base + 1000 + p, 'batch',
       CONCAT('train ', i), 1, gpus, IF(weight = 1000, 'h100', 'a100'), 8, 1 << 36, time_limit, FALSE, 0, 'normal',
       weight, gpus * time_limit * weight DIV 1000,
       CASE mix % 20 WHEN 0 THEN 'failed' WHEN 1 THEN 'cancelled' WHEN 2 THEN 'timed_out' WHEN 3 THEN 'lost'
                     ELSE 'completed' END,
       5, 'a bench', IF(mix % 20 = 0, 1, 0), placed, placed + wait,
       placed + wait + IF(mix % 20 = 2, time_limit, time_limit * (30 + mix DIV 20 % 70) DIV 100)
FROM (SELECT seq AS i, 1 + seq * 7919 % @projects AS p, CRC32(seq) AS mix, 1 << (CRC32(seq) DIV 32 % 4) AS gpus,
             IF(CRC32(seq) DIV 128 % 3, 1000, 500) AS weight, (1 + CRC32(seq) DIV 1024 % 24) * @hour AS time_limit,
             @from + (seq - 1) * (@until - @from) DIV @jobs AS placed, CRC32(seq) DIV 4096 % 7200 * 1000 AS wait
      FROM seq_1_to_100000000 WHERE seq <= @jobs) s;
INSERT INTO job_spec
SELECT j.id, CONCAT('{"allocation":0,"checkpoint":false,"checkpoint_interval_ms":0,"command":["/bin/true"],"cpus":8,'
                    '"env":{},"gpu_type":"', j.gpu_type, '","gpus_per_node":', j.gpus_per_node,
                    ',"kind":"batch","memory_bytes":0,"name":"', j.name, '","nodes":1,"priority":"normal","project":"',
                    p.name, '","retries":0,"time_limit_ms":', j.time_limit_ms, '}')
FROM job j JOIN project p ON p.id = j.project_id WHERE j.id > @base;
INSERT INTO attempt (id, job_id, no, token, executor, place, gpus, weight_permille, created_ms, started_ms, ended_ms,
                     run_ms, chargeable_ms, charge_gpums, sampled_gpums, idle_gpums, cause, exit_code)
SELECT id, id, 1, MD5(id), 'fake', '{"nodes":[{"name":"n1","gpus":[0]}]}', gpus_per_node, weight_permille,
       started_ms - 100, started_ms, ended_ms,
       ended_ms - started_ms, ended_ms - started_ms, gpus_per_node * (ended_ms - started_ms) * weight_permille DIV 1000,
       gpus_per_node * (ended_ms - started_ms), gpus_per_node * (ended_ms - started_ms) DIV 10,
       CASE state WHEN 'cancelled' THEN 'cancelled' WHEN 'timed_out' THEN 'limit' WHEN 'lost' THEN 'lost'
                  ELSE 'exit' END, exit_code
FROM job WHERE id > @base;
INSERT INTO event (job_id, seq, kind, attempt_id, at_ms)
SELECT j.id, k.seq, CASE k.seq WHEN 1 THEN 'placed' WHEN 2 THEN 'attempt' WHEN 3 THEN 'started' WHEN 4 THEN 'ended'
                               ELSE j.state END, IF(k.seq IN (1, 5), NULL, j.id),
       CASE k.seq WHEN 1 THEN j.placed_ms WHEN 2 THEN j.started_ms - 100 WHEN 3 THEN j.started_ms ELSE j.ended_ms END
FROM job j JOIN seq_1_to_5 k WHERE j.id > @base ORDER BY j.id, k.seq;

-- The five transfers a job may have, in order: hold, the charge of the month, that of the next one, release, refund.
INSERT INTO transfer (id, type, debit_budget, debit_bucket, credit_budget, credit_bucket, gpums, raw_gpums, job_id,
                      attempt_id, person_id, month, cause, at_ms, actor, reason, request_key, leg)
SELECT 10000 + j * 5 + k, ELT(1 + k, 'hold', 'charge', 'charge', 'release', 'refund'),
       budget, ELT(1 + k, 'free', 'held', 'held', 'held', 'used'),
       budget, ELT(1 + k, 'held', 'used', 'used', 'free', 'free'),
       ELT(1 + k, hold, first_charge, charge - first_charge, hold - charge, charge) + 0,
       ELT(1 + k, 0, gpus * first_ms, gpus * (run - first_ms), 0, 0) + 0,
       j, IF(k IN (1, 2, 4), j, NULL), person, IF(k = 0 OR k = 1 OR k > 2 AND is_here, @month, @next),
       IF(k = 4, 'node_fault', ''), IF(k = 0, placed, IF(k = 1, LEAST(ended, @until), ended)),
       IF(k = 0, 'north/user', 'runnerd'), ELT(1 + k, 'submit', 'run time', 'run time', state, 'automatic'),
       ELT(1 + k, CONCAT('hold:', j), CONCAT('charge:', j, ':', @month), CONCAT('charge:', j, ':', @next),
           CONCAT('release:', j), CONCAT('refund:', j)), 0
FROM (SELECT j.id AS j, j.budget_id AS budget, j.person_id AS person, j.hold_gpums AS hold, a.charge_gpums AS charge,
             a.gpus AS gpus, a.run_ms AS run, j.placed_ms AS placed, j.ended_ms AS ended, j.state AS state,
             j.ended_ms < @until AS is_here,
             GREATEST(LEAST(j.ended_ms, @until) - j.started_ms, 0) AS first_ms,
             a.gpus * GREATEST(LEAST(j.ended_ms, @until) - j.started_ms, 0) * a.weight_permille DIV 1000
                 AS first_charge,
             k.seq AS k
      FROM job j JOIN attempt a ON a.id = j.id JOIN seq_0_to_4 k WHERE j.id > @base) s
WHERE CASE k WHEN 0 THEN TRUE WHEN 1 THEN first_charge > 0 WHEN 2 THEN charge > first_charge
             WHEN 3 THEN hold > charge ELSE state = 'lost' END ORDER BY j, k;
INSERT INTO audit (at_ms, actor, origin, verb, object, reason, after_text, request_key)
SELECT ended_ms, 'runnerd', 'runnerd', 'refund', CONCAT('job ', id), 'node_fault', 'refunded', CONCAT('refund:', id)
FROM job WHERE id > @base AND state = 'lost';
UPDATE job j JOIN attempt a ON a.id = j.id
SET j.charged_gpums = a.charge_gpums, j.raw_gpums = a.gpus * a.run_ms,
    j.refunded_gpums = IF(j.state = 'lost', a.charge_gpums, 0)
WHERE j.id > @base;
UPDATE budget b JOIN (SELECT budget, SUM(IF(bucket = 'free', gpums, 0)) AS free,
                             SUM(IF(bucket = 'held', gpums, 0)) AS held,
                             SUM(IF(bucket = 'used', gpums, 0)) AS used
                      FROM (SELECT debit_budget AS budget, debit_bucket AS bucket, -gpums AS gpums FROM transfer
                            UNION ALL SELECT credit_budget, credit_bucket, gpums FROM transfer) x GROUP BY budget) s
       ON s.budget = b.id
SET b.free = s.free, b.held = s.held, b.used = s.used;
ANALYZE TABLE job, transfer, attempt, event, budget, allocation, project, person, job_spec;
