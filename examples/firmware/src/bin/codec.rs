//! The codec without a heap: each vector is decoded, and each of its packets encoded again, into
//! memory that the program has from the start.
#![no_std]
#![no_main]

use core::mem::ManuallyDrop;

use cortex_m_rt::entry;
use firmware::vectors::{Kind, LEN, Vector, Vectors};
use firmware::{NoHeap, Stack, fail, flash, print, succeed};

#[global_allocator]
static NO_HEAP: NoHeap = NoHeap;

#[entry]
fn main() -> ! {
    static mut STREAM: [u8; LEN] = [0; LEN];
    static mut SHORTEST: [u8; LEN] = [0; LEN];
    static mut ENCODED: [u8; LEN] = [0; LEN];
    let stack = Stack::paint();
    let mut vectors = Vectors::all();
    let (mut passed, mut packets) = (0, 0);
    while let Some(vector) = vectors.next(STREAM, SHORTEST) {
        let found = check(&vector, ENCODED, &mut packets);
        let right = match (vector.kind, found) {
            (Kind::Ok, Found::Packets(encoded, 0)) => encoded == vector.shortest,
            (Kind::Incomplete, Found::Packets(_, 1..)) => true,
            (Kind::Error, Found::Error(code)) => {
                vector.codes.is_empty() || vector.codes.contains(&code)
            }
            _ => false,
        };
        if !right {
            print(&[b"vector", b"fails:"], &[passed + 1]);
            fail();
        }
        passed += 1;
    }
    if passed < 2_000 {
        fail();
    }
    print(&[b"# vectors, packets:"], &[passed, packets]);
    print(&[b"codec"], &[flash(), stack.most(), 0]);
    succeed()
}

/// What comes of a stream.
enum Found<'a> {
    /// Its packets, encoded again, and the number of bytes that are left.
    Packets(&'a [u8], usize),
    /// A reason code.
    Error(u8),
}

#[inline(never)]
fn check<'a>(vector: &Vector<'_>, encoded: &'a mut [u8], packets: &mut usize) -> Found<'a> {
    let mut stream = vector.stream;
    // Its end would free what rules that are let go need.
    let mut decoder = ManuallyDrop::new(vector.decoder());
    let all = encoded.len();
    let mut out = &mut *encoded;
    loop {
        match decoder.decode(&mut stream) {
            Ok(Some(packet)) => {
                *packets += 1;
                if packet.encode(vector.version, &mut out).is_err() {
                    return Found::Error(0);
                }
            }
            Ok(None) => break,
            Err(error) => return Found::Error(error.reason_code().to_u8()),
        }
    }
    let len = all - out.len();
    Found::Packets(&encoded[..len], stream.len())
}
