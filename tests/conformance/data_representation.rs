//! MQTT 5.0 section 1.5: data representation.

use crate::Test;

pub(crate) const TESTS: &[Test] = &[];
