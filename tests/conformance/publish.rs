//! MQTT 5.0 section 3.3: PUBLISH.

use crate::Test;

pub(crate) const TESTS: &[Test] = &[];
