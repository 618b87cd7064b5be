//! Matching one filter with one topic, and looking a topic up in an index of many filters.
//!
//! | crate | matching | index |
//! |---|---|---|
//! | mqtt-sansio | `TopicFilter::matches` | `FilterTree::matches` |
//! | rumqttc | `mqttbytes::matches` | - |
//! | mqtt5-protocol | `validation::topic_matches_filter`; its `topic_matching::matches` checks both first and takes longer | - |
//! | mqtt-codec-kit | `TopicFilterMatcher::is_match` | - |
//! | mqtt-topic-engine | - | `TopicMatcherNode::find_by_path` |
//!
//! When one filter is matched, who has types for a filter and a topic gets them made, and so
//! checked, outside of the clock. Look-ups are in two tables. "From text", each starts with the
//! `&str` of a PUBLISH: ours checks it, mqtt-topic-engine cuts it into a vector of levels, without
//! which it looks nothing up. "Made or cut before", that is outside of the clock. Of
//! mqtt-topic-engine this is the tree below its `TopicRouter`, with a value as small as ours: the
//! router looks up a hash map more for each match.
//!
//! All have to find the same before they are timed. So no topic here starts with a letter that is
//! not ASCII, at which rumqttc panics, or with `$`, which it never matches.
//!
//! Ours is asked as it is after the inserts, and once more after `compact`.
//!
//! Look-ups take the topics at random from 65,536, so at a million filters most of an index is not
//! in the processor's caches.

use std::hint::black_box;

use mqtt_codec_kit::common::TopicNameRef;
use mqtt_codec_kit::common::topic_filter::TopicFilterRef;
use mqtt_sansio::topic::{FilterTree, TopicFilter, TopicName};
use mqtt_topic_engine::topic_matcher::{Len, TopicMatcherNode};
use mqtt_topic_engine::{TopicPath, TopicPatternPath};

use crate::table::Columns;
use crate::timing::{Effort, Meter, Run};

pub const PEERS: [&str; 4] = [
    "rumqttc",
    "mqtt5-protocol",
    "mqtt-codec-kit",
    "mqtt-topic-engine",
];

pub fn print(filter: &str, effort: Effort) {
    matching(filter, effort);
    look_ups(From::Text, filter, effort);
    look_ups(From::Made, filter, effort);
}

type Pair = (&'static str, &'static str, &'static str, bool);

const PAIRS: [Pair; 12] = [
    (
        "exact",
        "sport/tennis/player1/ranking",
        "sport/tennis/player1/ranking",
        true,
    ),
    ("exact, short", "a/b", "a/b", true),
    ("exact, long levels", LONG, LONG, true),
    (
        "+",
        "sport/+/player1/+",
        "sport/tennis/player1/ranking",
        true,
    ),
    ("+, short", "+/b", "a/b", true),
    ("all +", "+/+/+/+", "sport/tennis/player1/ranking", true),
    ("#", "sport/tennis/#", "sport/tennis/player1/ranking", true),
    ("# alone", "#", "sport/tennis/player1/ranking", true),
    (
        "deep",
        "a/b/c/d/+/f/g/h/i/j/k/l/+/n/o/p",
        "a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p",
        true,
    ),
    (
        "no match, first level",
        "music/tennis/player1/ranking",
        "sport/tennis/player1/ranking",
        false,
    ),
    (
        "no match, last level",
        "sport/+/player1/score",
        "sport/tennis/player1/ranking",
        false,
    ),
    (
        "non-ASCII",
        "haus/+/temperatur/außen/#",
        "haus/küche/temperatur/außen/°C",
        true,
    ),
];

const LONG: &str =
    "devices/9f86d081884c7d659a2feaa0c55ad015/telemetry/8b1a9953c4611296a827abf8c47804d7";

fn matching(wanted: &str, effort: Effort) {
    let columns = Columns::new("filter", &["mqtt-sansio"], &PEERS[..3]);
    columns.print("Match one filter with one topic", "a match", effort);
    for (name, filter, topic, expected) in PAIRS {
        if !name.contains(wanted) {
            continue;
        }
        let ours = (
            TopicFilter::new(filter).unwrap(),
            TopicName::new(topic).unwrap(),
        );
        let kit = TopicFilterRef::new(filter).unwrap().get_matcher();
        let kit = (kit, TopicNameRef::new(topic).unwrap());
        let mut runs = [
            again(expected, ours, |(filter, topic)| filter.matches(topic)),
            again(expected, (topic, filter), |(topic, filter)| {
                rumqttc::mqttbytes::matches(topic, filter)
            }),
            again(expected, (topic, filter), |(topic, filter)| {
                mqtt5_protocol::validation::topic_matches_filter(topic, filter)
            }),
            again(expected, kit, |(filter, topic)| filter.is_match(topic)),
        ];
        columns.row(name, &mut runs, effort);
    }
}

/// Does one thing again and again.
fn again<T: 'static>(expected: bool, on: T, matches: fn(&T) -> bool) -> Option<Run> {
    assert_eq!(matches(&on), expected);
    Some(Box::new(move |meter: &mut Meter| {
        meter.measure(512, || {
            for _ in 0..512 {
                black_box(matches(black_box(&on)));
            }
        });
    }))
}

