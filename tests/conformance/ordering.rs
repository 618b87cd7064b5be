//! MQTT 5.0 sections 4.4 to 4.6: delivery again, receipt and order.

use crate::Test;

pub(crate) const TESTS: &[Test] = &[];
