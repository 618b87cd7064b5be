use core::fmt;
use core::marker::PhantomData;

use bytes::Bytes;

use super::TextKey;
use super::radix::Key;

/// A filter in a [`FilterTree`](super::FilterTree) or a name in a [`TopicTree`](super::TopicTree).
///
/// A tree stores the text of its keys in pieces, which keys share. This value refers to the pieces,
/// and putting them together is left to those who need the text. It can be formatted, compared with
/// text, and copied: to a buffer or to memory of its own. Each costs by the length of the key.
///
/// ```
/// use mqtt_sansio::topic::{FilterTree, TopicFilter, TopicName};
///
/// let mut handlers: FilterTree<fn(&[u8])> = FilterTree::new();
/// handlers.insert(&TopicFilter::new("lamp/+/set")?, |payload| { /* .. */ });
///
/// let name = TopicName::new("lamp/4/set")?;
/// for (filter, handle) in handlers.matches(&name).with_filters() {
///     println!("{name} is for {filter}");
///     handle(b"on");
///
///     let mut buffer = [0; 256];
///     let filter = filter.copy_to(&mut buffer).expect("our own filters are short");
///     assert!(filter.levels().eq([&b"lamp"[..], b"+", b"set"]));
/// }
/// # Ok::<(), mqtt_sansio::InvalidText>(())
/// ```
pub struct StoredKey<'a, K> {
    key: Key<'a>,
    kind: PhantomData<fn() -> K>,
}

impl<'a, K> StoredKey<'a, K> {
    pub(super) const fn new(key: Key<'a>) -> Self {
        let kind = PhantomData;
        Self { key, kind }
    }
}

impl<K: TextKey> StoredKey<'_, K> {
    /// Copies the key to the end of `buffer`, or returns `None` if it does not fit. A buffer of
    /// 65,535 bytes has room for every key.
    pub fn copy_to<'b>(&self, buffer: &'b mut [u8]) -> Option<K::In<&'b [u8]>> {
        self.key.copy_to(buffer).map(K::from_tree)
    }

    /// Copies the key into a buffer of its own.
    pub fn to_owned(&self) -> K::In<Bytes> {
        K::from_tree(self.key.to_vec().into())
    }
}

impl<K> Clone for StoredKey<'_, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for StoredKey<'_, K> {}

/// Compares the bytes with those of a topic filter, a topic name or a `str`.
impl<K, T: AsRef<[u8]> + ?Sized> PartialEq<T> for StoredKey<'_, K> {
    fn eq(&self, other: &T) -> bool {
        let mut rest = other.as_ref();
        self.key.pieces().all(|piece| {
            let before = rest.strip_suffix(piece);
            rest = before.unwrap_or_default();
            before.is_some()
        }) && rest.is_empty()
    }
}

/// Allocates if the key has more than 512 bytes.
impl<K: TextKey> fmt::Display for StoredKey<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.copy_to(&mut [0; 512]) {
            Some(key) => fmt::Display::fmt(&key, f),
            None => fmt::Display::fmt(&self.to_owned(), f),
        }
    }
}

/// Allocates if the key has more than 512 bytes.
impl<K: TextKey> fmt::Debug for StoredKey<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.copy_to(&mut [0; 512]) {
            Some(key) => fmt::Debug::fmt(&key, f),
            None => fmt::Debug::fmt(&self.to_owned(), f),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;
    use alloc::vec;

    use crate::topic::{FilterTree, TopicFilter};

    /// Texts that end in all places of a node, and of the buffer for formatting; of one, two and
    /// three bytes a character.
    #[test]
    fn is_the_text_that_was_inserted() {
        for unit in ["a", "é/", "a/b", "/€"] {
            let mut tree = FilterTree::new();
            let all: String = unit.repeat(1_100 / unit.len());
            let texts = all.char_indices().skip(1).map(|(end, _)| &all[..end]);
            for text in texts.clone() {
                tree.insert(&TopicFilter::new(text).unwrap(), text);
            }
            assert_eq!(tree.len(), texts.count());
            for (key, &text) in tree.iter() {
                assert_eq!(key, *text);
                assert_eq!(key.to_owned(), *text);
                assert_eq!(format!("{key}"), text);
                assert_eq!(format!("{key:?}"), format!("{text:?}"));
                assert_eq!(format!("{key:>9.5}"), format!("{text:>9.5}"));
                let mut buffer = vec![b'x'; text.len() + 3];
                assert_eq!(key.copy_to(&mut buffer).unwrap(), *text);
                assert!(key.copy_to(&mut buffer[4..]).is_none());
            }
        }
    }

    #[test]
    fn equals_no_other_text() {
        let text = "a-level-of-more-text-than-one-node-has-room-for/".repeat(3);
        let mut tree = FilterTree::new();
        tree.insert(&TopicFilter::new(&text).unwrap(), ());
        tree.insert(&TopicFilter::new(&text[..50]).unwrap(), ());
        let (key, ()) = tree.iter().last().unwrap();
        assert_eq!(key, text);
        for at in 0..text.len() {
            assert_ne!(key, text[at + 1..]);
            assert_ne!(key, text[..at]);
            let mut other = text.clone().into_bytes();
            other[at] ^= 1;
            assert_ne!(key, other);
        }
        assert_ne!(key, format!("{text}/"));
        assert_ne!(key, format!("/{text}"));
    }
}
