-- SPDX-License-Identifier: Apache-2.0
-- The whole schema: people, budgets, the ledger, jobs and the tables of the daemons.
--
-- Times are BIGINT milliseconds since 1970 UTC (…_ms), GPU-time is BIGINT GPU-milliseconds (gpums)
-- already weighted. Names are compared byte by byte. `quota db init` runs this file as the schema's
-- owner; procedures run with the owner's rights, so that the accounts of the programs need none but
-- EXECUTE on what is theirs.

CREATE TABLE site (
    id TINYINT UNSIGNED PRIMARY KEY CHECK (id = 1),
    name VARCHAR(80) NOT NULL,
    zone VARCHAR(64) NOT NULL,           -- the one zone in which months begin
    created_ms BIGINT NOT NULL
);

CREATE TABLE month (
    month INT PRIMARY KEY,               -- 202611
    from_ms BIGINT NOT NULL UNIQUE,      -- half-open, UTC, from the site's zone
    until_ms BIGINT NOT NULL UNIQUE,
    closed_ms BIGINT,                    -- NULL: it takes postings still
    closed_by VARCHAR(64),
    checksum CHAR(64) CHARACTER SET ascii COLLATE ascii_bin, -- of month_report.text, after the one
                                         -- of the month before
    audit_no BIGINT UNSIGNED,            -- the head of the audit chain when it was closed
    audit_seal CHAR(64) CHARACTER SET ascii COLLATE ascii_bin,
    CHECK (from_ms < until_ms)
);

-- What a closed month said, as it was checksummed: lines of text, persons by number alone.
CREATE TABLE month_report (
    month INT PRIMARY KEY,
    text LONGTEXT NOT NULL,
    FOREIGN KEY (month) REFERENCES month (month)
);

-- ---------------------------------------------------------------- people

CREATE TABLE tenant (
    id INT UNSIGNED PRIMARY KEY AUTO_INCREMENT,
    name VARCHAR(32) NOT NULL UNIQUE,
    title VARCHAR(120) NOT NULL,
    contact VARCHAR(254) NOT NULL DEFAULT '',
    state ENUM('open', 'closed') NOT NULL DEFAULT 'open',
    created_ms BIGINT NOT NULL
);

CREATE TABLE person (
    id INT UNSIGNED PRIMARY KEY AUTO_INCREMENT,
    directory VARCHAR(64) NOT NULL,
    entry_id VARCHAR(128) NOT NULL,      -- immutable in its directory (entryUUID, objectGUID)
    tenant_id INT UNSIGNED NOT NULL,
    login VARCHAR(64) NOT NULL,
    name VARCHAR(160) NOT NULL,
    mail VARCHAR(254) NOT NULL DEFAULT '',
    is_admin BOOLEAN NOT NULL DEFAULT FALSE, -- member of the directory's admin group
    state ENUM('active', 'disabled', 'anonymised') NOT NULL DEFAULT 'active',
    first_seen_ms BIGINT NOT NULL,
    last_login_ms BIGINT NOT NULL,
    UNIQUE (directory, entry_id),
    KEY (tenant_id, login),
    FOREIGN KEY (tenant_id) REFERENCES tenant (id)
);

CREATE TABLE account (
    person_id INT UNSIGNED PRIMARY KEY,
    unix_name VARCHAR(64) NOT NULL UNIQUE,
    uid INT UNSIGNED NOT NULL UNIQUE,
    gid INT UNSIGNED NOT NULL,
    gids VARCHAR(1000) NOT NULL DEFAULT '', -- supplementary, separated by blanks
    FOREIGN KEY (person_id) REFERENCES person (id)
);

CREATE TABLE tenant_admin (
    tenant_id INT UNSIGNED NOT NULL,
    person_id INT UNSIGNED NOT NULL,
    PRIMARY KEY (tenant_id, person_id),
    FOREIGN KEY (tenant_id) REFERENCES tenant (id),
    FOREIGN KEY (person_id) REFERENCES person (id)
);

