//! No room of the library, that is no module of its root, imports itself round about others: each can be
//! read with those below it alone.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The rooms that the code in a file or folder names, without tests and comments.
fn names(path: &Path, names_of: &mut BTreeSet<String>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            names(&entry.unwrap().path(), names_of);
        }
        return;
    }
    if path.extension().is_none_or(|extension| extension != "rs") {
        return;
    }
    let text = fs::read_to_string(path).unwrap();
    let code = text.lines().take_while(|line| *line != "#[cfg(test)]");
    for line in code.filter(|line| !line.trim_start().starts_with("//")) {
        for (at, begin) in line.match_indices("crate::") {
            let path = &line[at + begin.len()..];
            let end = path.find(|c: char| !c.is_alphanumeric() && c != '_');
            names_of.insert(path[..end.unwrap_or(path.len())].to_owned());
        }
    }
}

#[test]
fn no_room_imports_itself_round_about() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut rooms: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for entry in fs::read_dir(src).unwrap() {
        let path = entry.unwrap().path();
        let room = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let mut named = BTreeSet::new();
        names(&path, &mut named);
        named.remove(&room);
        if room != "lib" {
            rooms.entry(room).or_default().extend(named);
        }
    }
    assert!(rooms.len() > 20);
    let all: BTreeSet<_> = rooms.keys().cloned().collect();
    for (room, named) in &rooms {
        let unknown: Vec<_> = named.difference(&all).collect();
        assert!(
            unknown.is_empty(),
            "{room} imports {unknown:?} through the root"
        );
    }
    // Those that import nothing that is left are read, and can go.
    while let Some(room) = rooms.iter().find(|(_, named)| named.is_empty()) {
        let room = room.0.clone();
        rooms.remove(&room);
        for named in rooms.values_mut() {
            named.remove(&room);
        }
    }
    assert!(
        rooms.is_empty(),
        "a circle among these, or above it: {rooms:?}"
    );
}
