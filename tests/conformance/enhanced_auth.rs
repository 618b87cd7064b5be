//! MQTT 5.0 section 4.12: enhanced authentication.

use crate::Test;

pub(crate) const TESTS: &[Test] = &[];
