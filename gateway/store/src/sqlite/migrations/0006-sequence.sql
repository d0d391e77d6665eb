-- The first place in the order of events that this store may give: those before may have been given by a
-- store that this one is a copy of.
ALTER TABLE meta ADD COLUMN seq_from INTEGER NOT NULL DEFAULT 1;
