//! Brokers, each started when the first client needs it and ended after the last test.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use mqtt_sansio::{ReasonCode, Text, Version};
use reference_broker::{Broker as Reference, Config, Policy, spawn};

use crate::process::{Process, patience, patiently, program};

/// A broker that lets everyone in, but for users with another password than [`PASSWORD`].
pub(crate) struct Broker {
    start: fn() -> Running,
    running: OnceLock<Running>,
    /// Whether only [`USER`] gets in.
    pub(crate) users_only: bool,
    /// What it grants to who asks for more, as a server may.
    pub(crate) highest_qos: u8,
}

pub(crate) const USER: &str = "user@localhost";
pub(crate) const PASSWORD: &str = "secret";

/// Where a broker listens, and what ends with this value.
pub(crate) struct Running {
    pub(crate) port: u16,
    _ends: Ends,
}

#[expect(dead_code, reason = "what is in it is dropped")]
enum Ends {
    Here(reference_broker::Running),
    Process(std::sync::Mutex<Process>),
}

impl Broker {
    pub(crate) fn new(start: fn() -> Running) -> Self {
        Self {
            start,
            running: OnceLock::new(),
            users_only: false,
            highest_qos: 2,
        }
    }

    /// The same, with a process of its own.
    pub(crate) fn another(&self) -> Self {
        Self {
            users_only: self.users_only,
            highest_qos: self.highest_qos,
            ..Self::new(self.start)
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.running.get_or_init(self.start).port
    }
}

/// The reference broker, in this process.
pub(crate) fn reference() -> Running {
    #[derive(Debug)]
    struct Passwords;
    impl Policy for Passwords {
        fn connect(
            &mut self,
            _: &Text,
            user_name: Option<&[u8]>,
            password: Option<&[u8]>,
        ) -> Result<(), ReasonCode> {
            match user_name.is_none() || password == Some(PASSWORD.as_bytes()) {
                true => Ok(()),
                false => Err(ReasonCode::BadUserNameOrPassword),
            }
        }
    }
    let broker = spawn(Reference::with_policy(Config::default(), Passwords)).unwrap();
    Running {
        port: broker.addr().port(),
        _ends: Ends::Here(broker),
    }
}

pub(crate) fn mosquitto() -> Running {
    mosquitto_with("")
}

/// A mosquitto that is a bridge to the broker at this port, too. But for the time in which it comes
/// back, all is as it is by default.
pub(crate) fn bridge(to: u16, version: Version) -> Running {
    let version = match version {
        Version::V311 => "",
        _ => "bridge_protocol_version mqttv50\n",
    };
    mosquitto_with(&format!(
        "connection bridge\naddress 127.0.0.1:{to}\ntopic # both 2\nrestart_timeout 1\n{version}"
    ))
}

fn mosquitto_with(lines: &str) -> Running {
    let deadline = Instant::now() + patience();
    loop {
        // It cannot say which port the system would choose: this one has just been free.
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let (mut process, files) = start_mosquitto(port, lines);
        while !process.has_ended() {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                for file in files {
                    std::fs::remove_file(file).unwrap();
                }
                return Running {
                    port,
                    _ends: Ends::Process(process.into()),
                };
            }
            assert!(Instant::now() < deadline, "mosquitto does not listen");
            thread::sleep(Duration::from_millis(10));
        }
        // Somebody else was quicker to take the port.
        assert!(Instant::now() < deadline, "mosquitto ends");
    }
}

fn start_mosquitto(port: u16, more: &str) -> (Process, [PathBuf; 2]) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    // Other runs have other files.
    let passwords = folder.join(format!("mosquitto-{port}.passwords"));
    let config = folder.join(format!("mosquitto-{port}.conf"));
    let status = Command::new(program("mosquitto_passwd").unwrap())
        .args(["-b", "-c"])
        .arg(&passwords)
        .args([USER, PASSWORD])
        .status();
    assert!(status.unwrap().success(), "mosquitto_passwd");
    let lines = format!(
        "listener {port} 127.0.0.1\nallow_anonymous true\npassword_file {}\nuser root\n\
         persistence false\nset_tcp_nodelay true\nlog_dest none\n{more}",
        passwords.display()
    );
    std::fs::write(&config, lines).unwrap();
    let mut command = Command::new(program("mosquitto").unwrap());
    command.arg("-c").arg(&config);
    (Process::start(command), [passwords, config])
}

/// A broker that a script runs, which prints its port.
pub(crate) fn script(command: Command) -> Running {
    let process = Process::start(command).ending_with_input();
    let port = |line: &str| {
        let told: serde_json::Value = serde_json::from_str(line).ok()?;
        u16::try_from(told["port"].as_u64()?).ok()
    };
    let port = patiently(|| process.find("port", port));
    Running {
        port,
        _ends: Ends::Process(process.into()),
    }
}
