//! MQTT 5.0 section 3.15: AUTH.

use mqtt_sansio::connection::ConnectionError;
use mqtt_sansio::{ReasonCode, Version};
use support::notation::bytes;
use support::script::{ClientEnd, ServerEnd};

use crate::Test;
use crate::enhanced_auth::{auth, connect_with_method};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "senders_use_the_codes_there_are",
        v311: &[],
        v5: &["3.15.2-1"],
        run: senders_use_the_codes_there_are,
    },
    Test {
        name: "explains_nothing_that_does_not_fit",
        v311: &[],
        v5: &["3.15.2-2", "3.15.2-3"],
        run: explains_nothing_that_does_not_fit,
    },
];

/// 0x18, 0x19 and 0x00 alone are in AUTH, and each where it has its place.
fn senders_use_the_codes_there_are(version: Version) {
    for code in 0..=u8::MAX {
        let Some(reason) = ReasonCode::from_u8(code) else {
            continue;
        };
        let mut step = auth(version, "F0 ~ 18 [15 'm']");
        step.reason = reason;
        // The server goes on; it has not accepted yet.
        let mut client = ServerEnd::new(version);
        client.send("10 ~ 'MQTT' VV 02 00 00 [15 'm'] 'a'");
        let said = client.end.connection.auth(step.clone());
        match code {
            0x18 => client.expect("F0 ~ 18 [15 'm']"),
            _ => assert_eq!(said, Err(ConnectionError::Authentication)),
        }
        client.expect_open();
        // The client begins again.
        let mut server =
            ClientEnd::accepted(version, connect_with_method(version), "20 ~ 00 00 [15 'm']");
        let said = server.end.connection.auth(step);
        match code {
            0x19 => server.expect("F0 ~ 19 [15 'm']"),
            _ => assert_eq!(said, Err(ConnectionError::Authentication)),
        }
        server.expect_open();
    }
}

/// Both sides have something to explain, which is left out of an AUTH that would be too long. The
/// method and the data stay.
fn explains_nothing_that_does_not_fit(version: Version) {
    let short = "[15 'm' 16 'data']";
    for whole in [
        "[15 'm' 1F 'because' 16 'data']",
        "[26 'key' 'value' 15 'm' 16 'data']",
        "[26 'k' 'v' 15 'm' 1F 'x' 16 'data' 26 'k' 'v']",
    ] {
        let size = bytes(version, &format!("F0 ~ 18 {whole}")).len();
        for (limit, sent) in [(size, whole), (size - 1, short)] {
            let limit = format!("27 00 00 00 {limit:02X}");
            let mut client = ServerEnd::new(version);
            client.send(&format!("10 ~ 'MQTT' VV 02 00 00 [15 'm' {limit}] 'a'"));
            let step = auth(version, &format!("F0 ~ 18 {whole}"));
            client.end.connection.auth(step).unwrap();
            client.expect(&format!("F0 ~ 18 {sent}"));
            client.expect_open();

            let connack = format!("20 ~ 00 00 [15 'm' {limit}]");
            let mut server = ClientEnd::accepted(version, connect_with_method(version), &connack);
            let step = auth(version, &format!("F0 ~ 19 {whole}"));
            server.end.connection.auth(step).unwrap();
            server.expect(&format!("F0 ~ 19 {sent}"));
            server.expect_open();
        }
    }
}
