//! Matching, and the topic trees.
//!
//! Look-ups are among 1,000, 100,000 and 1,000,000 entries, and each is for another topic, at
//! random: at a million most of the tree is not in the processor's caches. The memory for each
//! entry is printed first.

use std::alloc::System;
use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use mqtt_sansio::topic::{FilterTree, TopicFilter, TopicName, TopicTree};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const SIZES: [usize; 3] = [1_000, 100_000, 1_000_000];

/// The levels of the `n`th device: regions and sites of a fleet, serial numbers in no order.
fn levels(n: usize) -> (usize, usize, usize) {
    // Odd, so distinct numbers stay distinct.
    let serial = n.wrapping_mul(2_654_435_761) & 0xFFFF_FFFF;
    (n % 10, n / 10 % 100, serial)
}

/// A topic that the `n`th filter of each shape matches.
fn topic(n: usize) -> String {
    let (region, site, serial) = levels(n);
    format!("fleet/{region}/site-{site}/{serial:010}/temperature")
}

fn plain(n: usize) -> String {
    topic(n)
}

fn plus(n: usize) -> String {
    let (region, site, serial) = levels(n);
    match n % 2 {
        0 => format!("fleet/{region}/site-{site}/{serial:010}/+"),
        _ => format!("fleet/+/+/{serial:010}/temperature"),
    }
}

fn hash(n: usize) -> String {
    let (region, site, serial) = levels(n);
    format!("fleet/{region}/site-{site}/{serial:010}/#")
}

fn mixed(n: usize) -> String {
    match n % 10 {
        0..5 => plain(n),
        5..8 => plus(n),
        _ => hash(n),
    }
}

