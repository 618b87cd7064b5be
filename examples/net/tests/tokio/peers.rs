//! Processes: mosquitto, its clients and the examples. Each ends with its value.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

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
