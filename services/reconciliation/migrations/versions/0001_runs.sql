-- Runs, what they read and what they found.
--
-- Every key and index leads with tenant_id, and nothing refers across tenants, so that the tables can
-- be distributed by it. The rows that a run compares stay in files; here is what people ask for.

CREATE TABLE reconciliation.runs (
    tenant_id text COLLATE "C" NOT NULL,
    run_id uuid NOT NULL,
    provider text COLLATE "C" NOT NULL,
    provider_account text COLLATE "C" NOT NULL,
    business_date date NOT NULL,
    mode text COLLATE "C" NOT NULL CHECK (mode IN ('COMMIT', 'DRY_RUN')),
    trigger text COLLATE "C" NOT NULL,
    request_id text COLLATE "C" NOT NULL,
    requested_by text COLLATE "C" NOT NULL,
    rerun_number bigint NOT NULL CHECK (rerun_number >= 0),
    rerun_reason text NOT NULL,
    workflow_id text COLLATE "C" NOT NULL,
    first_execution_run_id text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL
        CHECK (state IN ('RUNNING', 'PUBLISHED', 'SUPERSEDED', 'CANCELLED', 'FAILED')),
    claims boolean NOT NULL,
    ordered boolean NOT NULL,
    predecessor_run_id uuid,
    verdict text COLLATE "C",
    incomplete_reasons text [] NOT NULL,
    failure_message text NOT NULL,
    counts jsonb,
    manifest_sha256 text COLLATE "C",
    alerts_held boolean NOT NULL,
    stale boolean NOT NULL,
    superseded_by_run_id uuid,
    create_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL,
    publish_time timestamptz,
    PRIMARY KEY (tenant_id, run_id),
    -- What claims a date counts, and is at work or has a result that says something.
    CHECK (
        NOT claims
        OR (
            mode = 'COMMIT'
            AND (
                state = 'RUNNING'
                OR (state = 'PUBLISHED' AND verdict <> 'INCOMPLETE')
            )
        )
    ),
    CHECK ((state IN ('PUBLISHED', 'SUPERSEDED')) = (publish_time IS NOT NULL)),
    CHECK ((publish_time IS NOT NULL) = (verdict IS NOT NULL)),
    CHECK ((state = 'SUPERSEDED') = (superseded_by_run_id IS NOT NULL))
);
COMMENT ON COLUMN reconciliation.runs.claims IS
    'The guard: one run of a date at most claims it. A re-run takes the claim over at its start, and '
    'gives it back if it ends without a complete result; an INCOMPLETE run frees its date.';
COMMENT ON COLUMN reconciliation.runs.ordered IS
    'Whether its predecessor is fixed: from then on no earlier date may begin that was never run.';
CREATE UNIQUE INDEX runs_claimed
    ON reconciliation.runs (tenant_id, provider, provider_account, business_date)
    WHERE claims;
-- A workflow belongs to one run; its number in the id makes two claims of one date differ.
CREATE UNIQUE INDEX runs_by_workflow ON reconciliation.runs (tenant_id, workflow_id);
-- ListRuns, the latest date first; the predecessor; the last published run of an account.
CREATE INDEX runs_by_date
    ON reconciliation.runs (tenant_id, business_date DESC, run_id DESC);
CREATE INDEX runs_by_account
    ON reconciliation.runs (tenant_id, provider, provider_account, business_date DESC);

CREATE TABLE reconciliation.requests (
    tenant_id text COLLATE "C" NOT NULL,
    request_id text COLLATE "C" NOT NULL,
    request_hash bytea NOT NULL,
    outcome text COLLATE "C" NOT NULL
        CHECK (outcome IN ('STARTED', 'ALREADY_RUNNING', 'ALREADY_DONE')),
    run_id uuid NOT NULL,
    create_time timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, request_id)
);

CREATE TABLE reconciliation.phases (
    tenant_id text COLLATE "C" NOT NULL,
    run_id uuid NOT NULL,
    phase text COLLATE "C" NOT NULL,
    start_time timestamptz NOT NULL,
    end_time timestamptz,
    detail text NOT NULL,
    PRIMARY KEY (tenant_id, run_id, phase)
);

-- Exactly what a run reads. It is resolved once; every later step, and every repetition, reads this.
CREATE TABLE reconciliation.cuts (
    tenant_id text COLLATE "C" NOT NULL,
    run_id uuid NOT NULL,
    ledger_after_sequence bigint NOT NULL CHECK (ledger_after_sequence >= 0),
    ledger_through_sequence bigint NOT NULL,
    gateway_after_sequence bigint NOT NULL CHECK (gateway_after_sequence >= 0),
    gateway_through_sequence bigint NOT NULL,
    reports jsonb NOT NULL,
    accounts jsonb NOT NULL,
    rules_version text NOT NULL,
    rules_sha256 text COLLATE "C" NOT NULL,
    predecessor_run_id uuid,
    predecessor_date date,
    predecessor_manifest_sha256 text COLLATE "C",
    resolve_time timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, run_id),
    CHECK (ledger_through_sequence >= ledger_after_sequence),
    CHECK (gateway_through_sequence >= gateway_after_sequence),
    CHECK ((predecessor_run_id IS NULL) = (predecessor_manifest_sha256 IS NULL)),
    CHECK ((predecessor_run_id IS NULL) = (predecessor_date IS NULL))
);

