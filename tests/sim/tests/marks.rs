//! Marks belong to the process, so what counts them has one of its own.

use memcache_proto::marks::{LIST, MARKS, place};
use memcache_sim::marks::Tally;

#[test]
fn runs_are_counted_and_not_how_often_they_light_a_mark() {
    MARKS.light(place(LIST, "await given"));
    let mut tally = Tally::begin();
    for lit in [&["probe lost", "probe lost", "idle retry"][..], &[], &["probe lost"]] {
        lit.iter().for_each(|name| MARKS.light(place(LIST, name)));
        tally.count();
    }
    let lit = tally.counts().filter(|&(_, count)| count > 0);
    let lit: Vec<_> = lit.map(|(mark, count)| (mark.name, count)).collect();
    assert_eq!(lit, [("probe lost", 2), ("idle retry", 1)]);
    assert_eq!(tally.dark().count(), tally.counts().count() - 2);
}
