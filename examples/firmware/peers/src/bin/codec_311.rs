//! Our codec, as `mqttrs` does it: each packet of 3.1.1 is decoded, and encoded again.
#![no_std]
#![no_main]

use core::mem::ManuallyDrop;

use cortex_m_rt::entry;
use firmware::{NoHeap, Stack, fail, flash, print, succeed};
use mqtt_sansio::{FrameDecoder, Version};
use peers::packets::{COUNT, PACKETS};

#[global_allocator]
static NO_HEAP: NoHeap = NoHeap;

#[entry]
fn main() -> ! {
    let stack = Stack::paint();
    let mut packets = 0;
    let mut decoder = ManuallyDrop::new(FrameDecoder::new(Version::V311));
    let mut unread = PACKETS;
    while !unread.is_empty() {
        let mut out = [0; 64];
        let whole = unread;
        let Ok(Some(packet)) = decoder.decode(&mut unread) else {
            fail();
        };
        let mut room = &mut out[..];
        if packet.encode(Version::V311, &mut room).is_err() {
            fail();
        }
        let len = 64 - room.len();
        if out[..len] != whole[..whole.len() - unread.len()] {
            fail();
        }
        packets += 1;
    }
    if packets != COUNT {
        fail();
    }
    print(&[b"codec_311"], &[flash(), stack.most(), 0]);
    succeed()
}
