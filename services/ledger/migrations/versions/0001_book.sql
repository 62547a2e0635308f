-- The book: heads, accounts, transactions, entries, refusals.
--
-- Every key and index leads with tenant_id, and nothing refers across tenants, so that the tables can
-- be distributed by it. There are no foreign keys: each would be checked row by row in the hot path,
-- and the verifier proves what they would hold.

CREATE TABLE ledger.heads (
    tenant_id text COLLATE "C" PRIMARY KEY,
    sequence bigint NOT NULL CHECK (sequence >= 0),
    hash bytea NOT NULL,
    last_time timestamptz NOT NULL,
    account_count bigint NOT NULL CHECK (account_count >= 0),
    account_event_count bigint NOT NULL CHECK (account_event_count >= 0),
    create_time timestamptz NOT NULL
) WITH (fillfactor = 10);
COMMENT ON TABLE ledger.heads IS
    'The end of each tenant''s book; its row lock orders all writers of the tenant.';

CREATE TABLE ledger.accounts (
    tenant_id text COLLATE "C" NOT NULL,
    account_key bigint NOT NULL,
    account_id text COLLATE "C" NOT NULL,
    currency_code text COLLATE "C" NOT NULL,
    kind smallint NOT NULL CHECK (kind BETWEEN 1 AND 5),
    min_available bigint,
    state smallint NOT NULL CHECK (state BETWEEN 1 AND 3),
    frozen_side smallint NOT NULL CHECK (frozen_side BETWEEN 0 AND 3),
    labels text[] NOT NULL,
    metadata jsonb NOT NULL,
    create_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, account_key),
    CHECK ((state = 2) = (frozen_side <> 0))
);
-- Finds an account by its path, lists them in order and by prefix.
CREATE UNIQUE INDEX accounts_by_path ON ledger.accounts (tenant_id, account_id);

CREATE TABLE ledger.account_events (
    tenant_id text COLLATE "C" NOT NULL,
    event_number bigint NOT NULL,
    follows_sequence bigint NOT NULL,
    account_key bigint NOT NULL,
    opens boolean NOT NULL,
    min_available bigint,
    state smallint NOT NULL,
    frozen_side smallint NOT NULL,
    labels text[] NOT NULL,
    metadata jsonb NOT NULL,
    request_id text COLLATE "C" NOT NULL,
    create_time timestamptz NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (tenant_id, event_number)
);

CREATE TABLE ledger.account_requests (
    tenant_id text COLLATE "C" NOT NULL,
    request_id text COLLATE "C" NOT NULL,
    request_hash bytea NOT NULL,
    existed boolean[],
    event_number bigint,
    create_time timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, request_id),
    CHECK ((existed IS NULL) <> (event_number IS NULL))
);

CREATE TABLE ledger.transactions (
    tenant_id text COLLATE "C" NOT NULL,
    sequence bigint NOT NULL CHECK (sequence > 0),
    transaction_id uuid NOT NULL,
    request_id text COLLATE "C" NOT NULL,
    request_hash bytea NOT NULL,
    kind text COLLATE "C" NOT NULL,
    effective_time timestamptz,
    create_time timestamptz NOT NULL,
    description text NOT NULL,
    external_id text COLLATE "C" NOT NULL,
    metadata jsonb NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (tenant_id, sequence)
);
COMMENT ON COLUMN ledger.transactions.effective_time IS 'Null: the same as create_time.';
-- One outcome a request id; looked up in every unit of work.
CREATE UNIQUE INDEX transactions_by_request ON ledger.transactions (tenant_id, request_id);
-- GetTransaction by id.
CREATE UNIQUE INDEX transactions_by_id ON ledger.transactions (tenant_id, transaction_id);

CREATE TABLE ledger.entries (
    tenant_id text COLLATE "C" NOT NULL,
    account_key bigint NOT NULL,
    sequence bigint NOT NULL,
    entry_number smallint NOT NULL CHECK (entry_number BETWEEN 1 AND 100),
    account_version bigint NOT NULL CHECK (account_version > 0),
    amount bigint NOT NULL CHECK (amount <> 0),
    posted bigint NOT NULL,
    pending_in bigint NOT NULL,
    pending_out bigint NOT NULL,
    -- A balance now, a balance at any sequence and an account statement are one range of this key.
    PRIMARY KEY (tenant_id, account_key, sequence, entry_number)
);
COMMENT ON COLUMN ledger.entries.amount IS
    'Minor units: positive is a debit, negative a credit.';
-- Exports and verification read by sequence; a block-range index costs posting nothing measurable.
CREATE INDEX entries_by_sequence ON ledger.entries USING brin (tenant_id, sequence)
    WITH (pages_per_range = 16, autosummarize = on);

CREATE TABLE ledger.refusals (
    tenant_id text COLLATE "C" NOT NULL,
    request_id text COLLATE "C" NOT NULL,
    request_hash bytea NOT NULL,
    reason text COLLATE "C" NOT NULL,
    message text NOT NULL,
    metadata jsonb NOT NULL,
    create_time timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, request_id)
);

-- A mistake is corrected by a reversal, never by changing what was recorded.
CREATE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the book is append-only: % of %.% is not possible',
        TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER immutable BEFORE UPDATE OR DELETE ON ledger.account_events
    FOR EACH ROW EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER kept BEFORE TRUNCATE ON ledger.account_events
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

CREATE TRIGGER immutable BEFORE UPDATE OR DELETE ON ledger.account_requests
    FOR EACH ROW EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER kept BEFORE TRUNCATE ON ledger.account_requests
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

CREATE TRIGGER immutable BEFORE UPDATE OR DELETE ON ledger.transactions
    FOR EACH ROW EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER kept BEFORE TRUNCATE ON ledger.transactions
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

CREATE TRIGGER immutable BEFORE UPDATE OR DELETE ON ledger.entries
    FOR EACH ROW EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER kept BEFORE TRUNCATE ON ledger.entries
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

CREATE TRIGGER immutable BEFORE UPDATE OR DELETE ON ledger.refusals
    FOR EACH ROW EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER kept BEFORE TRUNCATE ON ledger.refusals
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

-- The service may insert and read, and change heads and the policy of accounts; nothing else.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'vezne_ledger') THEN
        GRANT USAGE ON SCHEMA ledger TO vezne_ledger;
        GRANT SELECT ON ALL TABLES IN SCHEMA ledger TO vezne_ledger;
        GRANT INSERT ON ledger.heads, ledger.accounts, ledger.account_events,
            ledger.account_requests, ledger.transactions, ledger.entries, ledger.refusals
            TO vezne_ledger;
        GRANT UPDATE (sequence, hash, last_time, account_count, account_event_count)
            ON ledger.heads TO vezne_ledger;
        GRANT UPDATE (min_available, state, frozen_side, labels, metadata, update_time)
            ON ledger.accounts TO vezne_ledger;
    END IF;
END
$$;
