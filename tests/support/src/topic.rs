//! Properties of topics, each written once: proptests and fuzz targets call them. The rules stand
//! here a second time, level by level over `&str`, as plainly as they can be said.

use std::collections::{BTreeMap, BTreeSet};

use mqtt_sansio::topic::{
    FilterTree, LookUp, Position, StoredKey, TextKey, TopicFilter, TopicName, TopicTree,
};
use mqtt_sansio::{InvalidText, InvalidTextKind};

/// Bytes as a filter, another filter and a name, with line feeds between them.
///
/// Each is read as a filter and as a name. What is valid is matched and covered with the others.
pub fn matching(bytes: &[u8]) {
    let fields: Vec<_> = bytes.splitn(3, |&byte| byte == b'\n').collect();
    for field in &fields {
        validates(field);
        let Ok(filter) = TopicFilter::try_from(*field) else {
            continue;
        };
        splits(filter);
        for other in &fields {
            if let Ok(name) = TopicName::try_from(*other) {
                let expected = is_match(filter.to_str(), name.to_str());
                assert_eq!(filter.matches(&name), expected, "{filter:?} {name:?}");
            }
            if let Ok(other) = TopicFilter::try_from(*other) {
                let gap = witness(filter.to_str(), other.to_str());
                assert_eq!(
                    filter.covers(&other),
                    gap.is_none(),
                    "{filter:?} {other:?} {gap:?}"
                );
            }
        }
    }
    if let [filter, other, name] = fields[..] {
        covers(filter, other, name);
    }
}

/// What is valid, and that an error points at what it names.
fn validates(bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).ok();
    let text = text.filter(|text| (1..=65_535).contains(&text.len()) && !text.contains('\0'));
    let name = text.filter(|text| !text.contains(['+', '#']));
    let filter = text.filter(|text| {
        let levels: Vec<_> = text.split('/').collect();
        let last = levels.len() - 1;
        levels.iter().enumerate().all(|(at, &level)| match level {
            "+" => true,
            "#" => at == last,
            other => !other.contains(['+', '#']),
        })
    });
    let found = TopicName::try_from(bytes);
    assert_eq!(found.as_ref().ok().map(TopicName::to_str), name);
    points(bytes, found.err());
    let found = TopicFilter::try_from(bytes);
    assert_eq!(found.as_ref().ok().map(TopicFilter::to_str), filter);
    points(bytes, found.err());
}

fn points(bytes: &[u8], error: Option<InvalidText>) {
    let Some(error) = error else { return };
    let at = bytes.get(error.offset);
    let holds = match error.kind {
        InvalidTextKind::TooLong => bytes.len() > 65_535,
        InvalidTextKind::Empty => bytes.is_empty(),
        InvalidTextKind::NotUtf8 => {
            let valid = std::str::from_utf8(bytes).map_err(|error| error.valid_up_to());
            valid == Err(error.offset)
        }
        InvalidTextKind::NullCharacter => at == Some(&0),
        InvalidTextKind::WildcardInName => matches!(at, Some(b'+' | b'#')),
        InvalidTextKind::MisplacedHash => at == Some(&b'#'),
        InvalidTextKind::MisplacedPlus => at == Some(&b'+'),
        _ => false,
    };
    assert!(holds, "{error:?} {}", bytes.escape_ascii());
}

/// The parts of a shared subscription.
fn splits(filter: TopicFilter<&[u8]>) {
    let shared = filter.shared();
    let Some(rest) = filter.to_str().strip_prefix("$share/") else {
        assert_eq!(shared, Ok(None));
        return;
    };
    let parts = rest.split_once('/').filter(|(name, inner)| {
        !name.is_empty() && !name.contains(['+', '#']) && !inner.is_empty()
    });
    match (shared, parts) {
        (Ok(Some(shared)), Some((name, inner))) => {
            assert_eq!((shared.share_name, shared.filter.to_str()), (name, inner));
        }
        (Err(error), None) => assert!(error.offset <= filter.len()),
        (shared, parts) => panic!("{filter:?}: {shared:?}, not {parts:?}"),
    }
}

/// What a covered filter matches, the one that covers it matches.
fn covers(filter: &[u8], other: &[u8], name: &[u8]) {
    let (Ok(filter), Ok(other), Ok(name)) = (
        TopicFilter::try_from(filter),
        TopicFilter::try_from(other),
        TopicName::try_from(name),
    ) else {
        return;
    };
    if filter.covers(&other) && other.matches(&name) {
        assert!(filter.matches(&name), "{filter:?} {other:?} {name:?}");
    }
}