/// Names of random hexadecimal digits, as identifiers of devices often are.
fn hex(n: usize) -> String {
    let high = (n as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let low = (high ^ high >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    format!("devices/{high:016x}{low:016x}/events")
}

type Shape = (&'static str, fn(usize) -> String, fn(usize) -> String);

const SHAPES: [Shape; 6] = [
    ("plain", plain, topic),
    ("plus", plus, topic),
    ("hash", hash, topic),
    ("mixed", mixed, topic),
    ("hex", hex, hex),
    // Differs only where the serial number has ended.
    ("no match", plain, |n| {
        topic(n).replace("temperature", "humidity")
    }),
];

fn names(size: usize, topic: fn(usize) -> String) -> Vec<TopicName> {
    let step = (size / 65_536).max(1);
    let mut names: Vec<_> = (0..size).step_by(step).map(topic).collect();
    shuffle(&mut names);
    names
        .iter()
        .map(|name| name.parse().expect("a name"))
        .collect()
}

/// Away from the order of insertion.
fn shuffle<T>(all: &mut [T]) {
    let mut random: usize = 0x2545_F491;
    for at in (1..all.len()).rev() {
        random = random.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
        all.swap(at, (random >> 33) % (at + 1));
    }
}

fn filters(size: usize, filter: fn(usize) -> String) -> Vec<TopicFilter> {
    (0..size)
        .map(|n| filter(n).parse().expect("a filter"))
        .collect()
}

fn filter_tree(filters: &[TopicFilter]) -> FilterTree<u32> {
    let mut tree = FilterTree::new();
    for (value, filter) in (0..).zip(filters) {
        tree.insert(filter, value);
    }
    tree
}

/// Bytes on the heap for each filter, and beyond its text.
fn memory(_: &mut Criterion) {
    for (shape, filter, _) in &SHAPES[..5] {
        let filters = filters(1_000_000, *filter);
        let text: usize = filters.iter().map(TopicFilter::len).sum();
        let region = Region::new(ALLOCATOR);
        let tree = filter_tree(&filters);
        let stats = region.change();
        let heap = stats.bytes_allocated - stats.bytes_deallocated;
        let each = |bytes: usize| bytes as f64 / tree.len() as f64;
        println!(
            "memory/{shape}: {:.1} bytes a filter: {:.1} of text, {:+.1} beyond",
            each(heap),
            each(text),
            each(heap) - each(text),
        );
    }
}

fn single(c: &mut Criterion) {
    let mut group = c.benchmark_group("matches");
    let cases = [
        ("plain", "sport/tennis/player1/ranking", true),
        ("plus", "sport/+/player1/+", true),
        ("hash", "sport/tennis/#", true),
        ("no match", "sport/+/player2/ranking", false),
    ];
    let name = TopicName::new("sport/tennis/player1/ranking").expect("a name");
    for (shape, text, expected) in cases {
        let filter = TopicFilter::new(text).expect("a filter");
        assert_eq!(filter.matches(&name), expected);
        group.bench_function(shape, |b| {
            b.iter(|| black_box(&filter).matches(black_box(&name)));
        });
    }
}

fn look_up(c: &mut Criterion) {
    let mut group = c.benchmark_group("look_up");
    for (shape, filter, topic) in SHAPES {
        for size in SIZES {
            let tree = filter_tree(&filters(size, filter));
            let names = names(size, topic);
            let mut next = names.iter().cycle();
            group.bench_function(BenchmarkId::new(shape, size), |b| {
                b.iter(|| {
                    let name = next.next().expect("a cycle");
                    tree.matches(name).fold(0, |sum, value| sum ^ value)
                });
            });
            let mut batches = names.chunks_exact(64).cycle();
            // The time is that of 64 names.
            group.bench_function(
                BenchmarkId::new(format!("{shape}, 64 side by side"), size),
                |b| {
                    b.iter(|| {
                        let mut sum = 0;
                        let batch = batches.next().expect("a cycle");
                        tree.matches_each(batch, |_, value| sum ^= value);
                        sum
                    });
                },
            );
        }
    }
    // A hundred filters match among many: the time is that of the matches.
    for size in SIZES {
        let mut tree = filter_tree(&filters(size, plain));
        for levels in 0..128_u32 {
            let level = |place, text| if levels >> place & 1 == 1 { "+" } else { text };
            let text = ["many", "b", "c", "d", "e", "f", "g"];
            let text: Vec<_> = text
                .iter()
                .enumerate()
                .map(|(n, text)| level(n, text))
                .collect();
            let filter = TopicFilter::try_from(text.join("/")).expect("a filter");
            tree.insert(&filter, levels);
        }
        let name = TopicName::new("many/b/c/d/e/f/g").expect("a name");
        assert_eq!(tree.matches(&name).count(), 128);
        group.bench_function(BenchmarkId::new("128 matches", size), |b| {
            b.iter(|| {
                tree.matches(black_box(&name))
                    .fold(0, |sum, value| sum ^ value)
            });
        });
        let mut buffer = [0; 64];
        group.bench_function(BenchmarkId::new("128 filters", size), |b| {
            b.iter(|| {
                for (filter, value) in tree.matches(black_box(&name)).with_filters() {
                    black_box((filter.copy_to(&mut buffer), value));
                }
            });
        });
    }
}

fn change(c: &mut Criterion) {
    let mut group = c.benchmark_group("change");
    for size in SIZES {
        let mut filters = filters(size, mixed);
        let mut tree = filter_tree(&filters);
        shuffle(&mut filters);
        // Removing and inserting in turn keeps the size.
        let mut next = filters.iter().cycle();
        group.bench_function(BenchmarkId::new("remove and insert", size), |b| {
            b.iter(|| {
                let filter = next.next().expect("a cycle");
                let value = tree.remove(filter).expect("inserted");
                tree.insert(filter, value)
            });
        });
        group.bench_function(BenchmarkId::new("replace", size), |b| {
            b.iter(|| {
                let filter = next.next().expect("a cycle");
                tree.insert(filter, 0)
            });
        });
    }
    group.sample_size(10);
    let filters = filters(100_000, mixed);
    group.bench_function("build 100000", |b| b.iter(|| filter_tree(&filters)));
    group.bench_function("clear 100000", |b| {
        let full = || filter_tree(&filters);
        let clear = |mut tree: FilterTree<u32>| {
            filters.iter().for_each(|filter| {
                tree.remove(filter);
            });
            tree
        };
        b.iter_batched(full, clear, BatchSize::LargeInput);
    });
}

fn reverse(c: &mut Criterion) {
    let mut group = c.benchmark_group("reverse");
    for size in SIZES {
        let mut tree = TopicTree::new();
        for n in 0..size {
            let name: TopicName = topic(n).parse().expect("a name");
            tree.insert(&name, n);
        }
        let names = names(size, topic);
        let mut next = names.iter().cycle();
        group.bench_function(BenchmarkId::new("plain", size), |b| {
            b.iter(|| {
                let name = next.next().expect("a cycle").as_bytes();
                let filter = TopicFilter::try_from(name).expect("a filter");
                tree.matching(&filter).count()
            });
        });
        let mut bench = |shape, text: String, matches| {
            let filter = TopicFilter::try_from(text).expect("a filter");
            assert_eq!(tree.matching(&filter).count(), matches);
            group.bench_function(BenchmarkId::new(shape, size), |b| {
                b.iter(|| tree.matching(&filter).fold(0, |sum, value| sum ^ value));
            });
        };
        let one = topic(17);
        bench("plus last", one.replace("temperature", "+"), 1);
        bench("hash below", one.replace("temperature", "#"), 1);
        bench("plus twice", one.replace("fleet/7", "+/+"), 1);
        bench("a site", "fleet/7/site-1/#".into(), size / 1_000);
    }
}

criterion_group!(benches, memory, single, look_up, change, reverse);
criterion_main!(benches);
