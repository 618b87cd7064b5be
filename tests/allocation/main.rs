//! What is on the heap, and when. Without the test harness, whose threads would be counted too.

#![allow(clippy::unwrap_used)]

mod codec;

use std::alloc::System;

use mqtt_sansio::topic::{FilterTree, TopicFilter, TopicName, TopicTree};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const FILTERS: [&str; 9] = [
    "#",
    "+/+/+/+/+",
    "a/#",
    "a/+/c/+/#",
    "+/b/#",
    "a/b/c/d/e",
    "+/b/+/d/+",
    "a/b/c/d/+",
    "a/b/c/d/e/#",
];

fn main() {
    the_counter_counts();
    codec::neither_decoding_nor_encoding_allocates();
    topics();
}

/// Else nothing here could fail.
fn the_counter_counts() {
    let region = Region::new(ALLOCATOR);
    let bytes = vec![0_u8; 10];
    assert_eq!((region.change().allocations, held(&region)), (1, 10));
    drop(bytes);
}

fn topics() {
    let name: TopicName = "a/b/c/d/e".parse().unwrap();
    let filters: Vec<TopicFilter> = FILTERS.iter().map(|text| text.parse().unwrap()).collect();
    let region = Region::new(ALLOCATOR);

    let (mut tree, mut names) = (FilterTree::new(), TopicTree::new());
    assert_eq!(region.change().allocations, 0, "an empty tree");
    for (value, filter) in filters.iter().enumerate() {
        tree.insert(filter, value);
    }
    names.insert(&name, ());

    let matching = Region::new(ALLOCATOR);
    assert!(filters.iter().all(|filter| filter.matches(&name)));
    assert_eq!(tree.matches(&name).count(), FILTERS.len());
    for filter in &filters {
        assert_eq!(names.matching_values(filter).count(), 1);
    }
    assert_eq!(matching.change().allocations, 0, "matching");
    assert_eq!(matching.change().reallocations, 0, "matching");

    for filter in &filters {
        tree.remove(filter);
    }
    names.remove(&name);
    assert_eq!(held(&region), 0, "emptied trees");

    // Such filters as this crate is made for, and those that suit its nodes the least: so many
    // children that they need a table, each with text that fits its node no more.
    for filter in [
        |n| format!("fleet/{}/site-{}/{n:06}/temperature", n % 10, n / 10 % 100),
        |n| format!("{}/{}", n / 11, char::from(b'a' + (n % 11) as u8)),
        |n| format!("{n:x}/{}", "a-very-long-level".repeat(6)),
    ] {
        let region = Region::new(ALLOCATOR);
        let mut tree = FilterTree::new();
        let mut text = 0;
        for n in 0..20_000_u32 {
            let filter = TopicFilter::try_from(filter(n)).unwrap();
            tree.insert(&filter, n);
            text += filter.len();
        }
        let beyond = held(&region).saturating_sub(text) / tree.len();
        assert!(beyond < 200, "{beyond} bytes a filter beyond its text");
        drop(tree);
        assert_eq!(held(&region), 0);
    }
}

fn held(region: &Region<'_, System>) -> usize {
    let stats = region.change();
    stats.bytes_allocated - stats.bytes_deallocated
}
