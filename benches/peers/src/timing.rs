//! The loops: what is inside the clock, and how often it runs.
//!
//! Work is done in batches of a few hundred packets. A batch first prepares its input and then runs
//! its loop in [`Meter::measure`], which alone is timed and counted.

use std::hint::black_box;
use std::time::{Duration, Instant};

use alloc_counter::{allow_alloc, count_alloc};
use bytes::BytesMut;

use crate::packets::Case;

/// A candidate for one row: each call runs one batch.
pub type Run = Box<dyn FnMut(&mut Meter)>;

#[derive(Default)]
pub struct Meter {
    counting: bool,
    packets: usize,
    elapsed: Duration,
    allocations: usize,
}

impl Meter {
    /// Runs a batch of so many packets, or whatever it is that is counted.
    pub fn measure(&mut self, packets: usize, batch: impl FnOnce()) {
        self.packets += packets;
        if self.counting {
            let ((allocations, reallocations, _), ()) = count_alloc(batch);
            self.allocations += allocations + reallocations;
        } else {
            // Named for another use of that crate: what it runs is not counted.
            allow_alloc(|| {
                let start = Instant::now();
                batch();
                self.elapsed += start.elapsed();
            });
        }
    }
}

#[derive(Clone, Copy)]
pub struct Effort {
    rounds: usize,
    /// How long one candidate runs in one round.
    slice: Duration,
}

impl Effort {
    pub const FULL: Self = Self {
        rounds: 31,
        slice: Duration::from_micros(2500),
    };
    pub const QUICK: Self = Self {
        rounds: 5,
        slice: Duration::from_micros(500),
    };
}

pub struct Figures {
    pub nanoseconds: f64,
    pub allocations: f64,
}

/// Runs the candidates of one row in turns.
pub fn compare(candidates: &mut [Option<Run>], effort: Effort) -> Vec<Option<Figures>> {
    let mut rounds = vec![Vec::new(); candidates.len()];
    for _ in 0..effort.rounds {
        for (run, times) in candidates.iter_mut().zip(&mut rounds) {
            let Some(run) = run else { continue };
            let mut meter = Meter::default();
            while meter.elapsed < effort.slice {
                run(&mut meter);
            }
            times.push(meter.elapsed.as_secs_f64() * 1e9 / meter.packets as f64);
        }
    }
    let figures = |(run, mut times): (&mut Option<Run>, Vec<f64>)| {
        let mut meter = Meter {
            counting: true,
            ..Meter::default()
        };
        run.as_mut()?(&mut meter);
        times.sort_by(f64::total_cmp);
        Some(Figures {
            nanoseconds: times[times.len() / 2],
            allocations: meter.allocations as f64 / meter.packets as f64,
        })
    };
    candidates.iter_mut().zip(rounds).map(figures).collect()
}

/// Packets in a batch: enough to hide the cost of reading the clock, few enough that the bytes stay
/// in the second level cache, where a packet that was just read from a socket would be.
fn batch(case: &Case) -> usize {
    (64 * 1024 / case.bytes.len()).clamp(64, 512)
}

/// Decodes slices of one packet each; `decode` tells whether it succeeded.
///
/// Inside: `decode`, including the drop of its result. Outside: the slices.
pub fn slices(case: &Case, mut decode: impl FnMut(&[u8]) -> bool + 'static) -> Run {
    assert!(decode(&case.bytes), "does not decode");
    let (packets, length) = (batch(case), case.bytes.len());
    let input = case.bytes.repeat(packets);
    Box::new(move |meter| {
        meter.measure(packets, || {
            for packet in input.chunks_exact(length) {
                black_box(decode(black_box(packet)));
            }
        });
    })
}

/// Decodes one packet after another from the front of one buffer, as it fills from a socket.
///
/// Inside: `decode`, including the drop of its result. Outside: filling the buffer. The buffer
/// starts out as a shared one, which any but a connection's first is, so that no packet is charged
/// for the allocation that makes it so; and it keeps room at its end, so that a decoder that
/// reserves some gets it for nothing.
pub fn stream(case: &Case, mut decode: impl FnMut(&mut BytesMut) -> bool + 'static) -> Run {
    let packets = batch(case);
    let input = case.bytes.repeat(packets);
    let fill = move || {
        let mut buffer = BytesMut::with_capacity(input.len() + 4 * 1024);
        buffer.extend_from_slice(&input);
        drop(buffer.split_to(0));
        buffer
    };
    let mut buffer = fill();
    for _ in 0..packets {
        assert!(decode(&mut buffer), "does not decode");
    }
    assert!(buffer.is_empty(), "does not advance by the packet");
    Box::new(move |meter| {
        let mut buffer = fill();
        meter.measure(packets, || {
            for _ in 0..packets {
                black_box(decode(black_box(&mut buffer)));
            }
        });
    })
}

/// Encodes one packet value again and again; `encode` leaves the bytes in `out` and tells whether
/// it succeeded.
///
/// Inside: `encode`, which keeps the allocation of `out` if it can.
pub fn encode<P: 'static, O: AsRef<[u8]> + 'static>(
    case: &Case,
    packet: P,
    mut out: O,
    mut encode: impl FnMut(&P, &mut O) -> bool + 'static,
) -> Run {
    assert!(encode(&packet, &mut out), "does not encode");
    check(case, out.as_ref());
    let packets = batch(case);
    Box::new(move |meter| {
        meter.measure(packets, || {
            for _ in 0..packets {
                black_box(encode(black_box(&packet), &mut out));
                black_box(out.as_ref());
            }
        });
    })
}

/// [`encode`] for codecs that take the packet by value.
///
/// Inside: `encode`, including the drop of the packet. Outside: cloning the packets.
pub fn encode_by_value<P: Clone + 'static>(
    case: &Case,
    packet: P,
    mut encode: impl FnMut(P, &mut BytesMut) -> bool + 'static,
) -> Run {
    let mut out = BytesMut::new();
    assert!(encode(packet.clone(), &mut out), "does not encode");
    check(case, &out);
    let packets = batch(case);
    let mut values = Vec::with_capacity(packets);
    Box::new(move |meter| {
        values.resize(packets, packet.clone());
        meter.measure(packets, || {
            for packet in values.drain(..) {
                out.clear();
                black_box(encode(black_box(packet), &mut out));
                black_box(&out[..]);
            }
        });
    })
}

fn check(case: &Case, out: &[u8]) {
    let same = out == case.bytes || case.equivalents.iter().any(|bytes| bytes == out);
    assert!(same, "encodes other bytes:\n{out:x?}\n{:x?}", case.bytes);
}
