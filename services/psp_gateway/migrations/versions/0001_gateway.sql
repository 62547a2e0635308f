-- The gateway: objects, events, posting intents, attempts, the inbox, exceptions, settlement reports.
--
-- Every key and index leads with tenant_id, and nothing refers across tenants, so that the tables can
-- be distributed by it. There are no foreign keys: every row of a unit of work is written by the one
-- use case that locked its object.

CREATE TABLE psp_gateway.heads (
    tenant_id text COLLATE "C" PRIMARY KEY,
    event_sequence bigint NOT NULL CHECK (event_sequence >= 0),
    last_time timestamptz NOT NULL,
    create_time timestamptz NOT NULL
) WITH (fillfactor = 10);
COMMENT ON TABLE psp_gateway.heads IS
    'The end of each tenant''s history; its row lock, always taken last, numbers the events.';

CREATE TABLE psp_gateway.requests (
    tenant_id text COLLATE "C" NOT NULL,
    request_id text COLLATE "C" NOT NULL,
    method text COLLATE "C" NOT NULL,
    request_hash bytea NOT NULL,
    object_id text COLLATE "C" NOT NULL,
    create_time timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, request_id)
);
COMMENT ON TABLE psp_gateway.requests IS
    'Every request id that had an effect, with what it was and what it made; kept for ever.';

CREATE TABLE psp_gateway.deposits (
    tenant_id text COLLATE "C" NOT NULL,
    deposit_id uuid NOT NULL,
    request_id text COLLATE "C" NOT NULL,
    player_id text COLLATE "C" NOT NULL,
    provider text COLLATE "C" NOT NULL,
    provider_account text COLLATE "C" NOT NULL,
    currency_code text COLLATE "C" NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    reference text COLLATE "C" NOT NULL,
    metadata jsonb NOT NULL,
    state text COLLATE "C" NOT NULL CHECK (state IN (
        'CREATED', 'SUBMITTING', 'SUBMIT_UNKNOWN', 'REQUIRES_ACTION', 'PROCESSING', 'AUTHORISED',
        'CAPTURED', 'REVIEW', 'CAPTURE_FAILED', 'DECLINED', 'NOT_SENT', 'VOIDED', 'EXPIRED',
        'CANCELLED')),
    settlement_state text COLLATE "C" NOT NULL CHECK (
        settlement_state IN ('UNSETTLED', 'AVAILABLE', 'SWEPT', 'BANKED')),
    captured_currency_code text COLLATE "C",
    captured_minor bigint CHECK (captured_minor > 0),
    capture_key text COLLATE "C" NOT NULL,
    source text COLLATE "C" CHECK (source IN ('CASH', 'REVIEW')),
    review_minor bigint NOT NULL CHECK (review_minor >= 0),
    review_reason text COLLATE "C",
    pending_minor bigint NOT NULL,
    sweep_id text COLLATE "C" NOT NULL DEFAULT '',
    expected_fee_minor bigint,
    provider_object_id text COLLATE "C" NOT NULL DEFAULT '',
    provider_state text COLLATE "C" NOT NULL DEFAULT '',
    failure_code text COLLATE "C" NOT NULL DEFAULT '',
    failure_message text NOT NULL DEFAULT '',
    next_action_url text NOT NULL DEFAULT '',
    expire_time timestamptz,
    event_sequence bigint NOT NULL,
    create_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, deposit_id),
    CHECK ((captured_minor IS NULL) = (captured_currency_code IS NULL)),
    CHECK ((captured_minor IS NULL) = (source IS NULL)),
    CHECK ((state = 'REVIEW') = (review_reason IS NOT NULL))
);
-- GetDeposit by request.
CREATE UNIQUE INDEX deposits_by_request ON psp_gateway.deposits (tenant_id, request_id);
-- ListDeposits of a player, the newest first.
CREATE INDEX deposits_by_player ON psp_gateway.deposits (tenant_id, player_id, deposit_id);
-- The deposits that a sweep took, when it reaches the bank or comes back.
CREATE INDEX deposits_by_sweep ON psp_gateway.deposits (tenant_id, provider, provider_account, sweep_id)
    WHERE settlement_state = 'SWEPT';

