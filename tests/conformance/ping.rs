//! MQTT 5.0 sections 3.12 and 3.13: PINGREQ and PINGRESP.

use mqtt_sansio::{Packet, Version};
use support::script::Net;

use crate::Test;
use crate::sides;

pub(crate) const TESTS: &[Test] = &[Test {
    name: "each_is_answered",
    v311: &["3.12.4-1"],
    v5: &["3.12.4-1"],
    run: each_is_answered,
}];

/// Each PINGREQ gets one PINGRESP, from the broker and from a server's connection alone, with and
/// without a Keep Alive.
fn each_is_answered(version: Version) {
    for keep_alive in ["00 00", "00 0A"] {
        let connect = format!("10 ~ 'MQTT' VV 02 {keep_alive} [] 'c'");
        let (mut client, _) = Net::new().connect_with(version, &connect);
        client.send("C0 00");
        client.expect("D0 00");
        client.send("C0 00 | C0 00 | 82 ~ 00 01 [] 't' 00");
        let mut pongs = 0;
        for packet in client.receive_all() {
            pongs += usize::from(packet == Packet::PingResp);
        }
        assert_eq!(pongs, 2);
        client.expect_open();
    }
    let mut client = sides::server(version, "");
    client.send("C0 00");
    client.expect("D0 00");
    client.expect_open();
}
