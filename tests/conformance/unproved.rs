//! What has no test yet.

use mqtt_sansio::Version;

#[rustfmt::skip] // One a line.
pub(crate) fn list(version: Version) -> &'static [&'static str] {
    match version {
        Version::V311 => &[
        ],
        Version::V5 => &[
        ],
    }
}