CREATE TABLE psp_gateway.refunds (
    tenant_id text COLLATE "C" NOT NULL,
    refund_id uuid NOT NULL,
    deposit_id uuid NOT NULL,
    request_id text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL CHECK (state IN (
        'REQUESTED', 'SUBMITTING', 'SUBMIT_UNKNOWN', 'PENDING', 'SUCCEEDED', 'FAILED',
        'FAILED_AFTER_SUCCESS', 'REJECTED')),
    currency_code text COLLATE "C" NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    requested_by text COLLATE "C" NOT NULL,
    comment text NOT NULL,
    reference text COLLATE "C" NOT NULL,
    ledger_reason text COLLATE "C" NOT NULL DEFAULT '',
    provider_object_id text COLLATE "C" NOT NULL DEFAULT '',
    provider_state text COLLATE "C" NOT NULL DEFAULT '',
    failure_code text COLLATE "C" NOT NULL DEFAULT '',
    failure_message text NOT NULL DEFAULT '',
    event_sequence bigint NOT NULL,
    create_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, refund_id)
);
-- The refunds of a deposit: what of it can still be refunded.
CREATE INDEX refunds_by_deposit ON psp_gateway.refunds (tenant_id, deposit_id);
-- GetRefund by request.
CREATE UNIQUE INDEX refunds_by_request ON psp_gateway.refunds (tenant_id, request_id)
    WHERE request_id <> '';

-- The janitor: refunds that no attempt is on its way for.
CREATE INDEX refunds_requested ON psp_gateway.refunds (tenant_id, update_time)
    WHERE state = 'REQUESTED';

CREATE TABLE psp_gateway.disputes (
    tenant_id text COLLATE "C" NOT NULL,
    dispute_id uuid NOT NULL,
    deposit_id uuid NOT NULL,
    state text COLLATE "C" NOT NULL CHECK (state IN ('INQUIRY', 'OPEN', 'WON', 'LOST', 'CLOSED')),
    round_number bigint NOT NULL CHECK (round_number >= 0),
    currency_code text COLLATE "C",
    amount_minor bigint CHECK (amount_minor > 0),
    frozen_minor bigint NOT NULL CHECK (frozen_minor >= 0),
    in_question_currency_code text COLLATE "C",
    in_question_minor bigint,
    reason_code text COLLATE "C" NOT NULL DEFAULT '',
    evidence_due_time timestamptz,
    provider_object_id text COLLATE "C" NOT NULL DEFAULT '',
    provider_state text COLLATE "C" NOT NULL DEFAULT '',
    event_sequence bigint NOT NULL,
    create_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, dispute_id),
    CHECK ((amount_minor IS NULL) = (round_number = 0))
);
-- ListDisputes of a deposit.
CREATE INDEX disputes_by_deposit ON psp_gateway.disputes (tenant_id, deposit_id, dispute_id);

CREATE TABLE psp_gateway.dispute_rounds (
    tenant_id text COLLATE "C" NOT NULL,
    dispute_id uuid NOT NULL,
    round_number bigint NOT NULL CHECK (round_number > 0),
    state text COLLATE "C" NOT NULL CHECK (state IN ('OPEN', 'WON', 'LOST')),
    currency_code text COLLATE "C" NOT NULL,
    withdrawn_minor bigint NOT NULL CHECK (withdrawn_minor > 0),
    movement_key text COLLATE "C" NOT NULL,
    reinstated_minor bigint NOT NULL DEFAULT 0 CHECK (reinstated_minor >= 0),
    fee_minor bigint,
    open_time timestamptz NOT NULL,
    end_time timestamptz,
    PRIMARY KEY (tenant_id, dispute_id, round_number)
);
-- The round that a report line or a fee is about.
CREATE INDEX dispute_rounds_by_movement ON psp_gateway.dispute_rounds (tenant_id, movement_key);

