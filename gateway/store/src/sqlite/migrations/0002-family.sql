-- What entries are to each other. Every entry so far is a prescription.
ALTER TABLE entries ADD COLUMN role TEXT NOT NULL DEFAULT 'create';
-- The name of the entry it waits for and, in any role but 'create', is about.
ALTER TABLE entries ADD COLUMN depends_on BLOB;
-- More of the terms as accepted. Of entries from before, what was the rule then.
ALTER TABLE entries ADD COLUMN annul_consent INTEGER NOT NULL DEFAULT 0;
ALTER TABLE entries ADD COLUMN paper_within_ms INTEGER NOT NULL DEFAULT 7200000;
ALTER TABLE entries ADD COLUMN look_after_ms INTEGER NOT NULL DEFAULT 60000;
-- Until when the number of a paper form is waited for; NULL: none is.
ALTER TABLE entries ADD COLUMN paper_due INTEGER;
-- NULL: nobody needs to take note of how it stands; 0: someone must; 1: someone has.
ALTER TABLE entries ADD COLUMN acknowledged INTEGER;
-- What its paper form said, sealed; NULL: none was confirmed.
ALTER TABLE entries ADD COLUMN paper BLOB;
UPDATE entries SET acknowledged = 0 WHERE state IN ('rejected', 'parked', 'conflict');

-- `queue` has one more word, 'held': it waits for the entry it depends on, and is never due by itself.
CREATE INDEX entries_family ON entries (depends_on) WHERE depends_on IS NOT NULL;
-- All that are not prescriptions.
CREATE INDEX entries_dependents ON entries (role) WHERE role <> 'create';
CREATE INDEX entries_watches ON entries (lane, due) WHERE role = 'watch' AND queue = 'deferred';
CREATE INDEX entries_paper ON entries (paper_due) WHERE paper_due IS NOT NULL;
CREATE INDEX entries_unacknowledged ON entries (organization, accepted_seq) WHERE acknowledged = 0;

-- What is listed and counted is prescriptions alone.
DROP INDEX entries_organization;
CREATE INDEX entries_organization ON entries (organization, accepted_seq, person_digest)
    WHERE role = 'create';
DROP INDEX entries_attention;
CREATE INDEX entries_attention ON entries (organization, state)
    WHERE role = 'create'
    AND state NOT IN ('accepted', 'sending', 'uncertain', 'verifying', 'registered');
DROP INDEX entries_state;
CREATE INDEX entries_state ON entries (state) WHERE role = 'create';

-- A lane takes up one operation at a time: each has a gate of its own.
DROP INDEX entries_ready;
CREATE INDEX entries_ready ON entries (lane, op, state, deadline) WHERE queue = 'ready';
DROP INDEX entries_deferred;
CREATE INDEX entries_deferred ON entries (lane, op, state, due) WHERE queue = 'deferred';
-- A watch has no deadline. What a prescriber asked for in vain so far goes on waiting for its
-- prescription, which has one.
DROP INDEX entries_overdue;
CREATE INDEX entries_overdue ON entries (deadline)
    WHERE (queue IN ('ready', 'deferred') AND role <> 'watch')
    OR (queue = 'held' AND role = 'create') OR state = 'needs-authorization';