CREATE TABLE project (
    id INT UNSIGNED PRIMARY KEY AUTO_INCREMENT,
    tenant_id INT UNSIGNED NOT NULL,
    name VARCHAR(32) NOT NULL UNIQUE,
    title VARCHAR(120) NOT NULL,
    gid INT UNSIGNED UNIQUE,             -- of the group that owns its folder; NULL: it has none
    state ENUM('open', 'closed') NOT NULL DEFAULT 'open',
    created_ms BIGINT NOT NULL,
    FOREIGN KEY (tenant_id) REFERENCES tenant (id)
);

CREATE TABLE member (
    project_id INT UNSIGNED NOT NULL,
    person_id INT UNSIGNED NOT NULL,
    role ENUM('member', 'pi') NOT NULL DEFAULT 'member',
    since_ms BIGINT NOT NULL,
    PRIMARY KEY (project_id, person_id),
    KEY (person_id),
    FOREIGN KEY (project_id) REFERENCES project (id),
    FOREIGN KEY (person_id) REFERENCES person (id)
);

-- What a person asks of people: to be let into a project, to head a new one, more GPU-hours. A PI or
-- an admin answers.
CREATE TABLE user_request (
    id INT UNSIGNED PRIMARY KEY AUTO_INCREMENT,
    kind ENUM('join', 'project', 'hours') NOT NULL,
    person_id INT UNSIGNED NOT NULL,
    project_name VARCHAR(32) NOT NULL,   -- as typed: whether it exists is not told to the person
    title VARCHAR(120) NOT NULL DEFAULT '', -- project: of the new one
    gpums BIGINT NOT NULL DEFAULT 0,     -- hours: how much; project: to begin with
    note VARCHAR(500) NOT NULL DEFAULT '',
    at_ms BIGINT NOT NULL,
    state ENUM('open', 'approved', 'denied', 'withdrawn') NOT NULL DEFAULT 'open',
    answered_by VARCHAR(64),
    answered_ms BIGINT,
    answer VARCHAR(500),
    KEY (person_id, id),
    KEY (project_name, id),
    KEY (state, id),
    FOREIGN KEY (person_id) REFERENCES person (id),
    CHECK (gpums >= 0)
);

-- ---------------------------------------------------------------- budgets and the ledger

CREATE TABLE allocation (
    id INT UNSIGNED PRIMARY KEY AUTO_INCREMENT,
    project_id INT UNSIGNED NOT NULL,
    from_ms BIGINT NOT NULL,
    until_ms BIGINT NOT NULL,
    state ENUM('open', 'closed') NOT NULL DEFAULT 'open',
    created_ms BIGINT NOT NULL,
    KEY (project_id, until_ms),
    FOREIGN KEY (project_id) REFERENCES project (id),
    CHECK (from_ms < until_ms)
);

-- One row per allocation, per member's share in one, and per system account (which use `free` alone:
-- issued, expired and adjusted are the other side of grants, expiries and adjustments; shares is the
-- other side of the limits set for members).
CREATE TABLE budget (
    id INT UNSIGNED PRIMARY KEY AUTO_INCREMENT,
    kind ENUM('system', 'allocation', 'share') NOT NULL,
    name VARCHAR(16) UNIQUE,
    allocation_id INT UNSIGNED,
    person_id INT UNSIGNED,              -- of a share
    is_lifted BOOLEAN NOT NULL DEFAULT FALSE, -- a share that limits no more; its jobs still settle in it
    free BIGINT NOT NULL DEFAULT 0,
    held BIGINT NOT NULL DEFAULT 0,
    used BIGINT NOT NULL DEFAULT 0,
    UNIQUE (allocation_id, person_id),
    FOREIGN KEY (allocation_id) REFERENCES allocation (id),
    FOREIGN KEY (person_id) REFERENCES person (id),
    CHECK ((kind = 'system') = (name IS NOT NULL)),
    CHECK ((kind = 'system') = (allocation_id IS NULL)),
    CHECK ((kind = 'share') = (person_id IS NOT NULL)),
    CHECK (kind = 'system' OR (free >= 0 AND held >= 0 AND used >= 0)),
    CHECK (kind != 'system' OR (held = 0 AND used = 0))
);