CREATE TABLE psp_gateway.withdrawals (
    tenant_id text COLLATE "C" NOT NULL,
    withdrawal_id uuid NOT NULL,
    request_id text COLLATE "C" NOT NULL,
    player_id text COLLATE "C" NOT NULL,
    provider text COLLATE "C" NOT NULL,
    provider_account text COLLATE "C" NOT NULL,
    currency_code text COLLATE "C" NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    player_fee_minor bigint NOT NULL CHECK (player_fee_minor >= 0),
    destination_token text COLLATE "C" NOT NULL,
    requested_by text COLLATE "C" NOT NULL,
    metadata jsonb NOT NULL,
    state text COLLATE "C" NOT NULL CHECK (state IN (
        'REQUESTED', 'RESERVED', 'IN_REVIEW', 'APPROVED', 'SUBMITTING', 'SUBMIT_UNKNOWN',
        'SUBMITTED', 'PAID', 'REJECTED', 'CANCELLED', 'EXPIRED', 'FAILED', 'RETURNED')),
    waiting_for text COLLATE "C" NOT NULL DEFAULT '' CHECK (
        waiting_for IN ('', 'APPROVALS', 'FUNDING', 'PROVIDER', 'EXCEPTION')),
    approvals_required smallint CHECK (approvals_required BETWEEN 0 AND 2),
    approval_expire_time timestamptz,
    paid_attempts bigint[] NOT NULL DEFAULT '{}',
    returned_minor bigint NOT NULL DEFAULT 0 CHECK (returned_minor >= 0),
    ledger_reason text COLLATE "C" NOT NULL DEFAULT '',
    next_attend_time timestamptz NOT NULL,
    event_sequence bigint NOT NULL,
    create_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, withdrawal_id)
);
-- GetWithdrawal by request.
CREATE UNIQUE INDEX withdrawals_by_request ON psp_gateway.withdrawals (tenant_id, request_id);
-- ListWithdrawals of a player, the newest first.
CREATE INDEX withdrawals_by_player ON psp_gateway.withdrawals (tenant_id, player_id, withdrawal_id);
-- The janitor: withdrawals whose workflow may be gone.
CREATE INDEX withdrawals_open ON psp_gateway.withdrawals (tenant_id, next_attend_time)
    WHERE state NOT IN ('PAID', 'REJECTED', 'CANCELLED', 'EXPIRED', 'FAILED', 'RETURNED');

CREATE TABLE psp_gateway.withdrawal_decisions (
    tenant_id text COLLATE "C" NOT NULL,
    withdrawal_id uuid NOT NULL,
    decision_id text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('APPROVED', 'REJECTED', 'CANCELLED')),
    decided_by text COLLATE "C" NOT NULL,
    requested_by text COLLATE "C" NOT NULL,
    comment text NOT NULL,
    create_time timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, withdrawal_id, decision_id),
    -- Whoever requested a withdrawal never approves it, whatever the code does.
    CHECK (kind <> 'APPROVED' OR decided_by <> requested_by)
);
-- Two approvals are two people's.
CREATE UNIQUE INDEX withdrawal_approvers
    ON psp_gateway.withdrawal_decisions (tenant_id, withdrawal_id, decided_by)
    WHERE kind = 'APPROVED';

CREATE TABLE psp_gateway.attempts (
    tenant_id text COLLATE "C" NOT NULL,
    object_type text COLLATE "C" NOT NULL CHECK (object_type IN ('deposit', 'refund', 'withdrawal')),
    object_id text COLLATE "C" NOT NULL,
    attempt_number bigint NOT NULL CHECK (attempt_number > 0),
    attempt_id uuid NOT NULL,
    provider text COLLATE "C" NOT NULL,
    provider_account text COLLATE "C" NOT NULL,
    reference text COLLATE "C" NOT NULL,
    request bytea NOT NULL,
    replay_until timestamptz NOT NULL,
    outcome text COLLATE "C" CHECK (
        outcome IN ('DONE', 'PENDING', 'DECLINED', 'NOT_SENT', 'UNKNOWN')),
    provider_object_id text COLLATE "C" NOT NULL DEFAULT '',
    provider_state text COLLATE "C" NOT NULL DEFAULT '',
    failure_code text COLLATE "C" NOT NULL DEFAULT '',
    failure_message text NOT NULL DEFAULT '',
    check_count bigint NOT NULL DEFAULT 0,
    next_check_time timestamptz,
    create_time timestamptz NOT NULL,
    end_time timestamptz,
    PRIMARY KEY (tenant_id, object_type, object_id, attempt_number),
    CHECK (end_time IS NULL OR next_check_time IS NULL)
);
COMMENT ON COLUMN psp_gateway.attempts.request IS
    'The bytes that are sent; until replay_until the same may be sent again under the same key.';
