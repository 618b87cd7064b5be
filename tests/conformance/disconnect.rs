//! MQTT 5.0 section 3.14: DISCONNECT.

use crate::Test;

pub(crate) const TESTS: &[Test] = &[];
