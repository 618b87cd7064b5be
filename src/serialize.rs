//! The forms of bytes and lists for the feature `serde`, which types on every floor write.

use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

/// Writes bytes as such, which slices alone do not ask for.
pub(crate) fn bytes<S: Serializer>(
    bytes: &impl AsRef<[u8]>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes.as_ref())
}

/// Writes a list with its length in front, for the formats that need it there.
pub(crate) fn list<S: Serializer>(
    items: impl Iterator<Item: Serialize> + Clone,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(Some(items.clone().count()))?;
    for item in items {
        list.serialize_element(&item)?;
    }
    list.end()
}
