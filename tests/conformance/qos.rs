//! MQTT 5.0 section 4.3: quality of service.

use crate::Test;

pub(crate) const TESTS: &[Test] = &[];
