//! Blocks in wire form inside a packet: checked once, kept as bytes, read again without failing.

use bytes::BytesMut;

use crate::error::EncodeError;

/// What a builder writes into: memory that grows, or a [`Buffer`].
pub trait Storage: sealed::Storage {}

/// A buffer of the caller's, in which properties are built without a heap.
#[derive(Debug)]
pub struct Buffer<'a> {
    bytes: &'a mut [u8],
    written: usize,
    /// The length of what was to be written and had no room.
    lost: usize,
}

impl<'a> Buffer<'a> {
    pub(crate) const fn new(bytes: &'a mut [u8]) -> Self {
        Self {
            bytes,
            written: 0,
            lost: 0,
        }
    }

    /// What was written, if there was room for all of it.
    pub(crate) fn finish(self) -> Result<&'a [u8], EncodeError> {
        let Self {
            bytes,
            written,
            lost,
        } = self;
        if lost > 0 {
            return Err(EncodeError::too_small(written + lost, bytes.len()));
        }
        Ok(bytes.get(..written).unwrap_or_default())
    }
}

pub(crate) mod sealed {
    #[expect(
        unnameable_types,
        reason = "that no other crate can name it is the seal"
    )]
    pub trait Storage {
        fn written(&mut self) -> &mut [u8];

        fn truncate(&mut self, len: usize);

        /// Bytes behind those that are written, as many as are asked for. `None` if there is no room
        /// for them.
        fn grow(&mut self, len: usize) -> Option<&mut [u8]>;

        /// Writes `len` bytes, if there is room for them.
        fn append(&mut self, len: usize, write: impl FnOnce(&mut &mut [u8])) {
            if let Some(mut room) = self.grow(len) {
                write(&mut room);
                debug_assert!(room.is_empty());
            }
        }
    }
}

impl Storage for BytesMut {}

impl sealed::Storage for BytesMut {
    fn written(&mut self) -> &mut [u8] {
        self
    }

    fn truncate(&mut self, len: usize) {
        Self::truncate(self, len);
    }

    fn grow(&mut self, len: usize) -> Option<&mut [u8]> {
        let written = self.len();
        self.resize(written + len, 0);
        self.get_mut(written..)
    }
}

impl Storage for Buffer<'_> {}

impl sealed::Storage for Buffer<'_> {
    fn written(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..self.written).unwrap_or_default()
    }

    fn truncate(&mut self, len: usize) {
        self.written = self.written.min(len);
    }

    fn grow(&mut self, len: usize) -> Option<&mut [u8]> {
        let end = self.written + len;
        let room = self.bytes.get_mut(self.written..end);
        match room {
            Some(_) => self.written = end,
            None => self.lost += len,
        }
        room
    }
}
