//! The examples of sections 4.7 and 4.8.2, and what others had wrong: `testdata/topics`.

#![allow(clippy::unwrap_used)]

#[path = "../../examples/inspect/topics.rs"]
mod inspect;

use std::thread;

use mqtt_sansio::topic::{FilterTree, TopicFilter, TopicName, TopicTree};
use mqtt_sansio::{InvalidText, Version};
use proptest::collection::vec;
use proptest::prelude::*;

/// The lines of a file that are cases, as four fields, with their numbers.
fn cases(text: &str) -> Vec<(usize, [&str; 4])> {
    let lines = (1..).zip(text.lines());
    let cases = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with("--"));
    cases
        .map(|(number, line)| {
            let fields: Vec<_> = line.split(" | ").collect();
            let fields = fields.try_into();
            (
                number,
                fields.unwrap_or_else(|_| panic!("{number}: {line}")),
            )
        })
        .collect()
}

/// As 5.0 reads it.
fn inner(text: &str) -> TopicFilter {
    let filter: TopicFilter = text.parse().unwrap();
    match filter.shared().unwrap() {
        Some(shared) => shared.filter.to_owned(),
        None => filter,
    }
}

#[test]
fn matching() {
    let cases = cases(include_str!("../../testdata/topics/match.txt"));
    assert!(cases.len() > 120);
    for &(number, [filter, name, expected, _]) in &cases {
        let expected = match expected {
            "yes" => true,
            "no" => false,
            other => panic!("line {number}: {other}"),
        };
        let (filter, name) = (inner(filter), TopicName::new(name).unwrap());
        assert_eq!(filter.matches(&name), expected, "line {number}");
        let mut filters = FilterTree::new();
        filters.insert(&filter, ());
        assert_eq!(
            filters.matches(&name).count(),
            usize::from(expected),
            "line {number}"
        );
        let mut names = TopicTree::new();
        names.insert(&name, ());
        assert_eq!(
            names.matching(&filter).count(),
            usize::from(expected),
            "line {number}"
        );
    }
}

/// The same, with the filters and the names of all lines beside each other.
#[test]
fn matching_in_full_trees() {
    let cases = cases(include_str!("../../testdata/topics/match.txt"));
    let (mut filters, mut names) = (FilterTree::new(), TopicTree::new());
    for (number, [filter, name, _, _]) in &cases {
        filters
            .get_or_insert_with(&inner(filter), Vec::new)
            .push(*number);
        names
            .get_or_insert_with(&TopicName::new(name).unwrap(), Vec::new)
            .push(*number);
    }
    for (number, [filter, name, expected, _]) in cases {
        let (filter, name) = (inner(filter), TopicName::new(name).unwrap());
        let mut lines = filters.matches(&name).flatten();
        assert_eq!(
            lines.any(|&line| line == number),
            expected == "yes",
            "line {number}"
        );
        let mut lines = names.matching(&filter).flatten();
        assert_eq!(
            lines.any(|&line| line == number),
            expected == "yes",
            "line {number}"
        );
    }
}

/// `inspect --topics` on the same files: a line of which only the filter or the name is a case has
/// a plain one for the other.
#[test]
fn inspect_says_what_the_vectors_say() {
    for (number, [filter, name, expected, _]) in
        cases(include_str!("../../testdata/topics/match.txt"))
    {
        let expected = if expected == "yes" { "match" } else { "no" };
        let line = format!("{filter}\t{name}");
        assert_eq!(inspect::verdict(line.as_bytes()), expected, "line {number}");
    }
    for (number, [text, versions, expected, _]) in
        cases(include_str!("../../testdata/topics/valid.txt"))
    {
        if versions == "3.1.1" || bytes(text).contains(&b'\t') {
            continue;
        }
        let (line, invalid) = match text.strip_prefix("name ") {
            Some(name) => ([b"#\t", &bytes(name)[..]].concat(), "invalid-topic"),
            None => {
                let filter = text.strip_prefix("filter ").unwrap();
                ([&bytes(filter)[..], b"\t/x"].concat(), "invalid-filter")
            }
        };
        let invalid = (expected != "ok").then_some(invalid);
        let found = inspect::verdict(&line);
        let found = Some(found).filter(|found| found.starts_with("invalid"));
        assert_eq!(found, invalid, "line {number}");
    }
}

#[test]
fn inspect_splits_at_the_first_tab() {
    for (line, expected) in [
        ("a/#\ta/b\tc", "match"),
        ("a\ta\r", "no"),
        ("a", "invalid-topic"),
        ("a\t", "invalid-topic"),
        ("", "invalid-filter"),
        ("\ta", "invalid-filter"),
        ("a#\ta#", "invalid-filter"),
        ("$share/g/#\t$SYS", "no"),
        ("$share/g/+\tx", "match"),
        ("$share/g\tx", "invalid-filter"),
        ("$share/g", "invalid-filter"),
    ] {
        assert_eq!(inspect::verdict(line.as_bytes()), expected, "{line:?}");
    }
}

/// Runs `work` on a thread whose stack is too small for recursion by levels or by nodes.
fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new().stack_size(32 << 10);
    thread.spawn(work).unwrap().join().unwrap();
}

