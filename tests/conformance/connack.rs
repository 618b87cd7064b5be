//! MQTT 5.0 section 3.2: CONNACK.

use crate::Test;

pub(crate) const TESTS: &[Test] = &[];
