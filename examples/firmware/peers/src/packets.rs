//! A packet of 3.1.1 of each kind, as mqttrs can hold them.

pub const PACKETS: &[u8] = b"\
    \x10\x2E\0\x04MQTT\x04\xF6\0\x3C\0\x06device\0\x06will/t\0\x04gone\0\x04user\0\x06secret\
    \x20\x02\x01\0\
    \x30\x08\0\x03a/b21.\
    \x32\x0D\0\x05out/t\0\x0120.0\
    \x3D\x0D\0\x05out/t\0\x0220.0\
    \x40\x02\0\x01\
    \x50\x02\0\x02\
    \x62\x02\0\x02\
    \x70\x02\0\x02\
    \x82\x10\0\x03\0\x04in/#\x02\0\x04+/up\x01\
    \x90\x04\0\x03\x02\x80\
    \xA2\x08\0\x04\0\x04in/#\
    \xB0\x02\0\x04\
    \xC0\0\
    \xD0\0\
    \xE0\0";

/// How many there are.
pub const COUNT: usize = 16;
