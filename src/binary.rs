use core::fmt;
use core::hash::{Hash, Hasher};

use bytes::Bytes;

use crate::text::{InvalidText, check_length};

/// Binary data: at most 65,535 bytes of any value (section 1.5.6 of 5.0).
#[derive(Clone, Copy, Default, Eq, Ord, PartialOrd)]
pub struct Binary<B = Bytes>(pub(crate) B);

impl<'a> Binary<&'a [u8]> {
    /// Borrows `bytes`, at most 65,535.
    ///
    /// # Errors
    ///
    /// If there are more.
    pub fn new(bytes: &'a [u8]) -> Result<Self, InvalidText> {
        check_length(bytes).map(|()| Self(bytes))
    }
}

impl Binary {
    /// Returns the bytes without a copy.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl<'a> TryFrom<&'a [u8]> for Binary<&'a [u8]> {
    type Error = InvalidText;

    fn try_from(bytes: &'a [u8]) -> Result<Self, InvalidText> {
        Self::new(bytes)
    }
}

impl TryFrom<Bytes> for Binary {
    type Error = InvalidText;

    fn try_from(bytes: Bytes) -> Result<Self, InvalidText> {
        check_length(&bytes).map(|()| Self(bytes))
    }
}

impl<B: AsRef<[u8]>> Binary<B> {
    /// Returns the bytes as they are sent, without the length in front.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_ref()
    }

    /// Returns the number of bytes, at most 65,535.
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Returns whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }

    /// Borrows the bytes.
    pub fn as_borrowed(&self) -> Binary<&[u8]> {
        Binary(self.as_bytes())
    }

    /// Copies the bytes into a buffer of their own.
    pub fn to_owned(&self) -> Binary<Bytes> {
        Binary(Bytes::copy_from_slice(self.as_bytes()))
    }
}

impl<B> Binary<B> {
    pub(crate) fn map<'a, C>(&'a self, f: impl FnOnce(&'a B) -> C) -> Binary<C> {
        Binary(f(&self.0))
    }
}

/// Compares the bytes, in whatever storage they are.
impl<B: PartialEq<C>, C> PartialEq<Binary<C>> for Binary<B> {
    fn eq(&self, other: &Binary<C>) -> bool {
        self.0 == other.0
    }
}

impl<B: Hash> Hash for Binary<B> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<B: AsRef<[u8]>> AsRef<[u8]> for Binary<B> {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for Binary<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaped(self.as_bytes()).fmt(f)
    }
}

/// Prints bytes as a byte string literal: text stays legible, the rest is escaped.
pub(crate) struct Escaped<'a>(pub(crate) &'a [u8]);

impl fmt::Debug for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}
