//! Histories of the search as seeds of the fuzz target `proxy`: of each kind of step the shortest
//! history that ends with it.
//!
//! `cargo test --test model -- --ignored write_seeds` writes them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use mqtt_sansio::{QoS, Side as Sender, Version};
use support::proxy::plan::{self, Link};

use super::connection::ConnectionEnd;
use super::search::{Happened, Search};
use super::setting::{ALL_KEEPS, BASE, Keep, Setting};
use super::step::{Op, Side, Step};

/// Nothing is stored here, as the target does not do that.
const ONE: Setting = Setting {
    name: "one",
    connections: true,
    qos: &[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce],
    messages: [1, 0],
    quotas: &[(1, 1)],
    keeps: ALL_KEEPS,
    cuts: 2,
    abandon: true,
    refuse: true,
    disconnect: true,
    ..BASE
};

const SETTINGS: &[Setting] = &[
    ONE,
    Setting {
        name: "from-server",
        messages: [0, 1],
        ..ONE
    },
    Setting {
        name: "of-v311",
        version: Version::V311,
        messages: [1, 0],
        refuse: false,
        ..ONE
    },
    Setting {
        name: "two",
        messages: [2, 0],
        quotas: &[(2, 2)],
        keeps: &[Keep::Both],
        cuts: 1,
        disconnect: false,
        ..ONE
    },
];

/// A seed, and the packets that leave and arrive in its history.
struct Seed {
    bytes: Vec<u8>,
    packets: Vec<String>,
}

fn seeds() -> BTreeMap<String, Seed> {
    let mut seeds = BTreeMap::new();
    for setting in SETTINGS {
        let mut search = Search::<ConnectionEnd>::new(setting);
        let found = search.run(usize::MAX);
        assert!(found.is_ok(), "{found:?}");
        for (nth, history) in search.shortest_of_each_kind().into_iter().enumerate() {
            if let Some(seed) = seed(setting, &history) {
                seeds.insert(format!("search-{}-{nth}", setting.name), seed);
            }
        }
    }
    seeds
}

/// The history as an input, unless the target's applications do not do one of its steps, or do more.
fn seed(setting: &Setting, history: &[(Step, Happened)]) -> Option<Seed> {
    let link = |keep: Keep, quotas: usize| Link {
        clean: keep == Keep::LostByA,
        lost: keep == Keep::LostByB,
        maximum: setting.quotas[quotas].into(),
    };
    // The target begins with a link.
    let mut links = history.iter().filter_map(|(step, _)| match step {
        Step::Reconnect(keep, quotas) => Some(link(*keep, *quotas)),
        _ => None,
    });
    let first = links.next()?;
    let mut packets = Vec::new();
    let mut steps = Vec::new();
    for (step, happened) in history {
        let (side, what) = match step {
            Step::Deliver(side) => (side, "arrives"),
            Step::On(side, _) => (side, "leaves"),
            _ => (&Side::A, ""),
        };
        let told = |packet| format!("{:?} {} {packet}", sender(*side), what);
        packets.extend(happened.packet.map(|packet| told(packet.kind())));
        steps.extend(match step {
            Step::On(side, Op::Publish(qos)) => Some(plan::Step::Publish(sender(*side), *qos)),
            Step::On(side, Op::Transmit) => Some(plan::Step::Transmit(sender(*side))),
            Step::On(side, Op::Acknowledge(_, refuses)) => {
                let nth = happened.answered?.into();
                Some(plan::Step::Acknowledge(sender(*side), nth, *refuses))
            }
            Step::On(side, Op::Abandon(nth)) => Some(plan::Step::Abandon(sender(*side), *nth)),
            Step::On(side, Op::Disconnect) => Some(plan::Step::Disconnect(sender(*side))),
            Step::On(..) => return None,
            Step::Deliver(side) => Some(plan::Step::Deliver(sender(*side))),
            // The next link begins where the one before ends.
            Step::CutLink => links.next().map(plan::Step::Reconnect),
            Step::Reconnect(..) => None,
        });
    }
    let (bytes, seen) = plan::encode(setting.version, first, &steps).ok()?;
    (seen == packets).then_some(Seed { bytes, packets })
}

fn sender(side: Side) -> Sender {
    match side {
        Side::A => Sender::Client,
        Side::B => Sender::Server,
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/proxy")
}

/// The seeds are those that are written, and the target follows their histories.
#[test]
fn the_seeds_are_histories_of_the_search() {
    let seeds = seeds();
    for (name, seed) in &seeds {
        let bytes = fs::read(folder().join(format!("{name}.bin")));
        assert_eq!(bytes.ok().as_ref(), Some(&seed.bytes), "{name}");
        assert_eq!(plan::decode(&seed.bytes), seed.packets, "{name}");
    }
    let files = fs::read_dir(folder()).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let written = names.filter(|name| name.starts_with("search-")).count();
    assert_eq!(written, seeds.len(), "`write_seeds` writes them again");
}

#[test]
#[ignore = "writes files"]
fn write_seeds() {
    for (name, seed) in seeds() {
        fs::write(folder().join(format!("{name}.bin")), seed.bytes).unwrap();
    }
}