const SIZES: [usize; 3] = [1_000, 100_000, 1_000_000];

/// The `n`th filter of a shape, and a topic that it matches, or that none does.
type Shape = (&'static str, fn(usize) -> String, fn(usize) -> String);

const SHAPES: [Shape; 6] = [
    ("plain", topic, topic),
    ("+", plus, topic),
    ("#", hash, topic),
    ("mixed", mixed, topic),
    ("32 matches", many, topic),
    ("no match", topic, |n| {
        topic(n).replace("temperature", "humidity")
    }),
];

/// Regions and sites of a fleet, serial numbers in no order.
fn topic(n: usize) -> String {
    // Odd, so distinct numbers stay distinct.
    let serial = n.wrapping_mul(2_654_435_761) & 0xFFFF_FFFF;
    let (region, site) = (n % 10, n / 10 % 100);
    format!("fleet/{region}/site-{site}/{serial:010}/temperature")
}

fn with_levels(n: usize, change: impl Fn(&mut Vec<&str>)) -> String {
    let topic = topic(n);
    let mut levels = topic.split('/').collect();
    change(&mut levels);
    levels.join("/")
}

fn plus(n: usize) -> String {
    with_levels(n, |levels| match n % 2 {
        0 => levels[4] = "+",
        _ => levels[1..3].fill("+"),
    })
}

fn hash(n: usize) -> String {
    with_levels(n, |levels| levels[4] = "#")
}

fn mixed(n: usize) -> String {
    match n % 10 {
        0..5 => topic(n),
        5..8 => plus(n),
        _ => hash(n),
    }
}

/// Each 32 filters after another are those of one topic, with `+` and without on every level.
fn many(n: usize) -> String {
    with_levels(n / 32 * 32, |levels| {
        for (place, level) in levels.iter_mut().enumerate() {
            if n >> place & 1 == 1 {
                *level = "+";
            }
        }
    })
}

fn look_ups(from: From, wanted: &str, effort: Effort) {
    let ours = ["mqtt-sansio", "mqtt-sansio, compact"];
    let columns = Columns::new("filters", &ours, &PEERS[3..]);
    let title = match from {
        From::Text => "Look a topic up in an index of filters, from text",
        From::Made => "Look a topic up in an index of filters, made or cut before",
    };
    columns.print(title, "a topic", effort);
    for (shape, filter, topic) in SHAPES {
        for size in SIZES {
            let name = format!("{shape}, {size}");
            if !name.contains(wanted) {
                continue;
            }
            let mut topics: Vec<_> = (0..size).step_by((size / 65_536).max(1)).collect();
            if shape == "32 matches" {
                topics.iter_mut().for_each(|n| *n = *n / 32 * 32);
            }
            shuffle(&mut topics);
            let topics: Vec<_> = topics.into_iter().map(topic).collect();
            let runs = [
                index(from, size, filter, &topics, false),
                index(from, size, filter, &topics, true),
                engine(from, size, filter, &topics),
            ];
            let same = runs.windows(2).all(|pair| pair[0].1 == pair[1].1);
            assert!(same, "{name}: not the same values");
            let mut runs = runs.map(|(run, _)| Some(run));
            columns.row(&name, &mut runs, effort);
        }
    }
}

fn shuffle<T>(all: &mut [T]) {
    let mut random: usize = 0x2545_F491;
    for at in (1..all.len()).rev() {
        random = random.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
        all.swap(at, (random >> 33) % (at + 1));
    }
}

/// What an index is asked with.
#[derive(Clone, Copy)]
enum From {
    /// A `&str`, as a PUBLISH has it.
    Text,
    /// What the crate's own type for a topic makes of it.
    Made,
}

/// The values that each topic finds, sorted.
type Found = Vec<Vec<u32>>;

fn index(
    from: From,
    size: usize,
    filter: fn(usize) -> String,
    topics: &[String],
    compact: bool,
) -> (Run, Found) {
    let mut tree = FilterTree::new();
    for n in 0..size {
        tree.insert(&TopicFilter::try_from(filter(n)).unwrap(), n as u32);
    }
    if compact {
        tree.compact();
    }
    let names = topics
        .iter()
        .map(|topic| topic.parse::<TopicName>().unwrap());
    let names: Vec<_> = names.collect();
    let found = found(&names, |name, each| {
        tree.matches(name).for_each(|&value| each(value))
    });
    let run = match from {
        From::Text => each_topic(topics.to_vec(), move |topic| {
            let name = TopicName::new(topic).unwrap();
            tree.matches(&name).fold(0, |sum, value| sum ^ value)
        }),
        From::Made => each_topic(names, move |name| {
            tree.matches(name).fold(0, |sum, value| sum ^ value)
        }),
    };
    (run, found)
}

/// A value of the index, which wants to know when it may go.
#[derive(Default)]
struct Value(Option<u32>);

impl Len for Value {
    fn len(&self) -> usize {
        self.0.iter().len()
    }
}

fn engine(from: From, size: usize, filter: fn(usize) -> String, topics: &[String]) -> (Run, Found) {
    let mut tree = TopicMatcherNode::<Value>::new();
    for n in 0..size {
        let filter = TopicPatternPath::try_from(filter(n)).unwrap();
        tree.get_or_create_subscription_table(&filter).0 = Some(n as u32);
    }
    let paths = topics
        .iter()
        .map(|topic| TopicPath::new(topic.as_str()).unwrap());
    let paths: Vec<_> = paths.collect();
    let found = found(&paths, |path, each| {
        tree.find_by_path(path)
            .iter()
            .filter_map(|value| value.0)
            .for_each(each);
    });
    let look_up = move |path: &TopicPath| {
        let values = tree.find_by_path(path);
        let values = values.iter().filter_map(|value| value.0);
        values.fold(0, |sum, value| sum ^ value)
    };
    let run = match from {
        From::Text => each_topic(topics.to_vec(), move |topic| {
            look_up(&TopicPath::new(topic.as_str()).unwrap())
        }),
        From::Made => each_topic(paths, look_up),
    };
    (run, found)
}

fn found<T>(topics: &[T], look_up: impl Fn(&T, &mut dyn FnMut(u32))) -> Found {
    let sorted = |topic| {
        let mut values = Vec::new();
        look_up(topic, &mut |value| values.push(value));
        values.sort();
        values
    };
    topics.iter().map(sorted).collect()
}

/// Looks one topic after another up.
fn each_topic<T: 'static>(topics: Vec<T>, look_up: impl Fn(&T) -> u32 + 'static) -> Run {
    let mut next = 0;
    Box::new(move |meter: &mut Meter| {
        meter.measure(256, || {
            for _ in 0..256 {
                black_box(look_up(black_box(&topics[next])));
                next = (next + 1) % topics.len();
            }
        });
    })
}
