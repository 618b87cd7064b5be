//! MQTT 5.0 section 3.3.1.3: retained messages.

use crate::Test;

pub(crate) const TESTS: &[Test] = &[];