-- What a webhook or report is about, by the reference that the provider repeats.
CREATE UNIQUE INDEX attempts_by_reference
    ON psp_gateway.attempts (tenant_id, provider, provider_account, reference);
-- The janitor: attempts that are silent, or that a crash left.
CREATE INDEX attempts_to_check ON psp_gateway.attempts (tenant_id, next_check_time)
    WHERE next_check_time IS NOT NULL;

CREATE TABLE psp_gateway.provider_objects (
    tenant_id text COLLATE "C" NOT NULL,
    provider text COLLATE "C" NOT NULL,
    provider_account text COLLATE "C" NOT NULL,
    object_type text COLLATE "C" NOT NULL CHECK (
        object_type IN ('deposit', 'refund', 'dispute', 'withdrawal')),
    provider_object_id text COLLATE "C" NOT NULL,
    object_id text COLLATE "C" NOT NULL,
    attempt_number bigint NOT NULL CHECK (attempt_number >= 0),
    deposit_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, provider, provider_account, object_type, provider_object_id)
);
COMMENT ON TABLE psp_gateway.provider_objects IS
    'Which object of ours each object of a provider''s is; given out once, at its first news.';

CREATE TABLE psp_gateway.sweeps (
    tenant_id text COLLATE "C" NOT NULL,
    provider text COLLATE "C" NOT NULL,
    provider_account text COLLATE "C" NOT NULL,
    sweep_id text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL CHECK (state IN ('IN_TRANSIT', 'BANKED', 'FAILED')),
    currency_code text COLLATE "C" NOT NULL,
    amount_minor bigint NOT NULL,
    bank_account text COLLATE "C" NOT NULL,
    update_time timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, provider, provider_account, sweep_id)
);

CREATE TABLE psp_gateway.gateway_events (
    tenant_id text COLLATE "C" NOT NULL,
    event_sequence bigint NOT NULL CHECK (event_sequence > 0),
    object_type text COLLATE "C" NOT NULL,
    object_id text COLLATE "C" NOT NULL,
    fact text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    provider text COLLATE "C" NOT NULL,
    provider_account text COLLATE "C" NOT NULL,
    effects jsonb NOT NULL,
    movement_kind text COLLATE "C" NOT NULL,
    movement_key text COLLATE "C" NOT NULL,
    ledger_reason text COLLATE "C" NOT NULL,
    source text COLLATE "C" NOT NULL,
    source_id text COLLATE "C" NOT NULL,
    effective_time timestamptz NOT NULL,
    create_time timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, event_sequence)
);
-- A fact happens once to an object, whoever brings it and however often.
CREATE UNIQUE INDEX gateway_events_by_fact
    ON psp_gateway.gateway_events (tenant_id, object_type, object_id, fact)
    WHERE ledger_reason = '';

CREATE TABLE psp_gateway.posting_intents (
    tenant_id text COLLATE "C" NOT NULL,
    object_type text COLLATE "C" NOT NULL,
    object_id text COLLATE "C" NOT NULL,
    fact text COLLATE "C" NOT NULL,
    number bigint NOT NULL CHECK (number > 0),
    row_id text COLLATE "C" NOT NULL,
    event_sequence bigint NOT NULL,
    event_position smallint NOT NULL,
    kind text COLLATE "C" NOT NULL,
    entries jsonb NOT NULL,
    effective_time timestamptz NOT NULL,
    provider text COLLATE "C" NOT NULL,
    provider_account text COLLATE "C" NOT NULL,
    movement_kind text COLLATE "C" NOT NULL,
    movement_key text COLLATE "C" NOT NULL,
    credited_player text COLLATE "C" NOT NULL,
    request bytea NOT NULL,
    state text COLLATE "C" NOT NULL CHECK (state IN ('OPEN', 'POSTED', 'REFUSED', 'BLOCKED')),
    ledger_sequence bigint,
    ledger_reason text COLLATE "C" NOT NULL DEFAULT '',
    attempt_count bigint NOT NULL DEFAULT 0,
    next_attempt_time timestamptz,
    create_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, object_type, object_id, fact, number),
    CHECK ((state = 'POSTED') = (ledger_sequence IS NOT NULL)),
    CHECK ((state = 'OPEN') = (next_attempt_time IS NOT NULL))
);
COMMENT ON COLUMN psp_gateway.posting_intents.request IS
    'The whole request to the ledger; it is called with exactly these bytes, however often.';
