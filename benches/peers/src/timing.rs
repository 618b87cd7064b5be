//! The loops: what is inside the clock, and how often it runs.
//!
//! Work is done in batches of a few hundred packets. A batch first prepares its input and then runs
//! its loop in [`Meter::measure`], which alone is timed and counted.

use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::Mutex;
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
        let mut batch = Some(batch);
        let mut batch = || batch.take().into_iter().for_each(|batch| batch());
        if self.counting {
            let ((allocations, reallocations, _), ()) = count_alloc(|| measured(&mut batch));
            self.allocations += allocations + reallocations;
        } else {
            // Named for another use of that crate: what it runs is not counted.
            allow_alloc(|| {
                let start = Instant::now();
                measured(&mut batch);
                self.elapsed += start.elapsed();
            });
        }
    }
}

/// The one function whose instructions are counted (see [`instructions`](crate::instructions)).
#[inline(never)]
fn measured(batch: &mut dyn FnMut()) {
    batch();
}

#[derive(Clone, Copy)]
pub enum Effort {
    Timed {
        rounds: usize,
        /// How long one candidate runs in one round.
        slice: Duration,
    },
    /// Each candidate runs one batch, whose instructions another process counts.
    Once,
    /// The instructions of these batches, in turn.
    Counted(&'static Mutex<VecDeque<u64>>),
}

impl Effort {
    pub const FULL: Self = Self::Timed {
        rounds: 101,
        slice: Duration::from_micros(800),
    };
    pub const QUICK: Self = Self::Timed {
        rounds: 11,
        slice: Duration::from_micros(300),
    };

    /// What is measured.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Timed { .. } => "ns",
            Self::Once | Self::Counted(_) => "instructions",
        }
    }
}

pub struct Figures {
    /// In nanoseconds or instructions.
    pub cost: f64,
    pub allocations: f64,
}

/// Runs the candidates of one row in turns.
pub fn compare(candidates: &mut [Option<Run>], effort: Effort) -> Vec<Option<Figures>> {
    let mut rounds = vec![Vec::new(); candidates.len()];
    if let Effort::Timed {
        rounds: count,
        slice,
    } = effort
    {
        for _ in 0..count {
            for (run, times) in candidates.iter_mut().zip(&mut rounds) {
                let Some(run) = run else { continue };
                let mut meter = Meter::default();
                while meter.elapsed < slice {
                    run(&mut meter);
                }
                times.push(meter.elapsed.as_secs_f64() * 1e9 / meter.packets as f64);
            }
        }
    }
    let figures = |(run, times): (&mut Option<Run>, Vec<f64>)| {
        let mut meter = Meter {
            counting: !matches!(effort, Effort::Once),
            ..Meter::default()
        };
        run.as_mut()?(&mut meter);
        let packets = meter.packets as f64;
        let cost = match effort {
            Effort::Timed { .. } => {
                let best = times.into_iter().min_by(f64::total_cmp);
                best.expect("there are rounds")
            }
            Effort::Once => 0.0,
            Effort::Counted(counts) => {
                let count = counts.lock().unwrap().pop_front();
                count.expect("each batch was counted") as f64 / packets
            }
        };
        Some(Figures {
            cost,
            allocations: meter.allocations as f64 / packets,
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
pub fn stream(case: &Case, decode: impl FnMut(&mut BytesMut) -> bool + 'static) -> Run {
    let fill = |input: &[u8]| {
        let mut buffer = BytesMut::with_capacity(input.len() + 4 * 1024);
        buffer.extend_from_slice(input);
        drop(buffer.split_to(0));
        buffer
    };
    stream_in(case, fill, decode)
}

/// [`stream`] for codecs with a buffer of their own, which `fill` makes.
pub fn stream_in<B: AsRef<[u8]>>(
    case: &Case,
    fill: impl Fn(&[u8]) -> B + 'static,
    mut decode: impl FnMut(&mut B) -> bool + 'static,
) -> Run {
    let packets = batch(case);
    let input = case.bytes.repeat(packets);
    let mut buffer = fill(&input);
    for _ in 0..packets {
        assert!(decode(&mut buffer), "does not decode");
    }
    assert!(buffer.as_ref().is_empty(), "does not advance by the packet");
    Box::new(move |meter| {
        let mut buffer = fill(&input);
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

/// [`encode`] for codecs that take the packet by value; `bytes` are those that are in `out`.
///
/// Inside: `encode`, including the drop of the packet. Outside: cloning the packets.
pub fn encode_by_value<P: Clone + 'static, O: 'static>(
    case: &Case,
    packet: P,
    mut out: O,
    bytes: fn(&O) -> Vec<u8>,
    mut encode: impl FnMut(P, &mut O) -> bool + 'static,
) -> Run {
    assert!(encode(packet.clone(), &mut out), "does not encode");
    check(case, &bytes(&out));
    let packets = batch(case);
    let mut values = Vec::with_capacity(packets);
    Box::new(move |meter| {
        values.resize(packets, packet.clone());
        meter.measure(packets, || {
            for packet in values.drain(..) {
                black_box(encode(black_box(packet), &mut out));
                black_box(&out);
            }
        });
    })
}

fn check(case: &Case, out: &[u8]) {
    let same = out == case.bytes || case.equivalents.iter().any(|bytes| bytes == out);
    assert!(same, "encodes other bytes:\n{out:x?}\n{:x?}", case.bytes);
}
