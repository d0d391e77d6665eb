//! Cases of the room for calls.

use proptest::prelude::*;

use super::*;

fn rules(calls_max: usize, calls_min: usize, live_reserve: usize) -> CallRules {
    CallRules {
        calls_max,
        calls_min,
        admission: AdmissionKind::Adaptive,
        live_reserve,
        queue_max: 1,
        write_within: Duration::from_secs(10),
        read_within: Duration::from_secs(5),
    }
}

fn at(millis: u64) -> Timestamp {
    Timestamp(1_000_000 + millis)
}

fn fill(room: &mut Room, turn: Turn) -> usize {
    (0..1_000).filter(|_| room.try_begin(turn, at(0))).count()
}

/// Makes the limit this small.
fn shrink(room: &mut Room, times: u64) {
    for n in 0..times {
        room.learn(Load::Strained, at(n), at(n));
    }
}

#[test]
fn delivery_takes_what_live_requests_leave() {
    let mut room = Room::new(&rules(64, 4, 16));
    assert_eq!(fill(&mut room, Turn::Delivery), 48);
    assert_eq!(fill(&mut room, Turn::Live), 16);
    assert_eq!(room.under_way(), 64);
}

#[test]
fn the_reserve_shrinks_with_the_limit_and_delivery_keeps_one_call() {
    for (shrinkings, limit, delivered) in [(0, 64, 48), (1, 44, 32), (4, 15, 11), (20, 4, 3)] {
        let mut room = Room::new(&rules(64, 4, 16));
        shrink(&mut room, shrinkings);
        assert_eq!(room.limit(), limit);
        assert_eq!(fill(&mut room, Turn::Delivery), delivered, "of {limit}");
    }
}

#[test]
fn one_bad_spell_shrinks_it_once() {
    let mut room = Room::new(&rules(64, 4, 16));
    for n in 0..64 {
        room.learn(Load::Strained, at(n), at(10_000 + n));
    }
    assert_eq!(room.limit(), 44, "sixty-four timeouts of one spell");
    room.learn(Load::Strained, at(10_000), at(20_000));
    assert_eq!(room.limit(), 31, "a call that began after it is news");
}

#[test]
fn it_grows_by_one_a_round_while_it_is_used() {
    let mut room = Room::new(&rules(64, 4, 16));
    shrink(&mut room, 20);
    room.learn(Load::Borne, at(100), at(200));
    assert_eq!(room.limit(), 4, "nothing is under way: nothing was shown");
    for round in 5..9 {
        fill(&mut room, Turn::Live);
        let under_way = room.under_way();
        (0..=under_way).for_each(|_| room.learn(Load::Borne, at(100), at(200)));
        assert_eq!(room.limit(), round);
    }
    (0..100_000).for_each(|_| room.learn(Load::Borne, at(100), at(200)));
    assert!(room.limit() <= 64);
}

#[test]
fn a_fixed_limit_stays() {
    let mut room = Room::new(&CallRules {
        admission: AdmissionKind::Fixed,
        ..rules(64, 4, 16)
    });
    shrink(&mut room, 20);
    assert_eq!(room.limit(), 64);
}

/// Desks that never pause: whatever ends, a live request is there first.
#[test]
fn delivery_gets_a_call_under_constant_live_traffic() {
    let mut room = Room::new(&rules(8, 2, 2));
    fill(&mut room, Turn::Live);
    assert!(!room.try_begin(Turn::Delivery, at(0)));
    let mut delivered = 0;
    for millis in 1..100 {
        room.end(Turn::Live);
        room.try_begin(Turn::Live, at(millis));
        delivered += usize::from(room.try_begin(Turn::Delivery, at(millis)));
    }
    assert_eq!(
        delivered, 1,
        "one call, and no more of those of live requests"
    );
    room.end(Turn::Delivery);
    assert!(
        room.try_begin(Turn::Live, at(5_000)),
        "nothing waits any more"
    );
}

#[test]
fn live_requests_get_a_call_under_constant_delivery() {
    for shrinkings in [0, 20] {
        let mut room = Room::new(&rules(8, 2, 1));
        shrink(&mut room, shrinkings);
        fill(&mut room, Turn::Delivery);
        assert!(
            room.try_begin(Turn::Live, at(100)),
            "limit {}",
            room.limit()
        );
    }
}

