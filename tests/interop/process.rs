//! Peers are processes that print lines and end with this one.

use std::cell::Cell;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

thread_local! {
    static PATIENCE: Cell<Duration> = const { Cell::new(Duration::from_secs(60)) };
}

/// How long a peer may take for one thing, on a machine that is busy with others.
pub(crate) fn patience() -> Duration {
    PATIENCE.get()
}

/// Runs what a peer is known to fail, perhaps by not answering.
pub(crate) fn impatiently<T>(run: impl FnOnce() -> T) -> T {
    with(Duration::from_secs(5), run)
}

/// Runs what waits for a peer to start, which takes some of them longest.
pub(crate) fn patiently<T>(run: impl FnOnce() -> T) -> T {
    with(Duration::from_secs(300), run)
}

fn with<T>(patience: Duration, run: impl FnOnce() -> T) -> T {
    let before = PATIENCE.replace(patience);
    let done = run();
    PATIENCE.set(before);
    done
}

/// A process, which ends when it is dropped.
pub(crate) struct Process {
    child: Child,
    /// What another thread writes, so that a peer that does not read holds nobody up.
    input: Sender<Vec<u8>>,
    lines: Option<Receiver<String>>,
    name: String,
    ends_with_input: bool,
}

/// How long a process may take to end by itself.
const LAST_WORDS: Duration = Duration::from_secs(10);

impl Process {
    pub(crate) fn start(mut command: Command) -> Self {
        let name = format!("{command:?}");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let spawned = command.spawn();
        let mut child = spawned.unwrap_or_else(|error| panic!("{name}: {error}"));
        let (mut stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (input, to_write) = mpsc::channel::<Vec<u8>>();
        thread::spawn(move || {
            for bytes in to_write {
                if stdin
                    .write_all(&bytes)
                    .and_then(|()| stdin.flush())
                    .is_err()
                {
                    return;
                }
            }
        });
        let (output, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
                // Standard output is read to its end, also if nobody wants it.
                let _ = output.send(String::from_utf8_lossy(&line).into_owned());
            }
        });
        Self {
            child,
            input,
            lines: Some(lines),
            name,
            ends_with_input: false,
        }
    }

    /// It is not killed, unless it goes on without its standard input: it has to tidy up.
    pub(crate) fn ending_with_input(mut self) -> Self {
        self.ends_with_input = true;
        self
    }

    /// The lines that it prints, for somebody else to read.
    pub(crate) fn take_lines(&mut self) -> Receiver<String> {
        self.lines.take().unwrap()
    }

    pub(crate) fn write(&self, bytes: Vec<u8>) {
        // If it has ended, its lines have too, as whoever waits for one finds.
        let _ = self.input.send(bytes);
    }

    /// Waits for a line of which `pick` makes something.
    pub(crate) fn find<T>(&self, what: &str, mut pick: impl FnMut(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + patience();
        let lines = self.lines.as_ref().unwrap();
        loop {
            let wait = deadline.saturating_duration_since(Instant::now());
            match lines.recv_timeout(wait) {
                Ok(line) => match pick(&line) {
                    Some(picked) => return picked,
                    None => continue,
                },
                Err(RecvTimeoutError::Timeout) => panic!("no {what} from {}", self.name),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("{} ended before its {what}", self.name)
                }
            }
        }
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Asks it to end, as Ctrl-C does.
    pub(crate) fn interrupt(&self) {
        let kill = format!("kill -INT {}", self.child.id());
        let status = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(status.success(), "{kill}");
    }

    /// Ends its standard input and waits until it has ended. Returns its exit code.
    pub(crate) fn finish(mut self) -> Option<i32> {
        let status = self.end(patience());
        status
            .unwrap_or_else(|| panic!("{} does not end", self.name))
            .code()
    }

    /// Ends its standard input and waits.
    fn end(&mut self, patience: Duration) -> Option<ExitStatus> {
        self.input = mpsc::channel().0;
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            thread::sleep(Duration::from_millis(2));
        }
        None
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ends_with_input && self.end(LAST_WORDS).is_none() {
            // Until it is ready it does not read, but tidies up at a signal as well.
            self.interrupt();
            self.end(LAST_WORDS);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where a program is, also one for administrators.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into()])
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}