INSERT INTO budget (kind, name)
VALUES ('system', 'issued'), ('system', 'expired'), ('system', 'adjusted'), ('system', 'shares');

-- What closed months left behind: the balances at their end, so that a report need not add up the
-- whole past.
CREATE TABLE month_balance (
    month INT NOT NULL,
    budget_id INT UNSIGNED NOT NULL,
    free BIGINT NOT NULL,
    held BIGINT NOT NULL,
    used BIGINT NOT NULL,
    PRIMARY KEY (month, budget_id),      -- no foreign key to budget: checking it would lock every
                                         -- budget while a month closes; none is ever deleted
    FOREIGN KEY (month) REFERENCES month (month)
);

-- Limits besides the budget; NULL limits nothing. `everyone` (scope_id 0) holds for each person who has
-- no row of his own. A job must pass those of its person, its project and its tenant.
CREATE TABLE spend_limit (
    scope ENUM('everyone', 'person', 'project', 'tenant') NOT NULL,
    scope_id INT UNSIGNED NOT NULL,
    gpus INT,                            -- at once: the job waits
    waiting INT,                         -- jobs in the queue: refused at submit
    time_limit_ms BIGINT,                -- the longest of one job: refused at submit
    gpu_types VARCHAR(500),              -- allowed, separated by commas: refused at submit
    PRIMARY KEY (scope, scope_id),
    CHECK (gpus > 0 AND waiting > 0 AND time_limit_ms > 0),
    CHECK ((scope = 'everyone') = (scope_id = 0))
);

-- Weight of a GPU type or MIG profile from a moment on; a job is charged by the price of its submit
-- time.
CREATE TABLE price (
    gpu_type VARCHAR(32) NOT NULL,
    since_ms BIGINT NOT NULL,
    weight_permille INT NOT NULL,
    PRIMARY KEY (gpu_type, since_ms),
    CHECK (weight_permille BETWEEN 1 AND 100000)
);

