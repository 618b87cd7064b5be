//! The strategies of feature `proptest`.

use bytes::BytesMut;
use mqtt_sansio::topic::{TopicFilter, TopicName};
use mqtt_sansio::{Packet, Version, strategy};
use proptest::prelude::*;

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(packet in strategy::<Packet>()) {
        for version in [Version::V311, Version::V5] {
            let mut bytes = BytesMut::new();
            if packet.encode(version, &mut bytes).is_ok() {
                prop_assert_eq!(packet.encoded_len(version), Ok(bytes.len()));
                prop_assert_eq!(Packet::decode(version, &bytes).unwrap().to_owned(), packet.clone());
            }
        }
    }

    #[test]
    fn a_topic_is_its_own_filter(topic in strategy::<TopicName>()) {
        prop_assert!(TopicFilter::new(topic.to_str()).unwrap().matches(&topic));
    }
}
