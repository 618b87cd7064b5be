//! Feature `proptest`: strategies for what [`Arbitrary`](arbitrary::Arbitrary) makes.

use std::vec::Vec;

use arbitrary::{Arbitrary, Unstructured};
use proptest::prelude::*;

/// A strategy for any value or packet of this crate, always valid, from up to 512 random bytes.
///
/// ```
/// use mqtt_sansio::{Packet, Version, strategy};
/// use proptest::prelude::*;
///
/// proptest!(|(packet in strategy::<Packet>())| {
///     let fits = |version| packet.encoded_len(version).is_ok();
///     prop_assert!(fits(Version::V311) || fits(Version::V5));
/// });
/// ```
pub fn strategy<T>() -> impl Strategy<Value = T>
where
    T: for<'a> Arbitrary<'a> + core::fmt::Debug + 'static,
{
    let bytes = proptest::collection::vec(any::<u8>(), 0..512);
    bytes.prop_filter_map("too few bytes", |bytes: Vec<u8>| {
        Unstructured::new(&bytes).arbitrary().ok()
    })
}
