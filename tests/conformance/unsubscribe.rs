//! MQTT 5.0 sections 3.10 and 3.11: UNSUBSCRIBE and UNSUBACK.

use crate::Test;

pub(crate) const TESTS: &[Test] = &[];
