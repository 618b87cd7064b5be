//! Captures made by hand, for tests.
#![allow(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::unwrap_used
)]

use mqtt_sansio::Side;

pub(crate) const SYN: u8 = 2;
pub(crate) const ACK: u8 = 16;
pub(crate) const FIN: u8 = 1;
pub(crate) const CONNECT: &[u8] = b"\x10\x0D\0\x04MQTT\x04\x02\0\x3C\0\x01c";
pub(crate) const CONNACK: &[u8] = b"\x20\x02\0\0";
pub(crate) const PING: &[u8] = b"\xC0\0";

/// What one captured segment is made of.
#[derive(Clone, Copy)]
pub(crate) struct Sent<'a> {
    pub(crate) from: Side,
    pub(crate) ports: (u16, u16),
    pub(crate) sequence: u32,
    pub(crate) flags: u8,
    pub(crate) payload: &'a [u8],
}

pub(crate) fn sent(from: Side, sequence: u32, payload: &[u8]) -> Sent<'_> {
    Sent {
        from,
        ports: (50_000, 1883),
        sequence,
        flags: ACK,
        payload,
    }
}

impl Sent<'_> {
    fn tcp(&self) -> Vec<u8> {
        let (client, server) = self.ports;
        let (from, to) = match self.from {
            Side::Client => (client, server),
            Side::Server => (server, client),
        };
        let mut out = [from.to_be_bytes(), to.to_be_bytes()].concat();
        out.extend(self.sequence.to_be_bytes());
        out.extend([0, 0, 0, 0, 0x50, self.flags, 1, 0, 0, 0, 0, 0]);
        out.extend(self.payload);
        out
    }

    fn ends(&self) -> [u8; 2] {
        match self.from {
            Side::Client => [1, 2],
            Side::Server => [2, 1],
        }
    }

    pub(crate) fn ipv4(&self) -> Vec<u8> {
        let tcp = self.tcp();
        let len = u16::try_from(20 + tcp.len()).unwrap();
        let [from, to] = self.ends();
        let mut out = vec![0x45, 0];
        out.extend(len.to_be_bytes());
        out.extend([0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, from, 10, 0, 0, to]);
        out.extend(tcp);
        out
    }

    /// With an extension header.
    pub(crate) fn ipv6(&self) -> Vec<u8> {
        let tcp = self.tcp();
        let len = u16::try_from(8 + tcp.len()).unwrap();
        let [from, to] = self.ends();
        let mut out = vec![0x60, 0, 0, 0];
        out.extend(len.to_be_bytes());
        out.extend([60, 64]);
        for end in [from, to] {
            out.extend([0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, end]);
        }
        out.extend([6, 0, 1, 4, 0, 0, 0, 0]);
        out.extend(tcp);
        out
    }
}

/// A pcap file, little endian, of raw IP.
pub(crate) fn pcap(sent: &[Sent<'_>]) -> Vec<u8> {
    let frames: Vec<_> = sent.iter().map(Sent::ipv4).collect();
    pcap_of(101, false, &frames)
}

fn number(big: bool, number: u32) -> [u8; 4] {
    match big {
        true => number.to_be_bytes(),
        false => number.to_le_bytes(),
    }
}

pub(crate) fn pcap_of(link: u32, big: bool, frames: &[Vec<u8>]) -> Vec<u8> {
    let mut out = number(big, 0xA1B2_C3D4).to_vec();
    out.extend([0; 12]);
    out.extend(number(big, 65_535));
    out.extend(number(big, link));
    for (index, frame) in frames.iter().enumerate() {
        let len = u32::try_from(frame.len()).unwrap();
        for field in [1_700_000_000, index as u32 * 250_000, len, len] {
            out.extend(number(big, field));
        }
        out.extend(frame);
    }
    out
}

fn block(big: bool, kind: u32, body: &[u8]) -> Vec<u8> {
    let len = number(
        big,
        u32::try_from(body.len().next_multiple_of(4) + 12).unwrap(),
    );
    let mut out = [number(big, kind), len].concat();
    out.extend(body);
    out.resize(out.len().next_multiple_of(4), 0);
    out.extend(len);
    out
}

/// With enhanced blocks and a time in nanoseconds, or with simple ones.
pub(crate) fn pcapng_of(link: u16, big: bool, simple: bool, frames: &[Vec<u8>]) -> Vec<u8> {
    let mut section = number(big, 0x1A2B_3C4D).to_vec();
    section.extend([0; 12]);
    let mut out = block(big, 0x0A0D_0D0A, &section);
    let short = |number: u16| match big {
        true => number.to_be_bytes(),
        false => number.to_le_bytes(),
    };
    let mut interface = [short(link), short(0)].concat();
    interface.extend(number(big, 0));
    for (code, value) in [(9, &[9u8, 0, 0, 0][..]), (0, &[])] {
        interface.extend(short(code));
        interface.extend(short(u16::from(code == 9)));
        interface.extend(value);
    }
    out.extend(block(big, 1, &interface));
    out.extend(block(big, 5, &[0; 8]));
    for (index, frame) in frames.iter().enumerate() {
        let len = u32::try_from(frame.len()).unwrap();
        let time = 1_700_000_000_000_000_000 + index as u64 * 250_000_000;
        let (high, low) = ((time >> 32) as u32, time as u32);
        let fields = match simple {
            true => vec![len],
            false => vec![0, high, low, len, len],
        };
        let mut body: Vec<_> = fields
            .into_iter()
            .flat_map(|field| number(big, field))
            .collect();
        body.extend(frame);
        out.extend(block(big, if simple { 3 } else { 6 }, &body));
    }
    out
}

/// The bytes before IP, with padding behind, for each link type.
pub(crate) fn framed(link: u32, v6: bool, ip: &[u8]) -> Vec<u8> {
    let kind: &[u8] = if v6 { b"\x86\xDD" } else { b"\x08\0" };
    let mut out = match link {
        0 => vec![2, 0, 0, 0],
        108 => vec![0, 0, 0, 2],
        1 => [&[0; 12], &b"\x81\0\0\x05"[..], kind].concat(),
        113 => [&[0; 14], kind].concat(),
        276 => [kind, &[0; 18]].concat(),
        _ => Vec::new(),
    };
    out.extend(ip);
    if link == 1 {
        out.extend([0; 6]);
    }
    out
}

fn handshake() -> Vec<Sent<'static>> {
    let syn = Sent {
        flags: SYN,
        ..sent(Side::Client, 99, b"")
    };
    let answer = Sent {
        flags: SYN | ACK,
        ..sent(Side::Server, 499, b"")
    };
    vec![syn, answer]
}

pub(crate) fn exchange() -> Vec<Sent<'static>> {
    let mut all = handshake();
    all.push(sent(Side::Client, 100, CONNECT));
    all.push(sent(Side::Server, 500, CONNACK));
    all.push(sent(Side::Client, 115, PING));
    all
}

/// Numbers that are the same in every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next()).unwrap() % limit.max(1)
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.next() as u8
    }
}