/// The words of section 4.7, over levels.
pub fn is_match(filter: &str, name: &str) -> bool {
    if filter.starts_with(['+', '#']) && name.starts_with('$') {
        return false;
    }
    let filter: Vec<_> = filter.split('/').collect();
    let name: Vec<_> = name.split('/').collect();
    let one = |(filter, name): (&&str, &&str)| *filter == "+" || filter == name;
    match filter.split_last() {
        Some((&"#", parents)) => name.len() >= parents.len() && parents.iter().zip(&name).all(one),
        _ => name.len() == filter.len() && filter.iter().zip(&name).all(one),
    }
}

/// A name that `other` matches and `filter` does not, if there is one.
///
/// It is enough to try the plainest names that `other` matches: with a level that is not in
/// `filter` for each `+`, and for `#` none of them, one, or more than `filter` has levels.
fn witness(filter: &str, other: &str) -> Option<String> {
    let levels: Vec<_> = filter.split('/').collect();
    let mut fresh = (0..).map(|n: usize| n.to_string());
    let fresh = fresh.find(|level| !levels.contains(&level.as_str()))?;
    let names = [0, 1, levels.len() + 1].map(|rest| {
        let name = other.split('/').flat_map(|level| match level {
            "+" => vec![fresh.as_str()],
            "#" => vec![fresh.as_str(); rest],
            level => vec![level],
        });
        name.collect::<Vec<_>>().join("/")
    });
    names.into_iter().find(|name| {
        // `#` alone stands for one level at least.
        !name.is_empty() && is_match(other, name) && !is_match(filter, name)
    })
}

/// Levels that part in the middle of nodes and at their ends, that need more than one node, and
/// that are enough for a table of children.
const LEVELS: [&str; 29] = [
    "", "+", "+", "+", "#", "a", "ab", "abc", "abd", "b", "$a", "$", "é", "0", "1", "2", "3", "4",
    "5", "6", "7", "8", "9", "c/d/e/f", "c/d/e/g", "/", "c/+/e", LONG, LONGER,
];
const LONG: &str = "about-half-of-the-text-of-a-node";
const LONGER: &str = "one-level-with-more-text-than-one-node-of-the-tree-has-room-for-so-far";

/// So few that most filters share their beginnings and match what is looked up.
const FEW: [&str; 8] = ["a", "+", "a", "+", "b", "+", "ab", "#"];

/// Bytes as a stream of changes and look-ups: both trees agree with maps that are scanned.
///
/// Each step is a byte that says what to do, a byte for the number of levels, and these. After each
/// one, look-ups that have begun before go on for a few steps.
pub fn trees(bytes: &[u8]) {
    change_and_look_up(bytes, &LEVELS);
}

/// The same with few levels, so that changes are often where a look-up stands.
pub fn slices(bytes: &[u8]) {
    change_and_look_up(bytes, &FEW);
}

fn change_and_look_up(bytes: &[u8], all: &[&str]) {
    let mut input = bytes.iter().copied();
    let mut trees = Trees::default();
    let (mut by_name, mut by_filter) = (Slices::default(), Slices::default());
    let mut steps = 0;
    while let Some(step) = input.next() {
        steps += 1;
        let levels = 1 + input.next().unwrap_or_default() % 6;
        let levels = input.by_ref().take(usize::from(levels));
        let levels = levels.map(|byte| all[usize::from(byte) % all.len()]);
        let text = levels.collect::<Vec<_>>().join("/");
        let topic = text.replace(['+', '#'], "a");
        match step & 7 {
            0 | 1 => trees.insert(text, topic, steps),
            2 => trees.get_or_insert(text, topic, steps),
            3..=5 => {
                let text = known(&trees.filter_model, text, step);
                let topic = known(&trees.name_model, topic, step);
                match step & 7 {
                    5 => trees.get(&text, &topic),
                    _ => trees.remove(&text, &topic),
                }
            }
            6 if step & 8 == 0 => trees.compact(usize::from(step >> 4)),
            _ => {
                found_by_name(&trees.filters, &trees.filter_model, &topic);
                found_by_filter(&trees.names, &trees.name_model, &text);
                if by_name.topic.is_none() && TopicName::new(&topic).is_ok() {
                    by_name = Slices::begin(&topic, &trees.filter_model);
                }
                if by_filter.topic.is_none() && TopicFilter::new(&text).is_ok() {
                    by_filter = Slices::begin(&text, &trees.name_model);
                }
            }
        }
        let slice = 1 + usize::from(step >> 6);
        by_name.look_up_filters(&trees.filters, &trees.filter_model, slice);
        by_filter.look_up_names(&trees.names, &trees.name_model, slice);
        assert_eq!(trees.filters.len(), trees.filter_model.len());
        assert_eq!(trees.names.len(), trees.name_model.len());
    }
    by_name.look_up_filters(&trees.filters, &trees.filter_model, usize::MAX);
    by_filter.look_up_names(&trees.names, &trees.name_model, usize::MAX);
    assert!(by_name.topic.is_none() && by_filter.topic.is_none());
    trees.empty();
}

