//! Processes: mosquitto, its clients and the examples. Each ends with its value.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tokio::task::spawn_blocking;

/// How long anything may take, on a machine that is busy with others.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A server in a process of its own.
pub struct Server {
    pub port: u16,
    child: Child,
    folder: Option<PathBuf>,
}

impl Server {
    /// A mosquitto without limits on what waits, with a folder of its own.
    pub fn mosquitto() -> Self {
        start(|port| {
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("mosquitto-{port}"));
            fs::create_dir_all(&folder).unwrap();
            let config = folder.join("mosquitto.conf");
            let lines = format!(
                "listener {port} 127.0.0.1\nallow_anonymous true\nuser root\npersistence false\n\
                 max_queued_messages 100000\nset_tcp_nodelay true\nlog_dest none\n"
            );
            fs::write(&config, lines).unwrap();
            // Debian has it where only root looks.
            let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap());
            let mut command = Command::new("mosquitto");
            command.env("PATH", path).arg("-c").arg(config);
            (command, Some(folder))
        })
    }

    /// The example.
    pub fn ours() -> Self {
        start(|port| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_tokio_server"));
            command.arg(format!("127.0.0.1:{port}"));
            (command, None)
        })
    }

    /// The bridge from a server of 3.1.1 to one of 5.0. It listens nowhere, and has no port.
    pub fn bridge(old: u16, new: u16) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bridge"));
        let sides = [old, new].map(|port| format!("127.0.0.1:{port}"));
        let child = command.args(sides).spawn().unwrap();
        Self {
            port: 0,
            child,
            folder: None,
        }
    }

    /// Runs `mosquitto_pub`.
    pub async fn publish(&self, arguments: &[&str]) {
        let command = self.command("mosquitto_pub", arguments);
        assert_eq!(output(command).await.0, Some(0));
    }

    /// Runs `mosquitto_sub` and returns its code and what it printed.
    pub async fn subscribe(&self, arguments: &[&str]) -> (Option<i32>, String) {
        output(self.command("mosquitto_sub", arguments)).await
    }

    pub fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string()])
            .args(arguments);
        command
    }
}

async fn output(mut command: Command) -> (Option<i32>, String) {
    let ended = spawn_blocking(move || command.stderr(Stdio::inherit()).output().unwrap());
    let output = ended.await.unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stdout).unwrap(),
    )
}

/// Starts a server on a port that has just been free. Somebody else may be quicker to take it.
pub fn start(command: impl Fn(u16) -> (Command, Option<PathBuf>)) -> Server {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let (mut command, folder) = command(port);
        let child = command.stdout(Stdio::null()).spawn();
        let child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut server = Server {
            port,
            child,
            folder,
        };
        while server.child.try_wait().unwrap().is_none() {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return server;
            }
            assert!(Instant::now() < deadline, "{command:?} does not listen");
            sleep(Duration::from_millis(10));
        }
        assert!(Instant::now() < deadline, "{command:?} ends");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(folder) = &self.folder {
            let _ = fs::remove_dir_all(folder);
        }
    }
}
