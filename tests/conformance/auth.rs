//! MQTT 5.0 section 3.15: AUTH.

use crate::Test;

pub(crate) const TESTS: &[Test] = &[];