CREATE TABLE job (
    id BIGINT UNSIGNED PRIMARY KEY AUTO_INCREMENT,
    person_id INT UNSIGNED NOT NULL,
    request_key CHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    content_hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    project_id INT UNSIGNED NOT NULL,
    allocation_id INT UNSIGNED NOT NULL,
    budget_id INT UNSIGNED NOT NULL,     -- of the allocation
    share_id INT UNSIGNED,               -- budget row of the member's share, if there is one
    kind ENUM('batch', 'distributed') NOT NULL,
    name VARCHAR(80) NOT NULL,
    nodes INT NOT NULL,
    gpus_per_node INT NOT NULL,
    gpu_type VARCHAR(32) NOT NULL,
    cpus INT NOT NULL,
    memory_bytes BIGINT NOT NULL,
    time_limit_ms BIGINT NOT NULL,
    checkpoint BOOLEAN NOT NULL,
    checkpoint_interval_ms BIGINT NOT NULL,
    retries INT NOT NULL DEFAULT 0,
    priority ENUM('idle', 'normal', 'urgent') NOT NULL,
    array_id BIGINT UNSIGNED,            -- the first job of the array
    array_index INT,
    weight_permille INT NOT NULL,        -- of the hold
    hold_gpums BIGINT NOT NULL,
    charged_gpums BIGINT NOT NULL DEFAULT 0,  -- stored copies of what the transfers say
    refunded_gpums BIGINT NOT NULL DEFAULT 0,
    raw_gpums BIGINT NOT NULL DEFAULT 0,      -- of the charges, without weight
    state ENUM('queued', 'starting', 'running', 'suspending', 'suspended', 'completing', 'completed',
               'failed', 'cancelled', 'timed_out', 'lost') NOT NULL,
    seq INT NOT NULL,                    -- of its last event
    waits_for VARCHAR(200) NOT NULL DEFAULT '', -- why it waits, in words, from the scheduler
    outcome VARCHAR(200) NOT NULL DEFAULT '',   -- how it ended, in words
    exit_code INT,
    placed_ms BIGINT NOT NULL,
    started_ms BIGINT,                   -- first start of user code
    ended_ms BIGINT,
    UNIQUE (person_id, request_key),
    KEY of_person (person_id, id),
    KEY of_project (project_id, id),
    KEY of_state (state, ended_ms, id, project_id, person_id, charged_gpums, placed_ms, started_ms),
    KEY (array_id),
    FOREIGN KEY (person_id) REFERENCES person (id),
    FOREIGN KEY (project_id) REFERENCES project (id),
    FOREIGN KEY (allocation_id) REFERENCES allocation (id),
    CHECK (nodes BETWEEN 1 AND 10000),
    CHECK (gpus_per_node BETWEEN 0 AND 64),
    CHECK (time_limit_ms BETWEEN 1000 AND 2678400000),
    CHECK (cpus BETWEEN 0 AND 100000),
    CHECK (memory_bytes >= 0),
    CHECK (hold_gpums >= 0),
    CHECK (charged_gpums BETWEEN 0 AND hold_gpums),
    CHECK (refunded_gpums BETWEEN 0 AND charged_gpums)
);

-- The canonical request, apart from the columns that are listed and counted.
CREATE TABLE job_spec (
    job_id BIGINT UNSIGNED PRIMARY KEY,
    spec MEDIUMTEXT NOT NULL,
    FOREIGN KEY (job_id) REFERENCES job (id),
    CHECK (JSON_VALID(spec))
);

CREATE TABLE job_dependency (
    job_id BIGINT UNSIGNED NOT NULL,
    on_job_id BIGINT UNSIGNED NOT NULL,
    condition_kind ENUM('ok', 'any') NOT NULL,
    PRIMARY KEY (job_id, on_job_id),
    KEY (on_job_id),
    FOREIGN KEY (job_id) REFERENCES job (id),
    FOREIGN KEY (on_job_id) REFERENCES job (id)
);

CREATE TABLE attempt (
    id BIGINT UNSIGNED PRIMARY KEY AUTO_INCREMENT,
    job_id BIGINT UNSIGNED NOT NULL,
    no INT NOT NULL,                     -- 1, 2, … within the job
    token CHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL UNIQUE,
    executor VARCHAR(16) NOT NULL,
    place VARCHAR(2000) NOT NULL,        -- JSON: nodes and the GPUs of each
    gpus INT NOT NULL,                   -- allotted, and so charged
    weight_permille INT NOT NULL,        -- of the GPUs it really got
    created_ms BIGINT NOT NULL,
    started_ms BIGINT,
    ended_ms BIGINT,
    run_ms BIGINT,                       -- by the keeper's clock
    chargeable_ms BIGINT,
    charge_gpums BIGINT,                 -- what its transfers must come to
    sampled_gpums BIGINT NOT NULL DEFAULT 0, -- GPU-time that was looked at, without weight …
    idle_gpums BIGINT NOT NULL DEFAULT 0,    -- … and found idle
    cause VARCHAR(32),                   -- exit, limit, cancelled, suspended, preempted, maintenance,
                                         -- not_started, withdrawn, lost …
    exit_code INT,
    signal_no INT,
    UNIQUE (job_id, no),
    FOREIGN KEY (job_id) REFERENCES job (id)
);

