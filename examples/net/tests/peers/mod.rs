//! Programs of this package and of others, for a test to run.

#![allow(dead_code, reason = "no test uses all of it")]

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::time::{sleep, timeout};

/// How long a peer may take for one thing, on a machine that is busy with others.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A program that ends with this value.
pub struct Program {
    pub child: Child,
    pub lines: Lines<BufReader<ChildStdout>>,
    errors: Lines<BufReader<ChildStderr>>,
}

impl Program {
    pub fn start(program: impl AsRef<OsStr>, args: &[&str]) -> Self {
        let mut command = Command::new(program);
        command
            .args(args)
            .env("INTEROP_PEERS", folder())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Self {
            child,
            lines: BufReader::new(stdout).lines(),
            errors: BufReader::new(stderr).lines(),
        }
    }

    /// The next line that it prints.
    pub async fn line(&mut self) -> String {
        let line = timeout(PATIENCE, self.lines.next_line()).await;
        match line.expect("a line").unwrap() {
            Some(line) => line,
            None => panic!("{}", self.fails().await),
        }
    }

    /// Waits until it ends, and fails unless it fails. Returns its errors.
    pub async fn fails(&mut self) -> String {
        let status = timeout(PATIENCE, self.child.wait()).await;
        assert!(!status.expect("an end").unwrap().success());
        let mut errors = String::new();
        while let Some(line) = self.errors.next_line().await.unwrap() {
            errors += &line;
        }
        errors
    }

    /// Waits until it ends, and fails unless it succeeds.
    pub async fn succeeds(mut self) {
        let status = timeout(PATIENCE, self.child.wait()).await;
        let succeeded = status.expect("an end").unwrap().success();
        assert!(succeeded, "{}", self.fails().await);
    }
}

/// Runs mosquitto with these lines behind that of its listener.
pub async fn mosquitto(program: &Path, lines: &str) -> (Program, u16) {
    for _ in 0..10 {
        // It cannot say which port the system would choose.
        let port = free_port().await;
        let config = temporary(&format!("mosquitto-{port}.conf"));
        let text = format!(
            "listener {port} 127.0.0.1\n{lines}\nallow_anonymous true\nuser root\npersistence false\n"
        );
        std::fs::write(&config, text).unwrap();
        let mut broker = Program::start(program, &["-c", config.to_str().unwrap()]);
        while broker.child.try_wait().unwrap().is_none() {
            if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return (broker, port);
            }
            sleep(Duration::from_millis(10)).await;
        }
        // Somebody else was quicker to take the port.
    }
    panic!("mosquitto ends");
}

/// A port that has just been free.
pub async fn free_port() -> u16 {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    free.local_addr().unwrap().port()
}

/// Where a program is, also one for administrators. Without it the test was not run, which is said
/// aloud, and is a failure with `INTEROP=required`.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    needed(name, folders.find_map(|folder| is_file(folder.join(name))))
}

/// A file of a package of Node, as [`program`].
pub fn node_file(name: &str) -> Option<PathBuf> {
    needed(name, is_file(folder().join("node_modules").join(name)))
}

fn is_file(path: PathBuf) -> Option<PathBuf> {
    path.is_file().then_some(path)
}

fn needed(name: &str, found: Option<PathBuf>) -> Option<PathBuf> {
    if found.is_none() {
        let required = std::env::var_os("INTEROP").is_some_and(|value| value == "required");
        assert!(!required, "{name} is not installed");
        // Unlike `eprintln`, this is seen of a test that passes.
        let test = std::thread::current().name().unwrap_or_default().to_owned();
        let _ = writeln!(
            std::io::stderr(),
            "NOT CHECKED: {test}: {name} is not installed"
        );
    }
    found
}

/// Where `tests/interop/peers/install` puts packages.
fn folder() -> PathBuf {
    let chosen = std::env::var_os("INTEROP_PEERS").map(PathBuf::from);
    chosen.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/interop"))
}

/// A file in the target folder.
pub fn temporary(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}
