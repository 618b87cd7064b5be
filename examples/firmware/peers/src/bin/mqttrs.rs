//! The codec of mqttrs: each packet is decoded, and encoded again.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use firmware::{NoHeap, Stack, fail, flash, print, succeed};
use mqttrs::{decode_slice, encode_slice};
use peers::packets::{COUNT, PACKETS};

#[global_allocator]
static NO_HEAP: NoHeap = NoHeap;

#[entry]
fn main() -> ! {
    let stack = Stack::paint();
    let mut packets = 0;
    let mut unread = PACKETS;
    while !unread.is_empty() {
        let mut out = [0; 64];
        let Ok(Some(packet)) = decode_slice(unread) else {
            fail();
        };
        let Ok(len) = encode_slice(&packet, &mut out) else {
            fail();
        };
        if out[..len] != unread[..len] {
            fail();
        }
        unread = &unread[len..];
        packets += 1;
    }
    if packets != COUNT {
        fail();
    }
    print(&[b"mqttrs"], &[flash(), stack.most(), 0]);
    succeed()
}
