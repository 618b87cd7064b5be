//! The packets of a pcap or pcapng file.

use std::time::Duration;

use super::Damage;

/// A packet as the network interface saw it.
pub(crate) struct Frame<'a> {
    /// Since 1970.
    pub(crate) time: Duration,
    /// The kind of its header (www.tcpdump.org/linktypes.html).
    pub(crate) link: u32,
    /// What was captured, which may be less than there was.
    pub(crate) bytes: &'a [u8],
    /// The number of bytes that there were.
    pub(crate) len: usize,
}

type Read<T> = Result<T, Damage>;

/// Returns the packets up to the first damage, and the damage. `None` if the file is no capture.
pub(crate) fn frames(file: &[u8]) -> Option<(Vec<Frame<'_>>, Option<Damage>)> {
    let mut frames = Vec::new();
    let whole = match *file {
        [0xD4, 0xC3, 0xB2, 0xA1, ..] => pcap(Input::new(file, false), 1000, &mut frames),
        [0xA1, 0xB2, 0xC3, 0xD4, ..] => pcap(Input::new(file, true), 1000, &mut frames),
        [0x4D, 0x3C, 0xB2, 0xA1, ..] => pcap(Input::new(file, false), 1, &mut frames),
        [0xA1, 0xB2, 0x3C, 0x4D, ..] => pcap(Input::new(file, true), 1, &mut frames),
        [0x0A, 0x0D, 0x0D, 0x0A, ..] => pcapng(Input::new(file, false), &mut frames),
        [0x1F, 0x8B, ..] | [0x28, 0xB5, 0x2F, 0xFD, ..] => Err(Damage {
            at: 0,
            what: "the file is compressed: unpack it first",
        }),
        _ => return None,
    };
    Some((frames, whole.err()))
}

/// A file being read, in the byte order of its writer.
#[derive(Clone, Copy)]
struct Input<'a> {
    rest: &'a [u8],
    /// The offset of `rest`.
    at: usize,
    big: bool,
}

impl<'a> Input<'a> {
    const fn new(rest: &'a [u8], big: bool) -> Self {
        Self { rest, at: 0, big }
    }

    fn take(&mut self, len: usize, what: &'static str) -> Read<&'a [u8]> {
        let at = self.at;
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(Damage { at, what })?;
        (self.rest, self.at) = (rest, at + len);
        Ok(taken)
    }

    /// The next `len` bytes, to be read by themselves.
    fn part(&mut self, len: usize, what: &'static str) -> Read<Self> {
        let (at, big) = (self.at, self.big);
        let rest = self.take(len, what)?;
        Ok(Self { rest, at, big })
    }

    fn u16(&mut self, what: &'static str) -> Read<u16> {
        let bytes = self.take(2, what)?.try_into().unwrap_or_default();
        Ok(match self.big {
            true => u16::from_be_bytes(bytes),
            false => u16::from_le_bytes(bytes),
        })
    }

    fn u32(&mut self, what: &'static str) -> Read<u32> {
        let bytes = self.take(4, what)?.try_into().unwrap_or_default();
        Ok(match self.big {
            true => u32::from_be_bytes(bytes),
            false => u32::from_le_bytes(bytes),
        })
    }

    fn size(&mut self, what: &'static str) -> Read<usize> {
        self.u32(what).map(|size| size as usize)
    }
}

fn pcap<'a>(mut input: Input<'a>, unit: u32, frames: &mut Vec<Frame<'a>>) -> Read<()> {
    const HEADER: &str = "the file ends within its header";
    const RECORD: &str = "the file ends within a packet";
    input.take(20, HEADER)?;
    // The upper bits say how long the frame check sequence is.
    let link = input.u32(HEADER)? & 0xFFFF;
    while !input.rest.is_empty() {
        let seconds = input.u32(RECORD)?;
        let fraction = input.u32(RECORD)?;
        let captured = input.size(RECORD)?;
        let len = input.size(RECORD)?;
        let bytes = input.take(captured, RECORD)?;
        let time = Duration::from_secs(seconds.into())
            + Duration::from_nanos(u64::from(fraction) * u64::from(unit));
        frames.push(Frame {
            time,
            link,
            bytes,
            len,
        });
    }
    Ok(())
}

/// An interface of a pcapng file.
struct Interface {
    link: u32,
    snap: usize,
    /// Units of time in a second.
    units: Option<u64>,
    /// Seconds to add.
    offset: u64,
}

