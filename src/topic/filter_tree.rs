use super::{Matches, Position, TextMap, TopicFilter, TopicName};

/// Values under topic filters, found by topic name: the subscriptions of a server.
///
/// ```
/// use mqtt_sansio::topic::{FilterTree, TopicFilter, TopicName};
///
/// let mut tree = FilterTree::new();
/// for (client, filter) in [(1, "sport/#"), (2, "sport/+/player1"), (3, "sport/#"), (4, "+")] {
///     // Many clients may have the same filter: their list is its value.
///     tree.get_or_insert_with(&TopicFilter::new(filter)?, Vec::new).push(client);
/// }
/// let name = TopicName::new("sport/tennis/player1")?;
/// let mut clients: Vec<_> = tree.matches(&name).flatten().collect();
/// clients.sort();
/// assert_eq!(clients, [&1, &2, &3]);
/// # Ok::<(), mqtt_sansio::InvalidText>(())
/// ```
///
/// Filters are stored unchanged. For a shared subscription, insert the
/// [inner filter](TopicFilter::shared).
///
/// # Cost
///
/// A look-up neither allocates nor recurses. It visits each beginning of a stored filter that
/// matches a beginning of the name, once, and filters share their beginnings. Its cost therefore
/// depends on the levels and the matches, not on the number of filters. A beginning may match where
/// no whole filter does, however: clients that store filters such as `a/+/a/x` with `a` and `+` in
/// all combinations can make one look-up visit them all.
///
/// At worst, where `n` nodes have text that, behind the text above them, matches so far, and `m`
/// values are found, a look-up takes 3 × `n` + `m` + 1 steps. A step compares the name with the text
/// of at most two nodes, which is up to 58 bytes. For each `+` in that text it reads at most 256
/// bytes of the name, however long the level is. All steps together read the name once more if it
/// has a level of more than 128 bytes. A filter of `b` bytes adds at most `b` / 53 + 4 nodes.
///
/// A server need not rely on what clients choose: [`Matches::next_within`] does as many steps as it
/// is given, and [`matches_from`](TextMap::matches_from) goes on after other work, which may change
/// the tree. No value is left out.
///
/// The tree is a radix tree over the bytes of the filters. It compares and does not hash, so
/// nobody can choose filters that collide. A filter of 40 bytes takes some 110 to 170 bytes of
/// memory, its text included; a longer one about 1.3 for each byte it does not share. Each piece of
/// up to 58 bytes has room for a value, so box large ones. Memory is freed as filters are removed.
///
/// # Panics
///
/// If there would be more than 2³² nodes, which take 256 GiB.
pub type FilterTree<V> = TextMap<TopicFilter, V>;

impl<V> FilterTree<V> {
    /// Iterates over the values whose filter [matches](TopicFilter::matches) `name`, in no
    /// particular order. [`Matches::with_filters`] gives the filters, too.
    pub fn matches<'a, B: AsRef<[u8]>>(&'a self, name: &'a TopicName<B>) -> Matches<'a, V> {
        Matches::new(&self.tree, name.as_bytes())
    }