CREATE TABLE event (
    job_id BIGINT UNSIGNED NOT NULL,
    seq INT NOT NULL,
    kind VARCHAR(16) NOT NULL,           -- enum job_event of runner/job/job.h
    attempt_id BIGINT UNSIGNED,
    at_ms BIGINT NOT NULL,
    note VARCHAR(500) NOT NULL DEFAULT '',
    PRIMARY KEY (job_id, seq),
    FOREIGN KEY (job_id) REFERENCES job (id)
);

-- Append-only. gpums leaves `debit` and enters `credit`; each is a budget row and one of its buckets.
CREATE TABLE transfer (
    id BIGINT UNSIGNED PRIMARY KEY AUTO_INCREMENT,
    type ENUM('grant', 'revoke', 'transfer', 'hold', 'charge', 'release', 'refund', 'expire', 'adjust')
        NOT NULL,
    debit_budget INT UNSIGNED NOT NULL,
    debit_bucket ENUM('free', 'held', 'used') NOT NULL,
    credit_budget INT UNSIGNED NOT NULL,
    credit_bucket ENUM('free', 'held', 'used') NOT NULL,
    gpums BIGINT NOT NULL,
    raw_gpums BIGINT NOT NULL DEFAULT 0, -- of a charge: GPU-time without weight
    job_id BIGINT UNSIGNED,
    attempt_id BIGINT UNSIGNED,
    person_id INT UNSIGNED,              -- the job's
    month INT NOT NULL,                  -- the month it is booked in
    corrects_month INT,                  -- the closed month that it corrects
    cause VARCHAR(16) NOT NULL DEFAULT '', -- of a refund: node_fault, preempted, maintenance, error …
    at_ms BIGINT NOT NULL,
    actor VARCHAR(64) NOT NULL,
    reason VARCHAR(200) NOT NULL,
    reference VARCHAR(120) NOT NULL DEFAULT '',
    request_key VARCHAR(72) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    leg TINYINT UNSIGNED NOT NULL,       -- 0 the allocation, 1 the member's share
    UNIQUE (request_key, leg),
    KEY (job_id),
    KEY (month),
    KEY (debit_budget, month, type, person_id, gpums, raw_gpums, at_ms, job_id), -- all that reports
                                         -- and pages add up
    KEY (credit_budget, month, type),
    FOREIGN KEY (debit_budget) REFERENCES budget (id),
    FOREIGN KEY (credit_budget) REFERENCES budget (id),
    CHECK (gpums > 0),
    CHECK (debit_budget != credit_budget OR debit_bucket != credit_bucket)
);

-- ---------------------------------------------------------------- the daemons

CREATE TABLE lease (
    name VARCHAR(16) PRIMARY KEY,
    holder VARCHAR(120) NOT NULL,
    epoch BIGINT NOT NULL,
    until_ms BIGINT NOT NULL
);
INSERT INTO lease VALUES ('runnerd', '', 0, 0);

CREATE TABLE request (
    id BIGINT UNSIGNED PRIMARY KEY AUTO_INCREMENT,
    kind ENUM('cancel', 'suspend', 'resume', 'extend', 'release', 'reconcile') NOT NULL,
    job_id BIGINT UNSIGNED NOT NULL,
    actor VARCHAR(64) NOT NULL,
    reason VARCHAR(200) NOT NULL DEFAULT '',
    cause VARCHAR(16) NOT NULL DEFAULT '', -- of a cancel by the site: maintenance, node_fault
    at_ms BIGINT NOT NULL,
    answer ENUM('done', 'refused'),
    answer_note VARCHAR(200),
    answered_ms BIGINT,
    KEY (answered_ms, id),
    KEY (job_id),
    FOREIGN KEY (job_id) REFERENCES job (id)
);