const BLOCK: &str = "the file ends within a block";
const SHORT: &str = "a block is shorter than what it holds";

fn pcapng<'a>(mut input: Input<'a>, frames: &mut Vec<Frame<'a>>) -> Read<()> {
    let mut interfaces = Vec::new();
    while !input.rest.is_empty() {
        let at = input.at;
        let kind = input.u32(BLOCK)?;
        if kind == 0x0A0D_0D0A {
            input.big = match input.rest.get(4..8) {
                Some([0x1A, 0x2B, 0x3C, 0x4D]) => true,
                Some([0x4D, 0x3C, 0x2B, 0x1A]) => false,
                Some(_) => {
                    return Err(Damage {
                        at,
                        what: "a section has no byte order",
                    });
                }
                None => return Err(Damage { at, what: BLOCK }),
            };
            interfaces.clear();
        }
        let len = input.size(BLOCK)?;
        let Some(body) = len.checked_sub(12).filter(|_| len % 4 == 0) else {
            return Err(Damage {
                at,
                what: "a block has an impossible length",
            });
        };
        let body = input.part(body, BLOCK)?;
        if input.size(BLOCK)? != len {
            return Err(Damage {
                at,
                what: "the two lengths of a block differ",
            });
        }
        match kind {
            1 => interfaces.push(interface(body)?),
            2 | 3 | 6 => frames.push(frame(kind, body, &interfaces, frames.last())?),
            _ => {}
        }
    }
    Ok(())
}

fn interface(mut body: Input<'_>) -> Read<Interface> {
    let link = body.u16(SHORT)?.into();
    body.take(2, SHORT)?;
    let mut interface = Interface {
        link,
        snap: body.size(SHORT)?,
        units: Some(1_000_000),
        offset: 0,
    };
    while !body.rest.is_empty() {
        let code = body.u16(SHORT)?;
        let len = usize::from(body.u16(SHORT)?);
        let mut value = body.part(len, SHORT)?;
        body.take(len.next_multiple_of(4) - len, SHORT)?;
        match (code, value.rest) {
            (0, _) => break,
            (9, &[power]) if power & 0x80 != 0 => {
                interface.units = 1u64.checked_shl(u32::from(power & 0x7F));
            }
            (9, &[power]) => interface.units = 10u64.checked_pow(power.into()),
            (14, _) if len == 8 => {
                let halves = [value.u32(SHORT)?, value.u32(SHORT)?].map(u64::from);
                let [high, low] = match value.big {
                    true => halves,
                    false => [halves[1], halves[0]],
                };
                // A negative one says nothing that a reader of packets needs.
                interface.offset = u64::from(high < 1 << 31) * (high << 32 | low);
            }
            _ => {}
        }
    }
    Ok(interface)
}

/// An enhanced packet block, a simple one, or the old one.
fn frame<'a>(
    kind: u32,
    mut body: Input<'a>,
    interfaces: &[Interface],
    before: Option<&Frame<'_>>,
) -> Read<Frame<'a>> {
    let at = body.at;
    let index = match kind {
        2 => {
            let index = body.u16(SHORT)?;
            body.take(2, SHORT)?;
            index.into()
        }
        3 => 0,
        _ => body.size(SHORT)?,
    };
    let what = "a packet names an interface that is not described";
    let interface = interfaces.get(index).ok_or(Damage { at, what })?;
    let (time, captured, len) = if kind == 3 {
        let len = body.size(SHORT)?;
        let most = match interface.snap {
            0 => len,
            snap => len.min(snap),
        };
        // It has no time of its own.
        let time = before.map_or(Duration::ZERO, |frame| frame.time);
        (time, most.min(body.rest.len()), len)
    } else {
        let stamp = u64::from(body.u32(SHORT)?) << 32 | u64::from(body.u32(SHORT)?);
        (interface.time(stamp), body.size(SHORT)?, body.size(SHORT)?)
    };
    Ok(Frame {
        time,
        link: interface.link,
        bytes: body.take(captured, SHORT)?,
        len,
    })
}

impl Interface {
    fn time(&self, stamp: u64) -> Duration {
        let units = self.units.unwrap_or(u64::MAX);
        let nanos = u128::from(stamp % units) * 1_000_000_000 / u128::from(units);
        let seconds = (stamp / units).saturating_add(self.offset);
        Duration::new(seconds, u32::try_from(nanos).unwrap_or_default())
    }
}
