//! MQTT 5.0 section 4.13, 3.1.1 section 4.8: errors.

use crate::Test;

pub(crate) const TESTS: &[Test] = &[];
