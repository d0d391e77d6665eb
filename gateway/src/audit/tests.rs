//! What a record says is what is read of it, whatever was put in.

use uuid::Uuid;

use super::*;

fn read(draft: Draft) -> Entry {
    let record = draft.into_record().into_opaque().0;
    // The person and their length stand behind what it says.
    let person = usize::from(*record.last().unwrap());
    let body = &record[..record.len() - 1 - person];
    Entry::read(7, policies::time::Timestamp(1_790_000_000_000), body)
}

#[test]
fn what_is_written_is_read_back() {
    let mut draft = Draft::of("practice-a", Profile::Practice, Some("PROVAX00X00X000Y"));
    let entry = EntryId(Uuid::from_u128(5));
    draft
        .person("PNIMRA70A01H501P")
        .stands_in_for(Some("RSSMRA80A01H501U"))
        .deed(Deed::Of(Action::SearchPerson))
        .deed(Deed::Of(Action::BreakGlass))
        .reason("emergency")
        .relation(Relation::BrokenGlass)
        .entries([entry])
        .trace("4bf92f3577b34da6a3ce929d0e0e4736")
        .code("lookup-denied")
        .target("sac")
        .outcome(Outcome::ShownStale);
    let seen = read(draft);
    assert_eq!(
        seen,
        Entry {
            sequence: 7,
            at: "2026-09-21T14:13:20Z".to_owned(),
            organization: "practice-a".to_owned(),
            profile: "practice".to_owned(),
            user: "PROVAX00X00X000Y".to_owned(),
            stands_in_for: "RSSMRA80A01H501U".to_owned(),
            action: "break-glass".to_owned(),
            relation: "broken-glass".to_owned(),
            reason: "emergency".to_owned(),
            outcome: "shown-stale".to_owned(),
            code: "lookup-denied".to_owned(),
            target: "sac".to_owned(),
            trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".to_owned(),
            entries: vec![*entry.0.as_bytes()],
        }
    );
}

#[test]
fn a_long_text_is_cut_and_no_record_is_too_long() {
    let long = "é".repeat(5_000);
    let mut draft = Draft::of(&long, Profile::Operator, Some(&long));
    let entry = EntryId(Uuid::from_u128(5));
    draft
        .person(&"P".repeat(100))
        .deed(Deed::Policy)
        .reason(&long)
        .target(&long)
        .entries(std::iter::repeat_n(entry, 5_000));
    let bytes = draft.clone().into_record().into_opaque().0.len();
    assert!(bytes <= store::audit::RECORD_BYTES_MAX, "{bytes}");
    let seen = read(draft);
    assert_eq!(seen.reason, "é".repeat(TEXT_BYTES_MAX / 2));
    assert_eq!(seen.entries.len(), ENTRIES_MAX);
}

#[test]
fn a_field_of_a_later_release_is_passed_over_and_garbage_read_as_far_as_it_goes() {
    let mut draft = Draft::of("practice-a", Profile::Practice, None);
    draft.fields.extend_from_slice(&[99, 0, 2, 1, 2]);
    draft.deed(Deed::Export);
    draft.fields.extend_from_slice(&[1, 255, 255, 0]);
    let seen = read(draft);
    assert_eq!(
        (seen.organization.as_str(), seen.action.as_str()),
        ("practice-a", "export-audit")
    );
}
