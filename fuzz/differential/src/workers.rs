//! Asks the peers, each in a thread of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use crate::frames::Frame;
use crate::peers::{Answer, PEERS, Peer};

/// The name of these threads.
pub const NAME: &str = "peer";

/// The longest time for one frame.
const PATIENCE: Duration = Duration::from_secs(10);

/// The answers of each peer to each frame.
pub fn ask_all(frames: &Arc<Vec<Frame>>) -> Vec<Vec<Answer>> {
    ask(PEERS, frames, PATIENCE)
}

fn ask(peers: &'static [Peer], frames: &Arc<Vec<Frame>>, patience: Duration) -> Vec<Vec<Answer>> {
    let mut asked: Vec<_> = peers.iter().map(|peer| start(peer, frames, 0)).collect();
    let collect = |(peer, receiver): (&'static Peer, &mut Receiver<Answer>)| {
        let mut answers = Vec::with_capacity(frames.len());
        while answers.len() < frames.len() {
            match receiver.recv_timeout(patience) {
                Ok(answer) => answers.push(answer),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    // The thread is left alone: none can be ended from outside.
                    answers.push(Answer::None);
                    *receiver = start(peer, frames, answers.len());
                }
            }
        }
        answers
    };
    peers.iter().zip(&mut asked).map(collect).collect()
}

fn start(peer: &'static Peer, frames: &Arc<Vec<Frame>>, from: usize) -> Receiver<Answer> {
    let (sender, receiver) = channel();
    let frames = Arc::clone(frames);
    let run = move || {
        for frame in &frames[from..] {
            let ask = || (peer.ask)(frame.version(), &frame.bytes);
            let answer = catch_unwind(AssertUnwindSafe(ask)).unwrap_or(Answer::None);
            if sender.send(answer).is_err() {
                return;
            }
        }
    };
    let thread = thread::Builder::new().name(NAME.into()).spawn(run);
    drop(thread.expect("a thread"));
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It fails to return on 1, and does not return in time on 2.
    fn fragile(_: mqtt_sansio::Version, frame: &[u8]) -> Answer {
        match frame {
            [1] => panic!("as intended"),
            [2] => thread::sleep(Duration::from_secs(5)),
            _ => {}
        }
        Answer::Refused
    }

    #[test]
    fn a_peer_that_does_not_return_has_no_answer_and_is_asked_on() {
        const FRAGILE: &[Peer] = &[Peer {
            name: "fragile",
            ask: fragile,
        }];
        let frame = |byte| Frame {
            is_v5: true,
            bytes: vec![byte],
        };
        let frames = Arc::new([0, 1, 0, 2, 0].map(frame).to_vec());
        let answers = ask(FRAGILE, &frames, Duration::from_millis(300));
        let no = Answer::None;
        let expected = [
            Answer::Refused,
            no.clone(),
            Answer::Refused,
            no,
            Answer::Refused,
        ];
        assert_eq!(answers, [expected]);
    }
}
