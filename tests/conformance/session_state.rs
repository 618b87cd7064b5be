//! MQTT 5.0 section 4.1: session state.

use crate::Test;

pub(crate) const TESTS: &[Test] = &[];
