//! What look-ups of topics cost.

use mqtt_sansio::topic::{FilterTree, TopicFilter, TopicName, TopicTree};

use crate::chart::Chart;
use crate::{Failure, heap, nanoseconds, steps};

/// The topic of the `n`th device: regions and sites of a fleet, serial numbers in no order.
fn topic(n: usize) -> String {
    // Odd, so that distinct numbers stay distinct.
    let serial = n.wrapping_mul(2_654_435_761) & 0xFFFF_FFFF;
    let (region, site) = (n % 10, n / 10 % 100);
    format!("fleet/{region}/site-{site}/{serial:010}/temperature")
}

/// Half of them as they are, the others with a wildcard in the end.
fn filter(n: usize) -> String {
    match n % 2 {
        0 => topic(n),
        _ => topic(n).replace("temperature", "+"),
    }
}

pub fn filters() -> Result<Chart, Failure> {
    let mut chart = Chart::new(
        "One look-up among many filters or retained messages",
        "filters, or retained messages",
        "nanoseconds a look-up, bytes a filter",
    );
    let mut filters = FilterTree::new();
    let mut names = TopicTree::new();
    let mut bytes = 0;
    for count in steps(1_000, 10_000_000) {
        let (grown, more) = heap(|| -> Result<(), Failure> {
            for n in filters.len()..count {
                filters.insert(&TopicFilter::try_from(filter(n))?, ());
            }
            Ok(())
        });
        grown?;
        bytes += more;
        for n in names.len()..count.min(1_000_000) {
            names.insert(&TopicName::try_from(topic(n))?, ());
        }
        // Many of them, at random, so that the processor's caches do not hold what they need.
        let some = (0..65_536).map(|at| at * 7_919_usize % count);
        let some: Vec<TopicName> = some.map(|n| topic(n).parse()).collect::<Result<_, _>>()?;
        let one_by_one = || {
            some.iter()
                .map(|name| filters.matches(name).count())
                .sum::<usize>()
        };
        assert_eq!(one_by_one(), some.len());
        chart.add("FilterTree", count, nanoseconds(some.len(), one_by_one));
        let side_by_side = || {
            let mut found = 0;
            filters.matches_each(&some, |_, ()| found += 1);
            found
        };
        chart.add(
            "FilterTree, side by side",
            count,
            nanoseconds(some.len(), side_by_side),
        );
        chart.add("bytes a filter", count, bytes as f64 / count as f64);
        if count <= 1_000_000 {
            let get = || some.iter().filter(|name| names.get(name).is_some()).count();
            assert_eq!(get(), some.len());
            chart.add("TopicTree", count, nanoseconds(some.len(), get));
        }
    }
    Ok(chart)
}
