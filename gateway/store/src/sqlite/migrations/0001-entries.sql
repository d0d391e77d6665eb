-- Who this file belongs to: one row.
CREATE TABLE meta (
    one       INTEGER PRIMARY KEY CHECK (one = 1),
    -- Recognises the sealing key; not the key.
    key_check BLOB    NOT NULL,
    -- Raised at every open: leases and blocks of a lower instance belong to a process that is gone.
    instance  INTEGER NOT NULL,
    -- The last reading of the clock, a minute old at most in a process that writes.
    clock     INTEGER NOT NULL
) STRICT;

-- Ranges of numbers that an upstream gave us. Never deleted: a number in one is never a caller's.
CREATE TABLE ranges (
    id        INTEGER PRIMARY KEY,
    prefix    TEXT    NOT NULL,
    digits    INTEGER NOT NULL,
    size      INTEGER NOT NULL,
    -- The first position that is in no block yet.
    taken     INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX ranges_prefix ON ranges (prefix);
CREATE INDEX ranges_left ON ranges (id) WHERE taken < size;

-- Parts of ranges, each leased to one instance. `mark` is the first position that no entry holds.
CREATE TABLE blocks (
    id        INTEGER PRIMARY KEY,
    range_id  INTEGER NOT NULL REFERENCES ranges (id),
    instance  INTEGER NOT NULL,
    mark      INTEGER NOT NULL,
    stop      INTEGER NOT NULL
) STRICT;
CREATE INDEX blocks_left ON blocks (id) WHERE mark < stop;

-- One row an entry, its first event and its idempotency key included: an append is one INSERT.
-- Small and changing columns first, so that they stay on the row's first page.
CREATE TABLE entries (
    -- The place of the first event (`accepted`) in the order of all events.
    accepted_seq     INTEGER PRIMARY KEY,
    id               BLOB    NOT NULL,
    organization     TEXT    NOT NULL,
    lane             TEXT    NOT NULL,
    op               TEXT    NOT NULL,
    order_key        BLOB    NOT NULL,
    state            TEXT    NOT NULL,
    reason           TEXT,
    -- 'ready': due now; 'deferred': due at `due`; 'leased': until `lease_until`; NULL: at rest.
    queue            TEXT,
    due              INTEGER,
    lease_until      INTEGER,
    epoch            INTEGER NOT NULL,
    sends            INTEGER NOT NULL,
    failures         INTEGER NOT NULL,
    accepted_at      INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL,
    -- The terms as accepted.
    deadline         INTEGER NOT NULL,
    answer_within_ms INTEGER NOT NULL,
    fallback         TEXT    NOT NULL,
    uncertain        TEXT    NOT NULL,
    -- The gateway that accepted it.
    origin_node      TEXT    NOT NULL,
    trace            TEXT,
    -- Keyed digests. That of the key covers the organisation, so it is unique within it.
    key_digest       BLOB    NOT NULL,
    fingerprint      BLOB    NOT NULL,
    number_digest    BLOB,
    person_digest    BLOB,
    identity_digest  BLOB    NOT NULL,
    -- Sealed.
    number           BLOB,
    authority        BLOB    NOT NULL,
    payload          BLOB    NOT NULL,
    answer           BLOB
) STRICT;
CREATE UNIQUE INDEX entries_id ON entries (id);
CREATE UNIQUE INDEX entries_key ON entries (key_digest);
CREATE UNIQUE INDEX entries_number ON entries (number_digest) WHERE number_digest IS NOT NULL;
-- What an organisation reads, in the order it reads it. The person is looked for within it: an index
-- of its own would cost every append a random page.
CREATE INDEX entries_organization ON entries (organization, accepted_seq, person_digest);
-- The states that wait for someone, or end other than well: few entries, and none when appended.
CREATE INDEX entries_attention ON entries (organization, state)
    WHERE state NOT IN ('accepted', 'sending', 'uncertain', 'verifying', 'registered');
CREATE INDEX entries_state ON entries (state);
-- The queues. Each holds only the rows it can yield, in the order it yields them, so that leasing
-- costs the same beside a thousand and beside a million waiting rows.
CREATE INDEX entries_ready ON entries (lane, state, deadline) WHERE queue = 'ready';
CREATE INDEX entries_deferred ON entries (lane, state, due) WHERE queue = 'deferred';
CREATE INDEX entries_leased ON entries (lease_until) WHERE queue = 'leased';
CREATE INDEX entries_overdue ON entries (deadline)
    WHERE queue IN ('ready', 'deferred') OR state = 'needs-authorization';
CREATE INDEX entries_order ON entries (order_key) WHERE queue IS NOT NULL;
CREATE INDEX entries_unauthorized ON entries (organization, identity_digest)
    WHERE state = 'needs-authorization';

-- The events after the first. One sequence over both tables.
CREATE TABLE events (
    seq          INTEGER PRIMARY KEY,
    entry        INTEGER NOT NULL REFERENCES entries (accepted_seq),
    organization TEXT    NOT NULL,
    at           INTEGER NOT NULL,
    state        TEXT    NOT NULL,
    reason       TEXT
) STRICT;
CREATE INDEX events_entry ON events (entry);
CREATE INDEX events_organization ON events (organization);

-- Documents (PDF), apart from the rows that are read all day. Sealed.
CREATE TABLE documents (
    entry INTEGER PRIMARY KEY REFERENCES entries (accepted_seq),
    body  BLOB NOT NULL
) STRICT;