COMMENT ON COLUMN psp_gateway.posting_intents.row_id IS
    'Which row of the object it belongs to, such as a sweep of a provider account; else empty.';
COMMENT ON COLUMN psp_gateway.posting_intents.credited_player IS
    'Whose cash it credits with money that is new to him, of which he first pays what he owes.';
-- What of an object is not in the ledger yet: everything after it waits.
CREATE INDEX posting_intents_unfinished
    ON psp_gateway.posting_intents (tenant_id, object_type, object_id)
    WHERE state IN ('OPEN', 'BLOCKED');
-- The janitor: intents that a crash or a lost ledger left.
CREATE INDEX posting_intents_due ON psp_gateway.posting_intents (tenant_id, next_attempt_time)
    WHERE state = 'OPEN';

CREATE TABLE psp_gateway.inbox_events (
    tenant_id text COLLATE "C" NOT NULL,
    inbox_event_id uuid NOT NULL,
    provider text COLLATE "C" NOT NULL,
    provider_account text COLLATE "C" NOT NULL,
    dedupe_key text COLLATE "C" NOT NULL,
    semantic_key text COLLATE "C" NOT NULL,
    event_type text COLLATE "C" NOT NULL,
    content_sha256 bytea NOT NULL,
    body bytea,
    body_sha256 bytea NOT NULL,
    body_delete_time timestamptz,
    headers jsonb NOT NULL,
    signing_key text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL CHECK (
        state IN ('RECEIVED', 'APPLIED', 'IGNORED', 'DEFERRED', 'RETRY', 'DEAD')),
    attempt_count bigint NOT NULL DEFAULT 0,
    next_attempt_time timestamptz,
    last_error text NOT NULL DEFAULT '',
    object_type text COLLATE "C" NOT NULL DEFAULT '',
    object_id text COLLATE "C" NOT NULL DEFAULT '',
    conflict_count bigint NOT NULL DEFAULT 0,
    create_time timestamptz NOT NULL,
    end_time timestamptz,
    PRIMARY KEY (tenant_id, inbox_event_id)
);
COMMENT ON COLUMN psp_gateway.inbox_events.body IS
    'Encrypted; null after its retention, but kept while the event is open or DEAD: it may yet be '
    'applied. The keys and hashes stay for ever.';
-- A delivery is stored once, for ever.
CREATE UNIQUE INDEX inbox_events_by_key
    ON psp_gateway.inbox_events (tenant_id, provider, provider_account, dedupe_key);
-- The janitor: events that are due.
CREATE INDEX inbox_events_open ON psp_gateway.inbox_events (tenant_id, create_time)
    WHERE state IN ('RECEIVED', 'DEFERRED', 'RETRY');
-- The janitor: bodies whose retention is over.
CREATE INDEX inbox_events_with_body ON psp_gateway.inbox_events (tenant_id, create_time)
    WHERE body IS NOT NULL;

CREATE TABLE psp_gateway.inbox_conflicts (
    tenant_id text COLLATE "C" NOT NULL,
    inbox_event_id uuid NOT NULL,
    conflict_id uuid NOT NULL,
    content_sha256 bytea NOT NULL,
    body bytea,
    body_sha256 bytea NOT NULL,
    body_delete_time timestamptz,
    headers jsonb NOT NULL,
    signing_key text COLLATE "C" NOT NULL,
    create_time timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, inbox_event_id, content_sha256)
);
COMMENT ON COLUMN psp_gateway.inbox_conflicts.body IS
    'Encrypted, bound to conflict_id; null after its retention.';
-- The janitor: bodies whose retention is over.
CREATE INDEX inbox_conflicts_with_body ON psp_gateway.inbox_conflicts (tenant_id, create_time)
    WHERE body IS NOT NULL;

