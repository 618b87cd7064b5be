//! Packets print their fields, and text as text.

use mqtt_sansio::{Packet, Version};
use support::hex;

#[test]
fn packets_print_as_text() {
    #[rustfmt::skip]
    let cases = [
        ("40 08 00 07 97 04 1f 00 01 \"r\"",
         "PubAck(Ack { packet_id: 7, reason: QuotaExceeded, properties: [ReasonString(\"r\")] })"),
        ("10 16 00 04 \"MQTT\" 05 06 00 3c 00 00 00 00 00 01 \"t\" 00 03 \"a\" 00 ff",
         "Connect { clean_start: true, keep_alive: KeepAlive(60), properties: [], client_id: \"\", \
          will: Some(Will { qos: AtMostOnce, retain: false, properties: [], topic: \"t\", \
          payload: b\"a\\x00\\xff\" }), user_name: None, password: None, v31: false, bridge: false }"),
        ("32 08 00 01 \"t\" 00 07 00 \"h\" 00",
         "Publish { dup: false, delivery: AtLeastOnce(7), retain: false, topic: Some(\"t\"), \
          properties: [], payload: b\"h\\x00\" }"),
        ("82 08 00 07 00 00 02 \"a/\" 01",
         "Subscribe { packet_id: 7, properties: [], subscriptions: [Subscription { filter: \"a/\", \
          options: SubscriptionOptions { maximum_qos: AtLeastOnce, no_local: false, \
          retain_as_published: false, retain_handling: SendAtSubscribe } }] }"),
        ("90 04 00 07 00 80", "SubAck { packet_id: 7, properties: [], reasons: [UnspecifiedError] }"),
        ("a2 06 00 07 00 00 01 \"a\"", "Unsubscribe { packet_id: 7, properties: [], filters: [\"a\"] }"),
        ("b0 04 00 07 00 11",
         "UnsubAck(SubAck { packet_id: 7, properties: [], reasons: [NoSubscriptionExisted] })"),
        ("20 03 01 00 00", "ConnAck { session_present: true, reason: Success, properties: [] }"),
        ("e0 00", "Disconnect { reason: Success, properties: [] }"),
        ("f0 06 18 04 15 00 01 \"m\"",
         "Auth { reason: ContinueAuthentication, properties: [AuthenticationMethod(\"m\")] }"),
        ("c0 00", "PingReq"),
        ("d0 00", "PingResp"),
    ];
    for (bytes, expected) in cases {
        let bytes = hex::parse(bytes);
        let packet = Packet::decode(Version::V5, &bytes).unwrap();
        assert_eq!(format!("{packet:?}"), expected);
        let has_id = matches!(bytes[0] >> 4, 3..=11);
        assert_eq!(packet.packet_id().map(|id| id.get()), has_id.then_some(7));
    }
}