CREATE TABLE node (
    name VARCHAR(64) PRIMARY KEY,
    executor VARCHAR(16) NOT NULL,
    gpu_type VARCHAR(32) NOT NULL,
    gpus INT NOT NULL,
    cpus INT NOT NULL,
    memory_bytes BIGINT NOT NULL,
    state ENUM('up', 'down', 'drained') NOT NULL,
    enforced VARCHAR(500) NOT NULL,      -- what the machine enforces of kill, memory, devices …
    seen_ms BIGINT NOT NULL,
    KEY (gpu_type)
);

CREATE TABLE session (
    token_hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY,
    person_id INT UNSIGNED NOT NULL,
    created_ms BIGINT NOT NULL,
    seen_ms BIGINT NOT NULL,
    until_ms BIGINT NOT NULL,
    address VARCHAR(45) NOT NULL,
    KEY (person_id),
    KEY (until_ms),
    FOREIGN KEY (person_id) REFERENCES person (id)
);

CREATE TABLE login_try (
    who CHAR(64) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY, -- SHA-256 of account or address
    failures INT NOT NULL,
    window_ms BIGINT NOT NULL,           -- when the counting began
    last_ms BIGINT NOT NULL,
    KEY (last_ms)
);

CREATE TABLE api_token (
    id INT UNSIGNED PRIMARY KEY AUTO_INCREMENT,
    person_id INT UNSIGNED NOT NULL,
    token_hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL UNIQUE,
    name VARCHAR(80) NOT NULL,
    scope VARCHAR(200) NOT NULL,
    created_ms BIGINT NOT NULL,
    until_ms BIGINT NOT NULL,
    used_ms BIGINT,
    revoked_ms BIGINT,
    KEY (person_id),
    FOREIGN KEY (person_id) REFERENCES person (id)
);

-- Mail that was sent or is to be sent, once for each key whatever crashes.
CREATE TABLE mail (
    id BIGINT UNSIGNED PRIMARY KEY AUTO_INCREMENT,
    mail_key VARCHAR(330) NOT NULL UNIQUE, -- 'report:202610:TENANT:ADDRESS', 'notice:…'
    kind ENUM('report', 'notice') NOT NULL,
    address VARCHAR(254) NOT NULL,
    subject VARCHAR(200) NOT NULL,
    state ENUM('ready', 'claimed', 'delivering', 'sent', 'failed') NOT NULL,
    claimed_by VARCHAR(120) NOT NULL DEFAULT '',
    note VARCHAR(500) NOT NULL DEFAULT '', -- the last trouble
    at_ms BIGINT NOT NULL,
    KEY (state, id)
);

-- Thresholds that an allocation has passed: noted once each, told in the digests of one batch.
CREATE TABLE notice (
    allocation_id INT UNSIGNED NOT NULL,
    kind ENUM('used75', 'used90', 'used100', 'term30') NOT NULL,
    at_ms BIGINT NOT NULL,
    batch_ms BIGINT,                     -- when it was told; NULL: not yet
    PRIMARY KEY (allocation_id, kind),
    KEY (batch_ms),
    FOREIGN KEY (allocation_id) REFERENCES allocation (id)
);

-- Every change by anyone. Rows go in unchained; the active runnerd seals committed ones.
CREATE TABLE audit (
    id BIGINT UNSIGNED PRIMARY KEY AUTO_INCREMENT,
    at_ms BIGINT NOT NULL,
    actor VARCHAR(64) NOT NULL,
    origin VARCHAR(64) NOT NULL,         -- the program and, for the portal, the address
    verb VARCHAR(32) NOT NULL,
    object VARCHAR(120) NOT NULL,
    reason VARCHAR(200) NOT NULL,
    before_text VARCHAR(2000) NOT NULL DEFAULT '',
    after_text VARCHAR(2000) NOT NULL DEFAULT '',
    request_key VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL UNIQUE,
    chain_no BIGINT UNSIGNED UNIQUE,
    seal CHAR(64) CHARACTER SET ascii COLLATE ascii_bin,
    KEY (object)
);
