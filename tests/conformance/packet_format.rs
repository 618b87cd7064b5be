//! MQTT 5.0 chapter 2: the format of packets.

use crate::Test;

pub(crate) const TESTS: &[Test] = &[];
