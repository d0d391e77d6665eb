//! The promises of the store, kept by the SQLite engine.

use std::sync::Arc;

use engine::ports::Store;
use futures_util::future::BoxFuture;
use store::sqlite::Sqlite;
use tempfile::TempDir;

use crate::contract::{self, Place};
use crate::world::{self, TestClock};

/// A directory, and the process that has the store in it open.
struct Directory {
    files: TempDir,
    clock: Arc<TestClock>,
    running: Option<Arc<Sqlite>>,
}

impl Directory {
    fn new() -> Directory {
        Directory {
            files: world::scratch(),
            clock: TestClock::new(),
            running: None,
        }
    }
}

impl Place for Directory {
    fn clock(&self) -> &TestClock {
        &self.clock
    }

    fn open(&mut self, entries_max: u64) -> Arc<dyn Store> {
        let mut settings = world::settings(self.files.path(), &self.clock);
        settings.entries_max = entries_max;
        let store = Arc::new(Sqlite::open(&settings).expect("the store opens"));
        self.running = Some(Arc::clone(&store));
        store
    }

    fn erase(&mut self) {
        *self = Directory::new();
    }

    fn shut(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            if let Some(store) = self.running.take() {
                store.close().await;
            }
        })
    }
}

/// One test for each fact of the contract.
macro_rules! keeps {
    ($($part:ident: $($fact:ident),+ $(,)?;)+) => {$($(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $fact() {
            let mut place = Directory::new();
            contract::$part::$fact(&mut place).await;
            place.shut().await;
        }
    )+)+};
}

keeps! {
    appends:
        an_accepted_entry_its_key_and_its_number_are_there_after_reopening,
        a_repeated_key_answers_with_the_entry_as_it_stands_now,
        a_key_used_for_another_request_is_refused,
        a_key_is_unique_within_its_organization_only,
        two_entries_with_one_key_in_one_batch_are_one_entry,
        fifty_requests_with_one_key_at_once_are_one_entry,
        an_entry_appended_leased_has_its_first_send_on_disk,
        a_full_store_refuses_new_entries_and_keeps_every_old_one,
        an_entry_behind_another_of_its_prescription_is_not_appended_leased,
        an_operation_without_a_number_holds_none,
        an_earlier_write_is_recalled_as_it_stands_now;
    leases:
        an_entry_is_leased_by_one_deliverer_and_an_older_lease_settles_nothing,
        a_lease_that_ran_out_leaves_its_entry_uncertain_never_due,
        a_deliverer_hears_why_its_entry_stands_there_and_a_lost_question_changes_it_not,
        a_lease_of_a_process_that_is_gone_has_ended,
        the_earliest_deadline_is_leased_first,
        entries_of_one_prescription_leave_in_order,
        an_entry_is_leased_from_its_own_queue_when_it_is_due,
        next_due_is_the_next_instant_there_may_be_work,
        deliverers_at_once_never_hold_the_same_entry;
    settlements:
        an_event_is_written_only_when_there_is_news,
        an_ended_lease_is_news_once,
        a_settlement_keeps_the_answer_it_does_not_bring,
        a_batch_of_settlements_is_answered_one_by_one,
        a_settlement_that_cannot_come_from_a_lease_is_refused,
        a_passed_deadline_parks_what_nobody_holds,
        a_new_authority_makes_the_entries_of_its_identity_due,
        a_passed_deadline_parks_what_waits_for_its_prescriber,
        an_awaited_authority_shows_until_it_comes,
        events_have_one_order_over_all_entries;
    numbers:
        a_number_is_held_by_one_entry_for_ever,
        a_callers_number_in_a_range_of_ours_is_refused,
        a_key_is_recognised_before_its_number_is_judged,
        every_number_is_in_one_block,
        ranges_that_share_a_number_are_refused,
        what_a_gone_process_left_of_its_blocks_is_used_first,
        a_repetition_does_not_move_the_mark,
        a_number_that_is_not_of_its_block_is_refused;
    queries:
        an_entry_is_visible_to_its_organization_only,
        a_list_is_newest_first_and_continues_after_a_name,
        a_list_holds_what_passes_every_filter,
        a_document_is_there_once_its_entry_is_registered,
        every_entry_is_in_one_term_of_the_equation;
    cancels:
        what_was_never_sent_is_withdrawn_with_its_cancel,
        what_may_be_there_is_cancelled_once_that_is_known,
        what_is_shown_absent_is_withdrawn_and_watched,
        a_registered_one_is_cancelled_at_once,
        a_refused_cancel_leaves_what_it_found,
        a_cancel_waits_for_its_prescriber_like_any_other,
        a_cancel_behind_one_that_waits_for_its_prescriber,
        a_cancel_is_its_writers_and_its_organizations,
        a_full_store_still_takes_cancels,
        a_cancel_past_its_deadline;
    chains:
        a_chain_is_sent_one_after_another,
        what_waits_for_one_that_ended_otherwise_is_parked,
        one_that_waits_for_another_can_be_taken_back,
        a_chain_past_its_deadline_is_parked_link_by_link;
    desk:
        what_is_not_sent_at_all_is_withdrawn_from_the_start,
        a_paper_form_is_waited_for_and_then_missed,
        a_paper_form_for_what_may_be_registered_too,
        paper_for_what_is_registered_needs_its_writer,
        what_must_reach_its_prescriber_is_listed_until_it_has,
        a_new_reason_is_to_be_acknowledged_again;
    watches:
        a_number_that_is_given_up_is_watched,
        a_red_recipe_of_a_process_that_is_gone_is_withdrawn_and_watched,
        a_late_answer_makes_the_watch_look_at_once,
        what_comes_while_a_watch_looks_makes_it_look_again,
        a_double_is_raised_and_one_that_was_undone_is_told,
        a_watch_that_found_nothing_looks_again,
        watches_are_put_forward_and_never_back,
        a_number_that_is_replaced_stays_taken_and_watched,
        a_cancel_lets_the_watch_over_an_earlier_number_look_again,
        a_watch_knows_whether_its_number_is_the_present_one,
        a_number_under_watch_is_nobody_elses,
        a_cancel_agrees_for_the_watches_too;
}
