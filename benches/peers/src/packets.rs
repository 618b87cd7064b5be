//! The packets of the rows, as bytes.

#[derive(Clone, Copy, PartialEq)]
pub enum Version {
    V311,
    V5,
}

/// One row: a packet of one protocol version.
#[derive(Clone)]
pub struct Case {
    pub name: String,
    pub version: Version,
    pub bytes: Vec<u8>,
    /// The other bytes that mean the same: properties in another order, a default written out.
    pub equivalents: Vec<Vec<u8>>,
}

impl Case {
    pub fn is_publish(&self) -> bool {
        self.bytes[0] >> 4 == 3
    }
}

const TOPIC: &str = "plant/7/line/3/sensor/temp1";

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (version, label) in [(Version::V311, "3.1.1"), (Version::V5, "5.0")] {
        let mut add = |name: &str, bytes, equivalents| {
            cases.push(Case {
                name: format!("{label} {name}"),
                version,
                bytes,
                equivalents,
            });
        };
        add("CONNECT", connect(version), Vec::new());
        for (size, payload) in [(64, "64 B"), (4096, "4 KiB")] {
            for qos in [0, 1] {
                let name = format!("PUBLISH QoS {qos}, {payload}");
                add(&name, publish(version, qos, &[], size), Vec::new());
                if version == Version::V5 {
                    let mut orders = property_orders().into_iter();
                    let mut next = || Some(publish(version, qos, &orders.next()?, size));
                    let bytes = next().expect("there is an order");
                    let equivalents = std::iter::from_fn(next).collect();
                    add(&format!("{name}, 4 properties"), bytes, equivalents);
                }
            }
        }
        // In 5.0 a success may leave out the reason code and the properties.
        let long = (version == Version::V5).then(|| packet(0x40, &[0x12, 0x34, 0, 0]));
        add("PUBACK", packet(0x40, &[0x12, 0x34]), Vec::from_iter(long));
        add("SUBSCRIBE", subscribe(version), Vec::new());
    }
    cases
}

/// How many packets [`mixed`] has.
pub const MIXED: usize = 16_000;

/// What a server reads from clients, in an order that nothing can foresee: 40 % PUBLISH of QoS 0,
/// 20 % of QoS 1, all with a payload of 0 to 99 bytes, 20 % PUBACK, 4 % each of PUBREC, PUBREL and
/// PUBCOMP, and 8 % PINGREQ.
pub fn mixed(version: Version) -> Vec<u8> {
    const TOPICS: [&str; 4] = [
        TOPIC,
        "plant/7/state",
        "a/b",
        "site/4/hall/12/press/9/oil/temp",
    ];
    let mut random = 1_u32;
    let mut below = |limit: usize| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 8) as usize % limit
    };
    let mut percents: Vec<_> = (0..MIXED).map(|at| at % 100).collect();
    for at in (1..MIXED).rev() {
        percents.swap(at, below(at + 1));
    }
    let payload = [b'x'; 99];
    let mut stream = Vec::new();
    for (at, percent) in percents.into_iter().enumerate() {
        let [high, low] = (at as u16 | 1).to_be_bytes();
        let first = match percent {
            0..40 => 0x30,
            40..60 => 0x32,
            60..80 => 0x40,
            80..84 => 0x50,
            84..88 => 0x62,
            88..92 => 0x70,
            _ => 0xc0,
        };
        let body = match first {
            0x30 | 0x32 => {
                let mut body = string(TOPICS[below(TOPICS.len())]);
                body.extend([high, low].iter().take(usize::from(first & 2)));
                body.extend(no_properties(version));
                body.extend(&payload[..below(100)]);
                body
            }
            0xc0 => Vec::new(),
            _ => vec![high, low],
        };
        stream.extend(packet(first, &body));
    }
    stream
}

fn connect(version: Version) -> Vec<u8> {
    let mut body = string("MQTT");
    let level = if version == Version::V5 { 5 } else { 4 };
    body.push(level);
    body.push(0b1100_1110); // user name, password, will of QoS 1, clean
    body.extend([0, 60]);
    body.extend(no_properties(version));
    body.extend(string("client-0001"));
    body.extend(no_properties(version));
    body.extend(string("plant/7/line/3/status"));
    body.extend(string("offline"));
    body.extend(string("operator"));
    body.extend(string("correct horse"));
    packet(0x10, &body)
}

fn publish(version: Version, qos: u8, properties: &[u8], payload: usize) -> Vec<u8> {
    assert_eq!(TOPIC.len(), 27);
    let mut body = string(TOPIC);
    if qos > 0 {
        body.extend([0x12, 0x34]);
    }
    if version == Version::V5 {
        body.push(u8::try_from(properties.len()).expect("a length of one byte"));
        body.extend(properties);
    }
    body.extend((0..payload).map(|i| i as u8));
    packet(0x30 | qos << 1, &body)
}

/// The four properties of a PUBLISH in every order, the first ascending by identifier.
fn property_orders() -> Vec<Vec<u8>> {
    let properties = [
        [&[0x02][..], &3600_u32.to_be_bytes()].concat(),
        [&[0x03][..], &string("application/json")].concat(),
        [&[0x08][..], &string("plant/7/line/3/reply")].concat(),
        [&[0x26][..], &string("unit"), &string("celsius")].concat(),
    ];
    let mut orders = vec![Vec::new()];
    for _ in &properties {
        orders = orders
            .iter()
            .flat_map(|order: &Vec<usize>| {
                let rest = (0..properties.len()).filter(|next| !order.contains(next));
                rest.map(|next| [&order[..], &[next]].concat())
            })
            .collect();
    }
    let bytes = |order: Vec<usize>| order.iter().flat_map(|&i| properties[i].clone()).collect();
    orders.into_iter().map(bytes).collect()
}

fn subscribe(version: Version) -> Vec<u8> {
    let mut body = vec![0x12, 0x34];
    body.extend(no_properties(version));
    for (filter, qos) in [(TOPIC, 0), ("plant/+/line/+/status", 1), ("plant/7/#", 2)] {
        body.extend(string(filter));
        body.push(qos);
    }
    packet(0x82, &body)
}

/// An empty list of properties, which only 5.0 has.
fn no_properties(version: Version) -> &'static [u8] {
    if version == Version::V5 { &[0] } else { &[] }
}

fn string(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("a short string");
    [&length.to_be_bytes(), text.as_bytes()].concat()
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let (header, length) = fixed_header(first, body.len());
    [&header[..length], body].concat()
}

/// The first byte and the remaining length, in so many bytes.
pub fn fixed_header(first: u8, mut remaining: usize) -> ([u8; 5], usize) {
    let (mut header, mut at) = ([first; 5], 1);
    while remaining > 0x7f {
        header[at] = remaining as u8 | 0x80;
        remaining >>= 7;
        at += 1;
    }
    header[at] = remaining as u8;
    (header, at + 1)
}

/// Splits one packet into its first byte and its body.
pub fn split_fixed_header(packet: &[u8]) -> Option<(u8, &[u8])> {
    let (&first, mut rest) = packet.split_first()?;
    let mut length = 0;
    for shift in [0, 7, 14, 21] {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        length |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some((first, rest.get(..length)?));
        }
    }
    None
}