/// A look-up that goes on while the tree changes.
#[derive(Default)]
struct Slices {
    /// What is looked up, as long as that goes on.
    topic: Option<String>,
    position: Position,
    /// What has been in the tree since it began.
    stayed: BTreeSet<String>,
    found: BTreeSet<String>,
}

impl Slices {
    fn begin(topic: &str, model: &Model) -> Self {
        Self {
            topic: Some(topic.to_owned()),
            stayed: model.keys().cloned().collect(),
            ..Self::default()
        }
    }

    fn look_up_filters(&mut self, tree: &FilterTree<usize>, model: &Model, slice: usize) {
        self.stayed.retain(|text| model.contains_key(text));
        let Some(topic) = self.topic.clone() else {
            return;
        };
        let name = TopicName::new(&topic).expect("a name");
        let mut values = tree.matches_from(&name, &self.position);
        let mut matches = values.clone().with_filters();
        let (mut steps, mut same_steps) = (slice, slice);
        loop {
            let value = values.next_within(&mut same_steps);
            let found = matches.next_within(&mut steps);
            assert_eq!((value, same_steps), (value_of(found), steps));
            match found {
                LookUp::Found((filter, value)) => {
                    let filter = text(filter);
                    assert_eq!(model.get(&filter), Some(value));
                    self.find(&filter, is_match(&filter, &topic));
                }
                LookUp::NotYet => {
                    assert_eq!(values.position(), matches.position());
                    return self.position = matches.position();
                }
                LookUp::End => return self.end(|filter| is_match(filter, &topic)),
            }
        }
    }

    fn look_up_names(&mut self, tree: &TopicTree<usize>, model: &Model, slice: usize) {
        self.stayed.retain(|text| model.contains_key(text));
        let Some(topic) = self.topic.clone() else {
            return;
        };
        let filter = TopicFilter::new(&topic).expect("a filter");
        let mut values = tree.matching_from(&filter, &self.position);
        let mut matching = values.clone().with_names();
        let (mut steps, mut same_steps) = (slice, slice);
        loop {
            let value = values.next_within(&mut same_steps);
            let found = matching.next_within(&mut steps);
            assert_eq!((value, same_steps), (value_of(found), steps));
            match found {
                LookUp::Found((name, value)) => {
                    let name = text(name);
                    assert_eq!(model.get(&name), Some(value));
                    self.find(&name, is_match(&topic, &name));
                }
                LookUp::NotYet => {
                    assert_eq!(values.position(), matching.position());
                    return self.position = matching.position();
                }
                LookUp::End => return self.end(|name| is_match(&topic, name)),
            }
        }
    }

    fn find(&mut self, key: &str, is_match: bool) {
        assert!(is_match, "{key}");
        let is_new = self.found.insert(key.to_owned());
        assert!(is_new || !self.stayed.contains(key), "{key} twice");
    }

    fn end(&mut self, is_match: impl Fn(&str) -> bool) {
        let mut missed = self.stayed.difference(&self.found);
        assert_eq!(missed.find(|key| is_match(key)), None);
        *self = Self::default();
    }
}

/// Half of what is removed or read is there.
fn known(model: &Model, text: String, step: u8) -> String {
    if step & 8 == 0 {
        return text;
    }
    let at = usize::from(step >> 4) % model.len().max(1);
    model.keys().nth(at).cloned().unwrap_or(text)
}

type Model = BTreeMap<String, usize>;

/// Both trees, and what they hold.
#[derive(Default)]
struct Trees {
    filters: FilterTree<usize>,
    filter_model: Model,
    names: TopicTree<usize>,
    name_model: Model,
}

impl Trees {
    fn insert(&mut self, text: String, topic: String, value: usize) {
        if let Ok(filter) = TopicFilter::new(&text) {
            let old = self.filters.insert(&filter, value);
            assert_eq!(old, self.filter_model.insert(text, value));
        }
        if let Ok(name) = TopicName::new(&topic) {
            let old = self.names.insert(&name, value);
            assert_eq!(old, self.name_model.insert(topic, value));
        }
    }

    fn get_or_insert(&mut self, text: String, topic: String, new: usize) {
        if let Ok(filter) = TopicFilter::new(&text) {
            let value = self.filters.get_or_insert_with(&filter, || new);
            assert_eq!(value, self.filter_model.entry(text).or_insert(new));
        }
        if let Ok(name) = TopicName::new(&topic) {
            let value = self.names.get_or_insert_with(&name, || new);
            assert_eq!(value, self.name_model.entry(topic).or_insert(new));
        }
    }

    fn remove(&mut self, text: &str, topic: &str) {
        if let Ok(filter) = TopicFilter::new(text) {
            assert_eq!(self.filters.remove(&filter), self.filter_model.remove(text));
        }
        if let Ok(name) = TopicName::new(topic) {
            assert_eq!(self.names.remove(&name), self.name_model.remove(topic));
        }
    }