-- Breaks and pending groups. They are drafts, which nobody is shown, until the run is published:
-- one change of one row in `runs` makes them all visible.
CREATE TABLE reconciliation.breaks (
    tenant_id text COLLATE "C" NOT NULL,
    run_id uuid NOT NULL,
    break_id text COLLATE "C" NOT NULL,
    comparison text COLLATE "C" NOT NULL,
    pot text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    currency_code text COLLATE "C" NOT NULL,
    occurrence bigint NOT NULL CHECK (occurrence > 0),
    break_class text COLLATE "C" NOT NULL,
    previous_class text COLLATE "C",
    severity text COLLATE "C" NOT NULL,
    severity_rank smallint NOT NULL,
    lifecycle text COLLATE "C" NOT NULL,
    outside_minor bigint NOT NULL,
    ledger_minor bigint NOT NULL,
    row_count bigint NOT NULL,
    first_seen_date date NOT NULL,
    break_on_date date NOT NULL,
    row_ids text [] NOT NULL,
    PRIMARY KEY (tenant_id, run_id, break_id)
);
-- The worst first, then the oldest, of one run or of several.
CREATE INDEX breaks_by_severity ON reconciliation.breaks
    (tenant_id, run_id, severity_rank, first_seen_date, break_id);
-- The story of one break from run to run, and what is open of one key.
CREATE INDEX breaks_by_id ON reconciliation.breaks (tenant_id, break_id);
CREATE INDEX breaks_by_key ON reconciliation.breaks (tenant_id, key);

CREATE TABLE reconciliation.statements (
    tenant_id text COLLATE "C" NOT NULL,
    run_id uuid NOT NULL,
    content jsonb NOT NULL,
    markdown text NOT NULL,
    PRIMARY KEY (tenant_id, run_id)
);

-- What was read, and what was published, never changes.
CREATE FUNCTION reconciliation.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of %.% is not possible: it never changes',
        TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER immutable BEFORE UPDATE OR DELETE ON reconciliation.cuts
    FOR EACH ROW EXECUTE FUNCTION reconciliation.refuse_change();
CREATE TRIGGER immutable BEFORE UPDATE OR DELETE ON reconciliation.requests
    FOR EACH ROW EXECUTE FUNCTION reconciliation.refuse_change();

CREATE FUNCTION reconciliation.refuse_change_of_published() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM reconciliation.runs
        WHERE tenant_id = coalesce(NEW.tenant_id, OLD.tenant_id)
            AND run_id = coalesce(NEW.run_id, OLD.run_id)
            AND publish_time IS NOT NULL
    ) THEN
        RAISE EXCEPTION '% of %.% is not possible: the run is published',
            TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN coalesce(NEW, OLD);
END
$$;
CREATE TRIGGER published BEFORE INSERT OR UPDATE OR DELETE ON reconciliation.statements
    FOR EACH ROW EXECUTE FUNCTION reconciliation.refuse_change_of_published();
CREATE TRIGGER published BEFORE INSERT OR UPDATE OR DELETE ON reconciliation.breaks
    FOR EACH ROW EXECUTE FUNCTION reconciliation.refuse_change_of_published();

-- The service may insert and read, move a run on, and take back drafts.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'vezne_reconciliation') THEN
        GRANT USAGE ON SCHEMA reconciliation TO vezne_reconciliation;
        GRANT SELECT ON ALL TABLES IN SCHEMA reconciliation TO vezne_reconciliation;
        GRANT INSERT ON reconciliation.runs, reconciliation.requests, reconciliation.phases,
            reconciliation.cuts, reconciliation.breaks, reconciliation.statements
            TO vezne_reconciliation;
        GRANT UPDATE (
            first_execution_run_id, state, claims, ordered, predecessor_run_id, verdict,
            incomplete_reasons, failure_message, counts, manifest_sha256, alerts_held, stale,
            superseded_by_run_id, update_time, publish_time
        ) ON reconciliation.runs TO vezne_reconciliation;
        GRANT UPDATE (end_time, detail) ON reconciliation.phases TO vezne_reconciliation;
        GRANT DELETE ON reconciliation.breaks, reconciliation.statements TO vezne_reconciliation;
    END IF;
END
$$;
