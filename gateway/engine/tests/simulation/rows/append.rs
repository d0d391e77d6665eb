//! What is stored: a new prescription under its number, or what somebody does about one.

use engine::ports::*;
use policies::family::{Role, needs_writer};
use policies::state::State;
use policies::time::Timestamp;

use super::{Row, Rows};

impl Rows {
    pub(super) fn append(
        &mut self,
        now: Timestamp,
        new: NewEntry,
        entries_max: usize,
    ) -> Result<Appended, AppendError> {
        match self.recall(&new.organization, &new.key, &new.fingerprint) {
            Recall::Nothing => {}
            Recall::Replay(entry) => return Ok(Appended::Replay(entry)),
            Recall::KeyReused => return Ok(Appended::KeyReused),
        }
        let name = (new.organization.clone(), new.key.clone());
        let place = match new.depends_on {
            Some(parent) => match self.append_about(now, new, parent) {
                Ok(place) => place,
                Err(refused) => return Ok(refused),
            },
            None => match self.append_new(now, new, entries_max)? {
                Ok(place) => place,
                Err(refused) => return Ok(refused),
            },
        };
        self.by_key.insert(name, place);
        let row = &self.entries[place];
        let is_leased = row.state == State::Sending;
        Ok(Appended::Accepted {
            at: now,
            state: row.state,
            epoch: row.epoch,
            request: (is_leased && row.parent.is_some()).then(|| Box::new(row.request())),
        })
    }

    fn append_about(
        &mut self,
        now: Timestamp,
        new: NewEntry,
        parent: EntryId,
    ) -> Result<usize, Appended> {
        let place = self.place(parent).ok_or(Appended::NoParent)?;
        let parent = &self.entries[place];
        if parent.new.organization != new.organization || parent.role() != Role::Create {
            return Err(Appended::NoParent);
        }
        if needs_writer(new.role, parent.state) && parent.new.identity != new.identity {
            return Err(Appended::OtherIdentity);
        }
        self.depend(now, new, place).map_err(Appended::Moot)
    }

    fn append_new(
        &mut self,
        now: Timestamp,
        new: NewEntry,
        entries_max: usize,
    ) -> Result<Result<usize, Appended>, AppendError> {
        if let NumberUse::Callers(number) = &new.number
            && self.is_ours(number)
        {
            return Ok(Err(Appended::NumberOurs));
        }
        let is_waiting = !matches!(new.start, Start::Withdrawn(_));
        if is_waiting && self.pending() >= entries_max {
            return Err(AppendError::Full);
        }
        let (number, start) = (new.number.clone(), new.start);
        let place = self.entries.len();
        if !self.hold(&number, place)? {
            return Ok(Err(Appended::NumberUsed));
        }
        self.push(Row::new(new, None, now));
        match start {
            Start::Leased(span) => drop(self.entries[place].lease(false, now + span)),
            Start::Due => {}
            Start::Withdrawn(code) => {
                self.stand(place, State::Withdrawn, None, Some(code), now);
            }
        }
        Ok(Ok(place))
    }

    /// The number is that entry's from now on; `false` if it is another's.
    pub(super) fn hold(&mut self, number: &NumberUse, place: usize) -> Result<bool, AppendError> {
        let Some(name) = number.number() else {
            return Ok(true);
        };
        if let NumberUse::Ours {
            block, position, ..
        } = number
            && !self.numbers.is_given(*block, *position, name)
        {
            return Err(AppendError::Refused);
        }
        if self.by_number.contains_key(name) {
            return Ok(false);
        }
        if let NumberUse::Ours {
            block, position, ..
        } = number
        {
            self.numbers.mark(*block, position + 1);
        }
        self.by_number.insert(name.clone(), place);
        Ok(true)
    }
}