#[test]
fn deep_filters_cost_no_stack() {
    on_a_small_stack(|| {
        let separators = "/".repeat(65_535);
        let half = &separators[..40_000];
        let filters = [
            separators.clone(),
            "+/".repeat(32_767),
            format!("{}#", &separators[1..]),
            format!("{half}+"),
        ];
        let filters = filters.map(|text| TopicFilter::try_from(text).unwrap());
        let mut tree = FilterTree::new();
        for (value, filter) in filters.iter().enumerate() {
            assert_eq!(tree.insert(filter, value), None);
        }
        let found = |name: &str| {
            let name = TopicName::new(name).unwrap();
            let mut found: Vec<_> = tree.matches(&name).copied().collect();
            found.sort();
            found
        };
        assert_eq!(found(&separators), [0, 2]);
        assert_eq!(found(&separators[..32_767]), [1]);
        assert_eq!(found(&separators[1..]), [2]);
        assert_eq!(found(&separators[2..]), [2]);
        assert_eq!(found(&separators[3..]), [0_usize; 0]);
        assert_eq!(found(&format!("{half}x")), [3]);
        assert_eq!(found(half), [3]);
        let entries = |tree: &FilterTree<usize>| -> Vec<_> {
            let entries = tree.iter();
            entries
                .map(|(filter, value)| (filter.to_owned(), *value))
                .collect()
        };
        assert_eq!(entries(&tree.clone()), entries(&tree));
        drop(tree.clone());
        for filter in &filters {
            assert!(tree.remove(filter).is_some());
        }
        assert!(tree.is_empty());
    });
}

#[test]
fn deep_names_cost_no_stack() {
    on_a_small_stack(|| {
        let separators = "/".repeat(65_535);
        let half = format!("{}a", &separators[..40_000]);
        let mut tree = TopicTree::new();
        tree.insert(&TopicName::new(&separators).unwrap(), 0);
        tree.insert(&TopicName::new(&half).unwrap(), 1);
        let plus = "+/".repeat(32_767);
        for (filter, expected) in [
            ("#", &[0, 1][..]),
            ("/#", &[0, 1]),
            ("+/#", &[0, 1]),
            (&format!("{}#", &plus[..60_000]), &[0, 1]),
            (&separators, &[0]),
            (&plus, &[]),
            (&half, &[1]),
            (&format!("{}+", &separators[..40_000]), &[1]),
        ] {
            let filter = TopicFilter::new(filter).unwrap();
            assert!(tree.matching(&filter).eq(expected));
        }
        assert_eq!(tree.remove(&TopicName::new(&separators).unwrap()), Some(0));
        assert_eq!(tree.iter().count(), 1);
    });
}

/// The bytes of a text with its escapes.
fn bytes(text: &str) -> Vec<u8> {
    if let Some((part, times)) = text.rsplit_once(" * ") {
        return bytes(part).repeat(times.parse().unwrap());
    }
    let mut parts = text.split("\\x");
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts.filter(|part| !part.is_empty()) {
        let (byte, rest) = part.split_at(2);
        bytes.push(u8::from_str_radix(byte, 16).unwrap());
        bytes.extend(rest.as_bytes());
    }
    bytes
}

fn validate(text: &str, version: Version) -> Result<(), InvalidText> {
    if let Some(name) = text.strip_prefix("name ") {
        return TopicName::try_from(&bytes(name)[..]).map(|_| ());
    }
    let filter = bytes(text.strip_prefix("filter ").expect("name or filter"));
    let filter = TopicFilter::try_from(&filter[..])?;
    match version {
        Version::V5 => filter.shared().map(|_| ()),
        _ => Ok(()),
    }
}

#[test]
fn validity() {
    let cases = cases(include_str!("../../testdata/topics/valid.txt"));
    assert!(cases.len() > 80);
    for (number, [text, versions, expected, statements]) in cases {
        let (v311, v5) = statements
            .split_once(',')
            .unwrap_or((statements, statements));
        let mut seen = 0;
        for (label, version, statement) in
            [("3.1.1", Version::V311, v311), ("5.0", Version::V5, v5)]
        {
            if versions != "both" && versions != label {
                continue;
            }
            seen += 1;
            match validate(text, version) {
                Ok(()) => assert_eq!(expected, "ok", "line {number}, {label}"),
                Err(InvalidText { kind, offset, .. }) => {
                    let found = format!("{kind:?} at {offset}");
                    assert_eq!(found, expected, "line {number}, {label}");
                    assert_eq!(kind.statement(version), statement, "line {number}, {label}");
                }
            }
        }
        assert_ne!(seen, 0, "line {number}: {versions}");
    }
}

/// Text in which a wildcard, a separator and a line feed are as likely as a letter.
fn topic_like() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        4 => Just("/"),
        3 => Just("+"),
        1 => Just("#"),
        2 => Just("a"),
        1 => Just("b"),
        1 => Just("é"),
        1 => Just("$"),
        1 => Just("$share/g/"),
        1 => Just("a-level-and-more/"),
    ];
    vec(part, 0..8).prop_map(|parts| parts.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn any_bytes_match_as_the_rules_say(bytes in vec(any::<u8>(), 0..60)) {
        support::topic::matching(&bytes);
    }

    #[test]
    fn topics_match_as_the_rules_say(fields in [topic_like(), topic_like(), topic_like()]) {
        support::topic::matching(&fields.join(&b'\n'));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn trees_equal_a_scan(bytes in vec(any::<u8>(), 0..1_200)) {
        support::topic::trees(&bytes);
    }

    #[test]
    fn e4_e11_look_ups_go_on_while_the_trees_change(bytes in vec(any::<u8>(), 0..1_200)) {
        support::topic::slices(&bytes);
    }
}