    /// Goes on with [`matches`](Self::matches) from a [position](Matches::position) that it had for
    /// the same name, also if the tree has changed since.
    ///
    /// The values of filters that have been in the tree since the look-up began are found exactly
    /// once. A filter that was inserted or removed meanwhile may be found or not.
    ///
    /// Before its first step it visits the nodes down to the position, as
    /// [`get`](TextMap::get) does: fewer than there are bytes in the position.
    pub fn matches_from<'a, B: AsRef<[u8]>>(
        &'a self,
        name: &'a TopicName<B>,
        position: &Position,
    ) -> Matches<'a, V> {
        let mut matches = self.matches(name);
        matches.seek(&position.bound);
        matches
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use alloc::format;
    use alloc::string::String;
    use alloc::vec::Vec;

    use super::*;
    use crate::topic::radix::Node;
    use crate::topic::{LookUp, cost};

    fn filter(text: &str) -> TopicFilter<&[u8]> {
        TopicFilter::new(text).unwrap()
    }

    fn name(text: &str) -> TopicName<&[u8]> {
        TopicName::new(text).unwrap()
    }

    /// The values that the tree finds, sorted, and those that a scan finds. Filters come with their
    /// own value.
    fn both(tree: &FilterTree<usize>, topic: &str) -> (Vec<usize>, Vec<usize>) {
        let topic = name(topic);
        let mut found: Vec<_> = tree.matches(&topic).copied().collect();
        let with_filters = tree.matches(&topic).with_filters();
        let values = with_filters.map(|(filter, value)| {
            assert_eq!(tree.get(&filter.to_owned()), Some(value), "{filter}");
            *value
        });
        assert!(values.eq(found.iter().copied()), "{topic}");
        found.sort();
        let entries = tree.iter();
        let entries = entries.filter(|(filter, _)| filter.to_owned().matches(&topic));
        let mut expected: Vec<_> = entries.map(|(_, &value)| value).collect();
        expected.sort();
        (found, expected)
    }

    /// Every filter and every name of up to five of these characters at once.
    #[test]
    fn equals_a_scan_for_all_short_filters() {
        fn all(alphabet: &str) -> impl Iterator<Item = String> {
            let size = alphabet.len();
            (1..=5).flat_map(move |len| {
                (0..size.pow(len)).map(move |number| {
                    let digits = (0..len).map(|place| number / size.pow(place) % size);
                    digits
                        .map(|digit| alphabet.as_bytes()[digit] as char)
                        .collect()
                })
            })
        }
        let mut tree = FilterTree::new();
        for text in all("a/+#$") {
            if let Ok(filter) = TopicFilter::new(&text) {
                tree.insert(&filter, tree.len());
            }
        }
        assert!(tree.len() > 400);
        for topic in all("a/$b") {
            let (found, expected) = both(&tree, &topic);
            assert_eq!(found, expected, "{topic}");
        }
    }

    /// Levels that part in the middle of nodes, and at their ends.
    fn level(random: &mut u64, levels: &[&str]) -> String {
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        let pick = (*random >> 20) as usize % levels.len();
        let long = match *random >> 60 {
            0 => 60,
            _ => 1,
        };
        levels[pick].repeat(long)
    }

    #[test]
    fn equals_a_scan_after_random_inserts_and_removes() {
        let mut random = 0x2545_F491_4F6C_DD1D;
        let mut tree = FilterTree::new();
        let mut model = BTreeMap::new();
        for round in 0..12_000 {
            let some = [
                "", "a", "ab", "abc", "b", "é", "$SYS", "+", "+", "+", "1", "12", "13",
            ];
            let depth = 1 + round % 5;
            let mut text: Vec<_> = (0..depth)
                .map(|_| match level(&mut random, &some) {
                    level if level.starts_with('+') => "+".into(),
                    level => level,
                })
                .collect();
            if random % 4 == 0 {
                text.push("#".into());
            }
            let text = text.join("/");
            if text.is_empty() {
                continue;
            }
            if random % 7 < if round < 8_000 { 5 } else { 2 } {
                let old = tree.insert(&filter(&text), round);
                assert_eq!(old, model.insert(text, round));
            } else {
                assert_eq!(tree.remove(&filter(&text)), model.remove(&text));
            }
            if round % 20 == 0 {
                let levels: Vec<_> = (0..depth).map(|_| level(&mut random, &some[..7])).collect();
                let topic = levels.join("/");
                if !topic.is_empty() {
                    let name = name(&topic);
                    let mut found: Vec<_> = tree.matches(&name).copied().collect();
                    found.sort();
                    let scan = model.iter().filter(|(text, _)| filter(text).matches(&name));
                    let mut expected: Vec<_> = scan.map(|(_, &value)| value).collect();
                    expected.sort();
                    assert_eq!(found, expected, "{topic}");
                }
            }
            assert_eq!(tree.len(), model.len());
        }
        assert!(model.len() > 300, "{}", model.len());
        let keys = tree
            .iter()
            .map(|(filter, &value)| (format!("{filter}"), value));
        assert!(keys.eq(model.iter().map(|(text, value)| (text.clone(), *value))));
        for text in model.keys() {
            assert!(tree.remove(&filter(text)).is_some());
        }
        assert!(tree.is_empty());
        assert_eq!(tree.iter().count(), 0);
    }

    /// Every beginning of every filter matches, and each is on the way to the next one.
    #[test]
    fn all_ways_are_taken_once() {
        let mut tree = FilterTree::new();
        for number in 0..1 << 10 {
            let levels = (0..10).map(|place| match number >> place & 1 {
                0 => "a/",
                _ => "+/",
            });
            let text: String = levels.collect();
            tree.insert(&filter(&format!("{text}x")), number);
            tree.insert(&filter(&format!("{text}y")), 1 << 10 | number);
        }
        for (last, first) in [("x", 0), ("y", 1 << 10)] {
            let (found, _) = both(&tree, &format!("{}{last}", "a/".repeat(10)));
            assert!(found.into_iter().eq(first..first + (1 << 10)));
        }
        for other in ["z", "", "x/y"] {
            assert!(
                both(&tree, &format!("{}{other}", "a/".repeat(10)))
                    .0
                    .is_empty()
            );
        }
        assert_eq!(
            both(&tree, &format!("b/{}x", "a/".repeat(9))).0.len(),
            1 << 9
        );
    }

    #[test]
    fn no_match_after_the_last() {
        let mut tree = FilterTree::new();
        tree.insert(&filter("+/b"), 1);
        tree.insert(&filter("a/b"), 2);
        let topic = name("a/b");
        let mut matches = tree.matches(&topic);
        let mut again = matches.clone();
        assert_eq!(matches.by_ref().count(), 2);
        assert_eq!((matches.next(), matches.next()), (None, None));
        assert_eq!(again.next(), Some(&1));
    }

    #[test]
    fn unsubscribing_leaves_the_others() {
        let mut tree = FilterTree::new();
        for (value, text) in ["a/b", "a/b/c", "a/+", "a/#", "#"].into_iter().enumerate() {
            tree.insert(&filter(text), value);
        }
        assert_eq!(tree.remove(&filter("a/b")), Some(0));
        assert_eq!(tree.remove(&filter("a/b")), None);
        assert_eq!(tree.get(&filter("a/b/c")), Some(&1));
        assert_eq!(both(&tree, "a/b").0, [2, 3, 4]);
        *tree.get_mut(&filter("a/+")).unwrap() = 9;
        assert_eq!(both(&tree, "a/b").0, [3, 4, 9]);
        assert_eq!(tree.get_mut(&filter("a/x")), None);
    }

    /// The filters of E4: `{a,+}` in each level but the last ones.
    fn all_ways(levels: usize, last: &str) -> FilterTree<usize> {
        let mut tree = FilterTree::new();
        for number in 0..1 << levels {
            let ways = (0..levels).map(|place| ["a/", "+/"][number >> place & 1]);
            let text: String = ways.collect();
            tree.insert(&filter(&format!("{text}{last}")), number);
        }
        tree
    }

    /// The nodes at which a look-up must stand: there is more below them, and their text matches the
    /// beginning of the name.
    fn on_the_way<V>(tree: &FilterTree<V>, name: &[u8]) -> usize {
        let matches = |key: &[u8]| {
            let mut at = 0;
            for &byte in key {
                match byte {
                    b'+' if at == 0 && name[0] == b'$' => return false,
                    b'+' if at <= name.len() => {
                        let ahead = name[at..].iter().position(|&byte| byte == b'/');
                        at += ahead.unwrap_or(name.len() - at);
                    }
                    b'/' if at == name.len() => at += 1,
                    _ if name.get(at) == Some(&byte) => at += 1,
                    _ => return false,
                }
            }
            true
        };
        let nodes = (0_u32..).zip(&tree.tree.nodes);
        let above = nodes.filter(|(_, node)| node.count() > 0);
        above
            .filter(|&(node, _)| matches(&tree.tree.key(node).to_vec()))
            .count()
    }

    /// Goes through a look-up in slices. Returns its steps.
    fn within_its_bound<V>(tree: &FilterTree<V>, topic: &str, slice: usize) -> usize {
        let name = name(topic);
        let pluses = |node: &Node| node.text().iter().filter(|&&byte| byte == b'+').count();
        let pluses = tree.tree.nodes.iter().map(pluses).max().unwrap_or_default();
        let (mut found, mut used, mut read) = (0, 0, 0);
        let on_the_way = on_the_way(tree, topic.as_bytes());
        let mut matches = tree.matches(&name);
        loop {
            let mut steps = slice;
            let (next, nodes, bytes) = cost::measure(|| matches.next_within(&mut steps));
            let taken = slice - steps;
            used += taken;
            let most = (taken + 1) * 2 * (58 + pluses * 256);
            if bytes > most {
                // Once as a whole.
                read += topic.len();
                assert_eq!(read, topic.len(), "{topic:.30}: {bytes}, at most {most}");
                assert!(bytes <= most + read, "{topic:.30}: {bytes}");
            }
            assert!(nodes <= 6 * (taken + 1), "{topic:.30}: {nodes}, {taken}");
            match next {
                LookUp::Found(_) => found += 1,
                LookUp::NotYet => assert_eq!(steps, 0),
                LookUp::End => break,
            }
            let most = 3 * on_the_way + found + 1;
            assert!(used < most, "{topic:.30}: {used} steps, at most {most}");
        }
        assert!(used <= 3 * on_the_way + found + 1, "{topic:.30}: {used}");
        assert_eq!(found, tree.matches(&name).count());
        used
    }

    #[test]
    fn e4_a_look_up_stays_within_its_bound() {
        let long = "y".repeat(65_000);
        let below = "a/".repeat(9);
        for (last, topics) in [
            ("x", [format!("{below}x"), format!("{below}{long}")]),
            ("+/x", [format!("{below}{long}"), format!("{below}y/x")]),
            // Of more text than a node holds, with levels that are long, too.
            (
                &*format!("{}x", "+/".repeat(40)),
                [
                    format!("{below}{}", format!("{}/", &long[..1_500]).repeat(42)),
                    format!("{below}{}x", format!("{}/", &long[..1_500]).repeat(40)),
                ],
            ),
        ] {
            let mut tree = all_ways(9, last);
            for also in ["#", "+/#", "a/+/#", "+/+/+/+", "$a/+", "a/a"] {
                tree.insert(&filter(also), 0);
            }
            for topic in topics {
                for slice in [1, 7, 100, usize::MAX] {
                    within_its_bound(&tree, &topic, slice);
                }
            }
        }
        // More ways are open than are known, and the way back leads over a long level.
        let mut tree = FilterTree::new();
        tree.insert(&filter("z/b"), 0);
        for (way, value) in all_ways(9, "x").iter() {
            tree.insert(&filter(&format!("+/+/{way}")), *value);
        }
        within_its_bound(&tree, &format!("z/{}/{below}x", &long[..30_000]), 1);
        // It is the ways through the tree that count, not the filters in it.
        let mut tree = all_ways(4, "x");
        let steps = within_its_bound(&tree, "a/a/a/a/x", usize::MAX);
        for number in 0..20_000 {
            tree.insert(&filter(&format!("b{number}/+/+/a/x")), number);
        }
        assert!(within_its_bound(&tree, "a/a/a/a/x", usize::MAX) <= steps + 3);
    }

    #[test]
    fn e4_no_level_is_read_for_each_filter() {
        let tree = all_ways(10, "+/x");
        let topics = ["y".repeat(10), "y".repeat(65_000)];
        let [short, long] = topics.map(|last| {
            let topic = format!("{}{last}", "a/".repeat(10));
            let name = name(&topic);
            let (found, _, bytes) = cost::measure(|| tree.matches(&name).count());
            assert_eq!(found, 0);
            bytes
        });
        // Once as a whole, and for each filter near both ends.
        let most = short + 65_000 + 1_024 * 2 * 256;
        assert!(long < most, "{long}, at most {most}");
    }

    /// A deep chain of nodes is no step either.
    #[test]
    fn e4_deep_filters_are_left_in_steps() {
        let separators = "/".repeat(20_000);
        let mut tree = FilterTree::new();
        for len in 1..2_000 {
            tree.insert(&filter(&separators[..len]), len);
        }
        tree.insert(&filter(&format!("{}a", "+/".repeat(10_000))), 0);
        for topic in [&separators[..1_999], &separators[..10_000], "a/b"] {
            within_its_bound(&tree, topic, 1);
        }
    }

    /// With a pause after every step, and all of the state thrown away.
    #[test]
    fn e4_goes_on_where_it_was() {
        let mut tree = all_ways(6, "x");
        let some = [
            "#",
            "+",
            "+/#",
            "a/#",
            "a/+/#",
            "/#",
            "/+",
            "/",
            "a/a/a/a/a/a/x/#",
            "a/a",
            "a/a/",
            "$a/+",
            "$a/#",
            "a/+/a/b",
            "a/!/+",
            "a/!/#",
            "!/a",
        ];
        let long = format!("a/{}/+/#", "long".repeat(40));
        for (value, text) in some.into_iter().chain([&*long]).enumerate() {
            tree.insert(&filter(text), 100 + value);
        }
        let empty = FilterTree::new();
        let long = format!("a/{}/a/b", "long".repeat(40));
        for topic in [
            "a/a/a/a/a/a/x",
            "a/a/a/a/a/a",
            "b/a/a/a/a/a/x",
            "a",
            "/",
            "a/",
            "$a/a",
            "a/!/a",
            "a/a",
            "!/a",
            &long,
        ] {
            for tree in [&tree, &empty] {
                let name = name(topic);
                let (mut found, mut position) = (Vec::new(), Position::default());
                let mut rounds = 0;
                loop {
                    let mut matches = tree.matches_from(&name, &position).with_filters();
                    match matches.next_within(&mut 1) {
                        LookUp::Found((filter, value)) => {
                            assert_eq!(tree.get(&filter.to_owned()), Some(value));
                            found.push(*value);
                        }
                        LookUp::NotYet => {}
                        LookUp::End => break,
                    }
                    position = matches.position();
                    rounds += 1;
                    assert!(rounds < 10_000, "{topic} does not go on");
                }
                let expected: Vec<_> = tree.matches(&name).copied().collect();
                assert_eq!(found, expected, "{topic}");
            }
        }
    }
}
