//! What the writing thread takes on by itself: the records of writes, and what commands have left.

use policies::time::Timestamp;

use super::super::inlet::bytes;
use super::super::{Record, SYNC_EVERY, inbox};
use super::{RETRY_EVERY, ROWS_MAX, Writer};

impl Writer {
    /// Takes on the records of writes; how many.
    pub(super) fn accounts(&mut self, now: Timestamp) -> u64 {
        let mut taken = 0;
        while self.has_accounts && self.may_ask(now) {
            let accounts = match self
                .rows
                .accounts(&self.keys.sealer(), self.place, ROWS_MAX)
            {
                Ok(accounts) => accounts,
                Err(error) => {
                    if !self.is_held_up {
                        tracing::error!(error = %error, "records of writes cannot be read now");
                    }
                    self.holds_up(now);
                    return taken;
                }
            };
            let was_held_up = std::mem::take(&mut self.is_held_up);
            self.has_accounts = accounts.len() == ROWS_MAX;
            for account in accounts {
                let record = account.record.map_or_else(
                    || {
                        tracing::error!(entry = %account.entry, "a record of a write is damaged");
                        Record::new(Vec::new(), &[])
                    },
                    Record::of,
                );
                if !self.inlet.promise(bytes(&record)) {
                    // It is in the store, and taken on once there is space.
                    self.has_accounts = true;
                    if !was_held_up {
                        tracing::warn!("records of writes wait in the store for space");
                    }
                    self.holds_up(now);
                    return taken;
                }
                self.push(
                    account.at,
                    &record,
                    account.place,
                    *account.entry.0.as_bytes(),
                );
                self.place = account.place;
                taken += 1;
            }
        }
        taken
    }

    /// Takes on what commands have left, once a second; how many.
    pub(super) fn inbox(&mut self, now: Timestamp) -> u64 {
        if now.since(self.looked_at) < SYNC_EVERY || !self.left.is_empty() {
            return 0;
        }
        self.looked_at = now;
        let mut taken = 0;
        let damaged = &self.settings.damaged;
        for (path, at, record) in inbox::collect(&self.directory, &self.keys, damaged, now) {
            if !self.inlet.promise(bytes(&record)) {
                break;
            }
            self.push(at, &record, 0, [0; 16]);
            self.left.push(path);
            taken += 1;
        }
        taken
    }

    pub(super) fn may_ask(&self, now: Timestamp) -> bool {
        !self.is_held_up || now.since(self.asked_at) >= RETRY_EVERY
    }

    fn holds_up(&mut self, now: Timestamp) {
        self.is_held_up = true;
        self.asked_at = now;
    }
}
