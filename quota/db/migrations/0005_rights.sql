-- SPDX-License-Identifier: Apache-2.0
-- Who may do what: the rights of the four accounts as a table, and the procedure that grants them.
-- portal: the web face; runner: runnerd; admin: the command `quota`; report: whoever reads the books.

CREATE TABLE account_right (
    account ENUM('portal', 'runner', 'admin', 'report') NOT NULL,
    what VARCHAR(200) NOT NULL,
    PRIMARY KEY (account, what)
);

INSERT INTO account_right
SELECT r.account, CONCAT('SELECT ON ', t.name)
FROM (SELECT 'portal' AS account UNION SELECT 'runner' UNION SELECT 'admin' UNION SELECT 'report') r
JOIN (SELECT 'schema_version' AS name UNION SELECT 'site' UNION SELECT 'month' UNION SELECT 'tenant'
      UNION SELECT 'person' UNION SELECT 'account' UNION SELECT 'tenant_admin' UNION SELECT 'project'
      UNION SELECT 'member' UNION SELECT 'allocation' UNION SELECT 'budget' UNION SELECT 'price'
      UNION SELECT 'job' UNION SELECT 'job_spec' UNION SELECT 'job_dependency'
      UNION SELECT 'attempt' UNION SELECT 'event' UNION SELECT 'transfer' UNION SELECT 'lease'
      UNION SELECT 'request' UNION SELECT 'node' UNION SELECT 'user_request'
      UNION SELECT 'spend_limit' UNION SELECT 'month_report' UNION SELECT 'month_balance'
      UNION SELECT 'mail' UNION SELECT 'notice') t;

INSERT INTO account_right VALUES
    ('portal', 'EXECUTE ON PROCEDURE job_place'),
    ('portal', 'EXECUTE ON PROCEDURE job_place_many'),
    ('portal', 'EXECUTE ON PROCEDURE person_login'),
    ('portal', 'EXECUTE ON FUNCTION now_ms'),
    ('portal', 'EXECUTE ON FUNCTION price_now'),
    ('portal', 'INSERT (kind, job_id, actor, reason, at_ms) ON request'),
    ('portal', 'EXECUTE ON PROCEDURE member_set'),
    ('portal', 'EXECUTE ON PROCEDURE member_share'),
    ('portal', 'EXECUTE ON PROCEDURE user_request_add'),
    ('portal', 'EXECUTE ON PROCEDURE user_request_withdraw'),
    ('portal', 'EXECUTE ON PROCEDURE user_request_answer'),
    ('portal', 'INSERT (at_ms, actor, origin, verb, object, reason, request_key) ON audit'),
    ('portal', 'SELECT, INSERT, UPDATE, DELETE ON session'),
    ('portal', 'SELECT, INSERT, UPDATE, DELETE ON login_try'),
    ('portal', 'SELECT, INSERT, UPDATE, DELETE ON api_token'),

    ('runner', 'EXECUTE ON PROCEDURE lease_take'),
    ('runner', 'EXECUTE ON PROCEDURE attempt_create'),
    ('runner', 'EXECUTE ON PROCEDURE job_move'),
    ('runner', 'EXECUTE ON PROCEDURE attempt_end'),
    ('runner', 'EXECUTE ON PROCEDURE charge_post'),
    ('runner', 'EXECUTE ON PROCEDURE attempt_refund'),
    ('runner', 'EXECUTE ON PROCEDURE job_finish'),
    ('runner', 'EXECUTE ON PROCEDURE job_settle'),
    ('runner', 'EXECUTE ON PROCEDURE job_settle_many'),
    ('runner', 'EXECUTE ON PROCEDURE allocation_expire'),
    ('runner', 'EXECUTE ON PROCEDURE audit_seal'),
    ('runner', 'EXECUTE ON FUNCTION now_ms'),
    ('runner', 'UPDATE (waits_for) ON job'),
    ('runner', 'UPDATE (answer, answer_note, answered_ms) ON request'),
    ('runner', 'INSERT, UPDATE ON node'),
    ('runner', 'SELECT ON audit'),

    ('admin', 'EXECUTE ON PROCEDURE posting_grant'),
    ('admin', 'EXECUTE ON PROCEDURE posting_revoke'),
    ('admin', 'EXECUTE ON PROCEDURE posting_transfer'),
    ('admin', 'EXECUTE ON PROCEDURE posting_refund'),
    ('admin', 'EXECUTE ON PROCEDURE posting_adjust'),
    ('admin', 'EXECUTE ON PROCEDURE posting_expire'),
    ('admin', 'EXECUTE ON PROCEDURE posting_share'),
    ('admin', 'EXECUTE ON PROCEDURE posting_extend'),
    ('admin', 'EXECUTE ON PROCEDURE posting_open'),
    ('admin', 'EXECUTE ON FUNCTION now_ms'),
    ('admin', 'EXECUTE ON FUNCTION price_now'),
    ('admin', 'INSERT, UPDATE (title, contact, state) ON tenant'),
    ('admin', 'INSERT, UPDATE (title, state) ON project'),
    ('admin', 'INSERT, UPDATE, DELETE ON member'),
    ('admin', 'INSERT, DELETE ON tenant_admin'),
    ('admin', 'UPDATE (state, login, entry_id, name, mail) ON person'),
    ('admin', 'UPDATE (unix_name) ON account'),
    ('admin', 'DELETE ON session'),
    ('admin', 'SELECT (person_id) ON session'),
    ('admin', 'UPDATE (revoked_ms) ON api_token'),
    ('admin', 'SELECT (person_id, revoked_ms) ON api_token'),
    ('admin', 'UPDATE (note) ON user_request'),
    ('admin', 'UPDATE (state) ON allocation'),
    ('admin', 'EXECUTE ON PROCEDURE month_lock'),
    ('admin', 'EXECUTE ON PROCEDURE month_keep_balances'),
    ('admin', 'EXECUTE ON PROCEDURE month_freeze'),
    ('admin', 'UPDATE (state, answered_by, answered_ms, answer) ON user_request'),
    ('admin', 'INSERT ON price'),
    ('admin', 'INSERT (kind, job_id, actor, reason, cause, at_ms) ON request'),
    ('admin', 'INSERT, UPDATE, DELETE ON spend_limit'),
    ('admin', 'INSERT (at_ms, actor, origin, verb, object, reason, before_text, after_text,'
              ' request_key) ON audit'),
    ('admin', 'INSERT, UPDATE ON mail'),
    ('admin', 'INSERT, UPDATE (batch_ms) ON notice'),
    ('admin', 'SELECT ON audit'),

    ('report', 'EXECUTE ON FUNCTION now_ms'),
    ('report', 'SELECT ON audit');

-- Grants what the table says to PREFIX_portal@HOST … ; run by the schema's owner.
CREATE PROCEDURE rights_grant(IN in_prefix VARCHAR(32), IN in_host VARCHAR(64))
MODIFIES SQL DATA
BEGIN
    FOR r IN (SELECT account, what FROM account_right) DO
        EXECUTE IMMEDIATE CONCAT('GRANT ', r.what, ' TO ', QUOTE(CONCAT(in_prefix, '_', r.account)),
                                 '@', QUOTE(in_host));
    END FOR;
END;