#[test]
fn shrunk_below_what_is_under_way_it_lets_that_end() {
    let mut room = Room::new(&rules(64, 4, 16));
    fill(&mut room, Turn::Live);
    room.adopt(&rules(8, 4, 2));
    assert_eq!((room.limit(), room.under_way()), (8, 64));
    for left in (0..64).rev() {
        assert!(left < 7 || !room.try_begin(Turn::Live, at(0)), "{left}");
        room.end(Turn::Live);
    }
    assert_eq!(fill(&mut room, Turn::Live), 8);
}

#[test]
fn what_was_learnt_is_kept_under_other_rules() {
    let mut room = Room::new(&rules(64, 4, 16));
    room.adopt(&rules(128, 4, 16));
    assert_eq!(room.limit(), 128, "nothing had been learnt");
    room.adopt(&rules(64, 4, 16));
    shrink(&mut room, 2);
    assert_eq!(room.limit(), 31);
    room.adopt(&rules(128, 4, 16));
    assert_eq!(room.limit(), 31);
    room.adopt(&rules(128, 40, 16));
    assert_eq!(room.limit(), 40);
    let fixed = CallRules {
        admission: AdmissionKind::Fixed,
        ..rules(20, 4, 16)
    };
    room.adopt(&fixed);
    assert_eq!(room.limit(), 20);
}

proptest! {
    #[test]
    fn no_rules_adopted_at_any_time_lose_room(
        start in any_rules(),
        steps in prop::collection::vec((0_u8..5, 0_u64..3_000, prop::option::of(any_rules())), 1..400),
    ) {
        let (mut room, mut like) = (Room::new(&start), Room::new(&start));
        let (mut now, mut under_way, mut in_force) = (at(0), Vec::new(), start);
        for (step, millis, other) in steps {
            now = now + Duration::from_millis(millis);
            // Equal rules change nothing.
            like.adopt(&in_force);
            if let Some(other) = other {
                room.adopt(&other);
                like.adopt(&other);
                in_force = other;
            }
            match step {
                0 | 1 => {
                    let turn = [Turn::Live, Turn::Delivery][usize::from(step)];
                    let limit = room.limit();
                    let begun = room.try_begin(turn, now);
                    prop_assert_eq!(begun, like.try_begin(turn, now));
                    if begun {
                        under_way.push((turn, now));
                        prop_assert!(under_way.len() <= limit);
                    }
                }
                _ => if !under_way.is_empty() {
                    let (turn, begun) = under_way.remove(0);
                    for room in [&mut room, &mut like] {
                        room.learn([Load::Borne, Load::Strained][usize::from(step % 2)], begun, now);
                        room.end(turn);
                    }
                },
            }
            prop_assert_eq!(room.under_way(), under_way.len());
            prop_assert_eq!(room.limit(), like.limit());
            prop_assert!((in_force.calls_min..=in_force.calls_max).contains(&room.limit()));
        }
    }
}

fn any_rules() -> impl Strategy<Value = CallRules> {
    let parts = (1_usize..20).prop_flat_map(|max| (Just(max), 1..=max, 0..max));
    parts.prop_map(|(max, min, reserve)| rules(max, min, reserve))
}

proptest! {
    #[test]
    fn room_is_never_exceeded_and_never_lost(
        (max, min, reserve) in (1_usize..20).prop_flat_map(|max| (Just(max), 1..=max, 0..max)),
        steps in prop::collection::vec((0_u8..5, 0_u64..3_000), 1..400),
    ) {
        let mut room = Room::new(&rules(max, min, reserve));
        let mut now = at(0);
        let mut under_way = Vec::new();
        for (step, millis) in steps {
            now = now + Duration::from_millis(millis);
            match step {
                0 | 1 => {
                    let turn = [Turn::Live, Turn::Delivery][usize::from(step)];
                    let limit = room.limit();
                    if room.try_begin(turn, now) {
                        under_way.push((turn, now));
                        prop_assert!(under_way.len() <= limit);
                    }
                }
                2 => if let Some((turn, _)) = under_way.pop() { room.end(turn); },
                _ => if !under_way.is_empty() {
                    let (turn, begun) = under_way.remove(0);
                    room.learn([Load::Borne, Load::Strained][usize::from(step - 3)], begun, now);
                    room.end(turn);
                },
            }
            prop_assert_eq!(room.under_way(), under_way.len());
            prop_assert!((min..=max).contains(&room.limit()));
        }
    }
}
