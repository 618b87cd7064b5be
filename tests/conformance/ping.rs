//! MQTT 5.0 sections 3.12 and 3.13: PINGREQ and PINGRESP.

use crate::Test;

pub(crate) const TESTS: &[Test] = &[];