CREATE TABLE psp_gateway.exceptions (
    tenant_id text COLLATE "C" NOT NULL,
    exception_id uuid NOT NULL,
    kind text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL CHECK (state IN ('OPEN', 'RESOLVED')),
    decision_kind text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    object_type text COLLATE "C" NOT NULL,
    object_id text COLLATE "C" NOT NULL,
    cause text COLLATE "C" NOT NULL,
    inbox_event_id uuid,
    report_id uuid,
    report_line_number bigint NOT NULL DEFAULT 0,
    provider text COLLATE "C" NOT NULL,
    provider_account text COLLATE "C" NOT NULL,
    currency_code text COLLATE "C",
    amount_minor bigint,
    message text NOT NULL,
    evidence jsonb NOT NULL,
    resolved_by text COLLATE "C" NOT NULL DEFAULT '',
    resolution text NOT NULL DEFAULT '',
    create_time timestamptz NOT NULL,
    resolve_time timestamptz,
    PRIMARY KEY (tenant_id, exception_id),
    CHECK ((state = 'RESOLVED') = (resolve_time IS NOT NULL))
);
-- The same cause raises one exception, however often it is met.
CREATE UNIQUE INDEX exceptions_by_cause
    ON psp_gateway.exceptions (tenant_id, kind, object_type, object_id, cause);

CREATE TABLE psp_gateway.settlement_reports (
    tenant_id text COLLATE "C" NOT NULL,
    report_id uuid NOT NULL,
    provider text COLLATE "C" NOT NULL,
    provider_account text COLLATE "C" NOT NULL,
    business_date date NOT NULL,
    report_format text COLLATE "C" NOT NULL,
    sha256 bytea NOT NULL,
    size_bytes bigint NOT NULL,
    state text COLLATE "C" NOT NULL CHECK (state IN ('BOOKING', 'BOOKED', 'REFUSED')),
    batch_number bigint NOT NULL,
    period_start_time timestamptz,
    period_end_time timestamptz,
    totals jsonb NOT NULL,
    balances jsonb NOT NULL,
    line_count bigint NOT NULL,
    refused_line_number bigint NOT NULL DEFAULT 0,
    refusal_message text NOT NULL DEFAULT '',
    booked_through_sequence bigint,
    posted_sequence bigint,
    next_attempt_time timestamptz,
    create_time timestamptz NOT NULL,
    book_time timestamptz,
    PRIMARY KEY (tenant_id, report_id),
    CHECK ((state = 'BOOKED') = (posted_sequence IS NOT NULL)),
    CHECK ((state = 'BOOKED') = (book_time IS NOT NULL))
);
-- A file is stored once, whatever date it is fetched for.
CREATE UNIQUE INDEX settlement_reports_by_hash
    ON psp_gateway.settlement_reports (tenant_id, provider, provider_account, sha256);
-- One file of a batch is accepted, however many versions are fetched at once: the others are refused.
CREATE UNIQUE INDEX settlement_reports_by_batch
    ON psp_gateway.settlement_reports
    (tenant_id, provider, provider_account, business_date, batch_number)
    WHERE state <> 'REFUSED';
-- ListSettlementReports, the latest business date first.
CREATE INDEX settlement_reports_by_date
    ON psp_gateway.settlement_reports (tenant_id, business_date, report_id);

CREATE TABLE psp_gateway.settlement_report_chunks (
    tenant_id text COLLATE "C" NOT NULL,
    report_id uuid NOT NULL,
    chunk_number bigint NOT NULL,
    content bytea NOT NULL,
    PRIMARY KEY (tenant_id, report_id, chunk_number)
);

CREATE TABLE psp_gateway.settlement_report_lines (
    tenant_id text COLLATE "C" NOT NULL,
    report_id uuid NOT NULL,
    line_number bigint NOT NULL,
    row_id text COLLATE "C" NOT NULL,
    movement_kind text COLLATE "C" NOT NULL,
    movement_key text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL CHECK (state IN ('WAITING', 'DONE', 'EXCEPTION')),
    attempt_count bigint NOT NULL DEFAULT 0,
    last_error text NOT NULL DEFAULT '',
    PRIMARY KEY (tenant_id, report_id, line_number)
);