    fn get(&mut self, text: &str, topic: &str) {
        if let Ok(filter) = TopicFilter::new(text) {
            let model = &mut self.filter_model;
            assert_eq!(self.filters.get(&filter), model.get(text));
            assert_eq!(self.filters.get_mut(&filter), model.get_mut(text));
        }
        if let Ok(name) = TopicName::new(topic) {
            let model = &mut self.name_model;
            assert_eq!(self.names.get(&name), model.get(topic));
            assert_eq!(self.names.get_mut(&name), model.get_mut(topic));
        }
    }

    /// Puts both trees in order, as far as so many steps do, or the one as a whole.
    fn compact(&mut self, mut steps: usize) {
        match steps {
            0 => self.filters.compact(),
            _ => {
                self.filters.compact_within(&mut steps.clone());
                self.names.compact_within(&mut steps);
            }
        }
    }

    /// Both trees hold what the models do, in their order, and nothing once that is removed.
    fn empty(mut self) {
        let entries = self.filters.iter();
        let entries = entries.map(|(filter, value)| (text(filter), value));
        let expected = self.filter_model.iter();
        assert!(entries.eq(expected.map(|(filter, value)| (filter.clone(), value))));
        let entries = self.names.iter().map(|(name, value)| (text(name), value));
        let expected = self.name_model.iter();
        assert!(entries.eq(expected.map(|(name, value)| (name.clone(), value))));
        let names = self.name_model.keys().chain(self.filter_model.keys());
        found_side_by_side(&self.filters, names);
        for (text, value) in &self.filter_model {
            let filter = TopicFilter::new(text).unwrap();
            assert_eq!(self.filters.remove(&filter), Some(*value));
        }
        for (text, value) in &self.name_model {
            let name = TopicName::new(text).unwrap();
            assert_eq!(self.names.remove(&name), Some(*value));
        }
        assert!(self.filters.is_empty() && self.filters.iter().next().is_none());
        assert!(self.names.is_empty() && self.names.iter().next().is_none());
    }
}

fn found_by_name(tree: &FilterTree<usize>, model: &Model, topic: &str) {
    let Ok(name) = TopicName::new(topic) else {
        return;
    };
    let found = tree.matches(&name).with_filters();
    let mut found: Vec<_> = found.map(|(filter, value)| (text(filter), value)).collect();
    let values = found.iter().map(|(_, value)| *value);
    assert!(tree.matches(&name).eq(values), "{topic}");
    found.sort();
    let matching = model.iter().filter(|(filter, _)| is_match(filter, topic));
    let expected = matching.map(|(filter, value)| (filter.clone(), value));
    assert!(found.into_iter().eq(expected), "{topic}");
}

/// Many names at once find what each of them finds alone, in its order.
fn found_side_by_side<'a>(
    tree: &FilterTree<usize>,
    names: impl Iterator<Item = &'a String> + Clone,
) {
    let names = names.filter_map(|name| TopicName::new(name).ok());
    // More of them than go on at once, unless there are none.
    let names: Vec<_> = names.cycle().take(40).collect();
    let mut found = vec![Vec::new(); names.len()];
    tree.matches_each(&names, |index, value| found[index].push(value));
    for (name, found) in names.iter().zip(found) {
        assert!(tree.matches(name).eq(found), "{name:?}");
    }
}

fn found_by_filter(tree: &TopicTree<usize>, model: &Model, wanted: &str) {
    let Ok(filter) = TopicFilter::new(wanted) else {
        return;
    };
    let found = tree.matching(&filter).with_names();
    let found = found.map(|(name, value)| (text(name), value));
    let matching = model.iter().filter(|(name, _)| is_match(wanted, name));
    let expected = matching.map(|(name, value)| (name.clone(), value));
    assert!(found.eq(expected.clone()), "{wanted}");
    let values = tree.matching(&filter);
    assert!(values.eq(expected.map(|(_, value)| value)), "{wanted}");
}

/// All ways to read a key say the same.
fn text<K: TextKey>(key: StoredKey<'_, K>) -> String {
    let text = key.to_string();
    assert_eq!(key, text);
    assert_eq!(key.to_owned().as_ref(), text.as_bytes());
    let mut buffer = vec![0; text.len()];
    assert!(key.copy_to(&mut buffer[1..]).is_none());
    let copy = key.copy_to(&mut buffer).expect("it has room");
    assert_eq!(copy.as_ref(), text.as_bytes());
    text
}

/// The same without the key.
fn value_of<K, V>(found: LookUp<(K, V)>) -> LookUp<V> {
    match found {
        LookUp::Found((_, value)) => LookUp::Found(value),
        LookUp::NotYet => LookUp::NotYet,
        LookUp::End => LookUp::End,
    }
}
