//! MQTT 5.0 sections 3.8 and 3.9: SUBSCRIBE and SUBACK.

use crate::Test;

pub(crate) const TESTS: &[Test] = &[];
