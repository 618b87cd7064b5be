//! The `Debug` text of a session, brought into one form: what does not bear on behaviour is left out.
//!
//! All that the text has is kept, but for: the places of entries in memory, which are listed by lane
//! and in order; packets that were handed out and are dropped in the next call; the numbers of
//! deliveries and calls, as who keeps the tokens and calls says which of them are the same; and times,
//! as none passes. `merged_states_are_alike` shows that this loses nothing.

/// A value as `Debug` writes it: a word, and what stands in brackets behind it.
#[derive(Clone, Debug)]
pub(crate) struct Node<'a> {
    /// The name of the field or the key of the entry.
    key: &'a str,
    word: &'a str,
    items: Vec<Self>,
}

impl<'a> Node<'a> {
    pub(crate) fn parse(text: &'a str) -> Self {
        parse(text, &mut 0)
    }

    /// The part of this name, directly below.
    pub(crate) fn get(&self, key: &str) -> &Self {
        let found = self.items.iter().find(|item| item.key == key);
        found.unwrap_or_else(|| panic!("no {key} in {self:?}"))
    }

    /// The first part of this name, at any depth.
    pub(crate) fn find(&self, key: &str) -> Option<&Self> {
        if self.key == key {
            return Some(self);
        }
        self.items.iter().find_map(|item| item.find(key))
    }

    /// The deliveries in a session that are in the table: packet identifier and number.
    pub(crate) fn deliveries(&self) -> Vec<(u64, u64)> {
        let entries = self.get("inbound").entries().into_iter();
        let number = |value: &Self| {
            let bytes = value.get("number").items.iter();
            let bytes: Vec<u8> = bytes.map(|byte| byte.word.parse().unwrap()).collect();
            u64::from_ne_bytes(bytes.try_into().unwrap())
        };
        entries
            .map(|(_, _, id, value)| (id, number(value)))
            .collect()
    }

    pub(crate) fn number(&self) -> u64 {
        self.word.parse().unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// The value in `Some`.
    fn some(&self) -> Option<&Self> {
        self.items.first().filter(|_| self.word == "Some")
    }

    /// The entries of a table of exchanges: lane, whether sent, packet identifier and value.
    ///
    /// What is left out is implied by what is listed, which is checked.
    pub(crate) fn entries(&self) -> Vec<(usize, bool, u64, &Self)> {
        let slots = &self.get("slots").items;
        let (mut entries, mut places) = (Vec::new(), Vec::new());
        for (lane, queue) in self.get("lanes").items.iter().enumerate() {
            let (mut at, mut tail) = (queue.get("head").number(), u64::from(u16::MAX));
            let mut unsent = tail;
            while let Some(slot) = slots.get(usize::try_from(at).unwrap()) {
                let value = slot.get("value").some().expect("an entry has a value");
                let (id, sent) = (slot.get("id").number(), slot.get("sent").word == "true");
                assert!(!sent || unsent == u64::from(u16::MAX), "sent out of order");
                if !sent && unsent == u64::from(u16::MAX) {
                    unsent = at;
                }
                entries.push((lane, sent, id, value));
                places.push((id, at));
                tail = at;
                at = slot.get("next").number();
            }
            let ends = (queue.get("tail").number(), queue.get("unsent").number());
            assert_eq!(ends, (tail, unsent), "the ends of a lane");
        }
        let ids = self.get("ids");
        let used = usize::try_from(ids.get("len").number()).unwrap();
        let few = ids.get("few").items.iter().take(used);
        let mut few: Vec<_> = few
            .map(|p| (p.items[0].number(), p.items[1].number()))
            .collect();
        few.sort_unstable();
        places.sort_unstable();
        assert_eq!(few, places, "the identifiers in use");
        entries
    }

    /// Writes what bears on behaviour. `call` names the message of a call.
    pub(crate) fn write(&self, out: &mut String, call: &impl Fn(u64) -> String) {
        match (self.key, self.word) {
            ("deliveries" | "number" | "next_request" | "handed" | "block", _) => return,
            // The calls that wait are those that whoever called has no outcome of. What is stored of the
            // numbers of calls only grows, and is as far as the session unless a change waits that says so.
            ("calls", word) if word != "Calls" => {}
            ("call", _) => {
                let number = self.some().unwrap_or(self);
                match number.word.parse() {
                    Ok(number) => out.push_str(&call(number)),
                    Err(_) => out.push_str(number.word),
                }
            }
            (_, "InFlight") => {
                out.push_str(self.get("ids").get("last").word);
                for (lane, sent, id, value) in self.entries() {
                    out.push_str(&format!("/{lane}{}{id}:", u8::from(sent)));
                    value.write(out, call);
                }
            }
            // That of a change only grows.
            (_, "Calls") if self.items.len() < 2 => out.push_str("Calls"),
            (_, "Calls") => {
                let room = self.get("reserved").number() > self.get("last").number();
                out.push_str(if room { "room" } else { "full" });
            }
            (_, word) if is_time(word) => out.push('t'),
            (_, word) => {
                out.push_str(word);
                if !self.items.is_empty() {
                    out.push('(');
                    self.items.iter().for_each(|item| item.write(out, call));
                    out.push(')');
                }
            }
        }
        out.push(' ');
    }
}

fn is_time(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit()) && word.ends_with('s')
}

/// Takes the value at this place, and moves the place behind it.
fn parse<'a>(text: &'a str, at: &mut usize) -> Node<'a> {
    let bytes = text.as_bytes();
    let (begin, mut items) = (*at, Vec::new());
    while *at < bytes.len() {
        match bytes[*at] {
            b'"' => skip_quoted(bytes, at),
            b'(' | b'[' | b'{' => {
                let word = text[begin..*at].trim_end();
                *at += 1;
                while let Some(next) = bytes.get(*at) {
                    match next {
                        b' ' | b',' => *at += 1,
                        b')' | b']' | b'}' => break,
                        _ => items.push(parse(text, at)),
                    }
                }
                *at += 1;
                let key = "";
                return Node { key, word, items };
            }
            b':' if bytes.get(*at + 1) == Some(&b' ') => {
                let key = &text[begin..*at];
                *at += 2;
                return Node {
                    key,
                    ..parse(text, at)
                };
            }
            b',' | b')' | b']' | b'}' => break,
            _ => *at += 1,
        }
    }
    let (key, word) = ("", text[begin..*at].trim_end());
    Node { key, word, items }
}

fn skip_quoted(bytes: &[u8], at: &mut usize) {
    *at += 1;
    while bytes.get(*at).is_some_and(|byte| *byte != b'"') {
        *at += 1 + usize::from(bytes[*at] == b'\\');
    }
    *at += 1;
}

#[test]
fn text_is_taken_apart() {
    let text = "S { a: Some(3), b: [(1, 2), \"x, \\\"y\"], c: C { d: 5ns }, e: None, f: {7: U} }";
    let node = Node::parse(text);
    assert_eq!(node.get("a").some().unwrap().number(), 3);
    assert_eq!(node.get("b").items[1].word, "\"x, \\\"y\"");
    assert_eq!(node.get("f").items[0].key, "7");
    let mut out = String::new();
    node.write(&mut out, &|_| String::new());
    assert_eq!(out, "S(Some(3 ) ((1 2 ) \"x, \\\"y\" ) C(t ) None (U ) ) ");
}
