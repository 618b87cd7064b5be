//! MQTT 5.0 sections 3.4 to 3.7: PUBACK, PUBREC, PUBREL and PUBCOMP.

use crate::Test;

pub(crate) const TESTS: &[Test] = &[];
