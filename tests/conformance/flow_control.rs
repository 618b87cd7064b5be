//! MQTT 5.0 section 4.9: flow control.

use crate::Test;

pub(crate) const TESTS: &[Test] = &[];
