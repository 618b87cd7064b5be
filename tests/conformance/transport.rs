//! Section 4.2 and chapters 6 and 7: transports, WebSocket, conformance.

use crate::Test;

pub(crate) const TESTS: &[Test] = &[];
