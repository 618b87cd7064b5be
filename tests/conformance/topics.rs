//! MQTT 5.0 section 4.7: topic names and filters.

use crate::Test;

pub(crate) const TESTS: &[Test] = &[];
