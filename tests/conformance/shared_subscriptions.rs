//! MQTT 5.0 section 4.8: shared subscriptions.

use crate::Test;

pub(crate) const TESTS: &[Test] = &[];