-- What has happened cannot be changed: a later event takes it back.
CREATE FUNCTION psp_gateway.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the history is append-only: % of %.% is not possible',
        TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER immutable BEFORE UPDATE OR DELETE ON psp_gateway.gateway_events
    FOR EACH ROW EXECUTE FUNCTION psp_gateway.refuse_change();
CREATE TRIGGER kept BEFORE TRUNCATE ON psp_gateway.gateway_events
    FOR EACH STATEMENT EXECUTE FUNCTION psp_gateway.refuse_change();

CREATE TRIGGER immutable BEFORE UPDATE OR DELETE ON psp_gateway.requests
    FOR EACH ROW EXECUTE FUNCTION psp_gateway.refuse_change();
CREATE TRIGGER kept BEFORE TRUNCATE ON psp_gateway.requests
    FOR EACH STATEMENT EXECUTE FUNCTION psp_gateway.refuse_change();

-- Only its body goes, after its retention.
CREATE TRIGGER immutable BEFORE DELETE
    OR UPDATE OF tenant_id, inbox_event_id, conflict_id, content_sha256, body_sha256, headers,
        signing_key, create_time
    ON psp_gateway.inbox_conflicts
    FOR EACH ROW EXECUTE FUNCTION psp_gateway.refuse_change();
CREATE TRIGGER kept BEFORE TRUNCATE ON psp_gateway.inbox_conflicts
    FOR EACH STATEMENT EXECUTE FUNCTION psp_gateway.refuse_change();

CREATE TRIGGER immutable BEFORE UPDATE OR DELETE ON psp_gateway.settlement_report_chunks
    FOR EACH ROW EXECUTE FUNCTION psp_gateway.refuse_change();
CREATE TRIGGER kept BEFORE TRUNCATE ON psp_gateway.settlement_report_chunks
    FOR EACH STATEMENT EXECUTE FUNCTION psp_gateway.refuse_change();

CREATE TRIGGER immutable BEFORE UPDATE OR DELETE ON psp_gateway.withdrawal_decisions
    FOR EACH ROW EXECUTE FUNCTION psp_gateway.refuse_change();
CREATE TRIGGER kept BEFORE TRUNCATE ON psp_gateway.withdrawal_decisions
    FOR EACH STATEMENT EXECUTE FUNCTION psp_gateway.refuse_change();

-- The service may insert and read everything, change what has a state, and delete nothing.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'vezne_psp_gateway') THEN
        GRANT USAGE ON SCHEMA psp_gateway TO vezne_psp_gateway;
        GRANT SELECT ON ALL TABLES IN SCHEMA psp_gateway TO vezne_psp_gateway;
        GRANT INSERT ON psp_gateway.heads, psp_gateway.requests, psp_gateway.deposits,
            psp_gateway.refunds, psp_gateway.disputes, psp_gateway.dispute_rounds,
            psp_gateway.withdrawals, psp_gateway.withdrawal_decisions, psp_gateway.attempts,
            psp_gateway.provider_objects, psp_gateway.sweeps, psp_gateway.gateway_events,
            psp_gateway.posting_intents, psp_gateway.inbox_events, psp_gateway.inbox_conflicts,
            psp_gateway.exceptions, psp_gateway.settlement_reports,
            psp_gateway.settlement_report_chunks, psp_gateway.settlement_report_lines
            TO vezne_psp_gateway;
        GRANT UPDATE ON psp_gateway.heads, psp_gateway.deposits, psp_gateway.refunds,
            psp_gateway.disputes, psp_gateway.dispute_rounds, psp_gateway.withdrawals,
            psp_gateway.attempts, psp_gateway.sweeps, psp_gateway.inbox_events,
            psp_gateway.exceptions, psp_gateway.settlement_reports,
            psp_gateway.settlement_report_lines TO vezne_psp_gateway;
        GRANT UPDATE (body, body_delete_time) ON psp_gateway.inbox_conflicts
            TO vezne_psp_gateway;
        -- What is asked of the ledger never changes; only what became of it does.
        GRANT UPDATE (state, ledger_sequence, ledger_reason, attempt_count, next_attempt_time,
            update_time) ON psp_gateway.posting_intents TO vezne_psp_gateway;
    END IF;
END
$$;
