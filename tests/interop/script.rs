//! Clients of others that a script runs: one process a kind, with all of its connections.
//!
//! A command is a line of JSON: `{"link": 1, "do": "publish", "with": [MESSAGE]}`; `open` has the
//! fields of [`Opening`] instead of `with`. What comes of it is a line too: `link` and one of
//! `opened`, `refused`, `message`, `done` and `ended`. The first line is `{"ready": true}`.

use std::collections::{HashMap, VecDeque};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Instant;

use mqtt_sansio::Version;
use serde_json::{Value, json};

use crate::link::{Client, Link, Message, Opened, Opening, from_hex, to_hex};
use crate::process::{Process, patience, patiently};

/// A kind of client, whose process starts with its first connection.
pub(crate) struct Script {
    command: fn() -> Command,
    running: OnceLock<Arc<Running>>,
}

struct Running {
    process: Mutex<Process>,
    links: Arc<Mutex<HashMap<u64, Sender<Value>>>>,
    next: AtomicU64,
}

impl Script {
    pub(crate) fn new(command: fn() -> Command) -> Self {
        Self {
            command,
            running: OnceLock::new(),
        }
    }
}

impl Script {
    fn running(&self) -> &Arc<Running> {
        let start = || Arc::new(Running::start((self.command)()));
        self.running.get_or_init(start)
    }
}

impl Client for Script {
    fn start(&self) {
        self.running();
    }

    fn open(&self, port: u16, opening: &Opening) -> Result<Box<dyn Link>, u8> {
        Ok(Box::new(ScriptLink::open(self.running(), port, opening)?))
    }
}

impl Running {
    fn start(command: Command) -> Self {
        let mut process = Process::start(command);
        patiently(|| process.find("first line", |_| Some(())));
        let lines = process.take_lines();
        let links: Arc<Mutex<HashMap<u64, Sender<Value>>>> = Arc::default();
        let receivers = Arc::clone(&links);
        thread::spawn(move || {
            for line in lines {
                let Ok(news) = serde_json::from_str::<Value>(&line) else {
                    eprintln!("not JSON: {line}");
                    continue;
                };
                let link = news["link"].as_u64().unwrap_or(0);
                if let Some(receiver) = receivers.lock().unwrap().get(&link) {
                    let _ = receiver.send(news);
                }
            }
            // Whoever waits finds that the process has ended.
            receivers.lock().unwrap().clear();
        });
        Self {
            process: Mutex::new(process),
            links,
            next: AtomicU64::new(1),
        }
    }
}

struct ScriptLink {
    running: Arc<Running>,
    port: u16,
    id: u64,
    news: Receiver<Value>,
    /// What came while something else was waited for.
    aside: VecDeque<Value>,
    opened: Opened,
}

impl ScriptLink {
    fn open(running: &Arc<Running>, port: u16, opening: &Opening) -> Result<Self, u8> {
        let id = running.next.fetch_add(1, Ordering::Relaxed);
        let (sender, news) = mpsc::channel();
        running.links.lock().unwrap().insert(id, sender);
        let mut link = Self {
            running: Arc::clone(running),
            port,
            id,
            news,
            aside: VecDeque::new(),
            opened: Opened::default(),
        };
        link.write(&json!({
            "link": id,
            "do": "open",
            "port": port,
            "version": match opening.version { Version::V311 => 4, _ => 5 },
            "client_id": opening.client_id,
            "clean": opening.clean,
            "session_expiry": opening.session_expiry,
            "keep_alive": opening.keep_alive,
            "alias_maximum": opening.alias_maximum,
            "will": opening.will.as_ref().map(to_json),
            "filters": opening.filters,
            "subscription_id": opening.subscription_id,
            "user_name": opening.user.as_ref().map(|(name, _)| name),
            "password": opening.user.as_ref().map(|(_, password)| password),
        }));
        let answer = link.wait(&["opened", "refused"]);
        if let Some(code) = answer["refused"].as_u64() {
            return Err(u8::try_from(code).unwrap());
        }
        let opened = &answer["opened"];
        let granted = opened["granted"].as_array().unwrap().iter();
        link.opened = Opened {
            present: opened["present"].as_bool(),
            granted: granted
                .map(|code| u8::try_from(code.as_u64().unwrap()).unwrap())
                .collect(),
        };
        Ok(link)
    }

    fn write(&self, command: &Value) {
        let line = format!("{command}\n").into_bytes();
        self.running.process.lock().unwrap().write(line);
    }

    fn tell(&self, what: &str, with: &[Value]) {
        self.write(&json!({"link": self.id, "do": what, "with": with}));
    }

    /// Waits for news that has one of these.
    fn wait(&mut self, wanted: &[&str]) -> Value {
        let is_wanted = |news: &Value| wanted.iter().any(|name| news.get(name).is_some());
        if let Some(at) = self.aside.iter().position(is_wanted) {
            return self.aside.remove(at).unwrap();
        }
        let deadline = Instant::now() + patience();
        loop {
            let wait = deadline.saturating_duration_since(Instant::now());
            let news = match self.news.recv_timeout(wait) {
                Ok(news) => news,
                Err(RecvTimeoutError::Timeout) => panic!("no {wanted:?}, but {:?}", self.aside),
                Err(RecvTimeoutError::Disconnected) => panic!("the script ended: no {wanted:?}"),
            };
            if is_wanted(&news) {
                return news;
            }
            assert!(news.get("ended").is_none(), "{news} instead of {wanted:?}");
            self.aside.push_back(news);
        }
    }

    fn wait_done(&mut self) {
        let news = self.wait(&["done"]);
        assert_eq!(news["done"], true);
    }
}

impl Link for ScriptLink {
    fn opened(&self) -> &Opened {
        &self.opened
    }

    fn publish(&mut self, message: &Message) {
        self.tell("publish", &[to_json(message)]);
        self.wait_done();
    }

    fn receive(&mut self) -> Message {
        from_json(&self.wait(&["message"])["message"])
    }

    fn unsubscribe(&mut self, filter: &str) {
        self.tell("unsubscribe", &[filter.into()]);
        self.wait_done();
    }

    fn ended(&mut self) -> Option<u8> {
        let reason = self.wait(&["ended"])["ended"].as_u64();
        reason.map(|reason| u8::try_from(reason).unwrap())
    }

    fn cut(&mut self) {
        self.tell("cut", &[]);
        self.wait(&["ended"]);
    }

    fn close(&mut self) {
        self.tell("close", &[]);
        self.wait(&["ended"]);
    }

    fn reopen(&mut self, opening: &Opening) {
        let mut opening = opening.clone();
        opening.filters.clear();
        *self = Self::open(&self.running, self.port, &opening).unwrap();
    }
}

fn to_json(message: &Message) -> Value {
    json!({
        "topic": message.topic,
        "payload": to_hex(&message.payload),
        "qos": message.qos,
        "retain": message.retain,
        "user": message.user,
        "content_type": message.content_type,
        "response_topic": message.response_topic,
        "correlation_data": message.correlation_data.as_deref().map(to_hex),
        "payload_format": message.text.then_some(1),
        "expiry": message.expiry,
        "alias": message.alias,
        "bare": message.bare,
    })
}

fn from_json(value: &Value) -> Message {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let array = |name: &str| value[name].as_array().cloned().unwrap_or_default();
    let number = |value: &Value| value.as_u64().and_then(|number| u32::try_from(number).ok());
    Message {
        topic: text(&value["topic"]).unwrap(),
        payload: from_hex(value["payload"].as_str().unwrap()),
        qos: number(&value["qos"]).unwrap() as u8,
        retain: value["retain"].as_bool().unwrap(),
        user: array("user")
            .iter()
            .map(|pair| (text(&pair[0]).unwrap(), text(&pair[1]).unwrap()))
            .collect(),
        content_type: text(&value["content_type"]),
        response_topic: text(&value["response_topic"]),
        correlation_data: value["correlation_data"].as_str().map(from_hex),
        text: value["payload_format"] == 1,
        expiry: number(&value["expiry"]),
        subscription_ids: array("subscription_ids")
            .iter()
            .filter_map(number)
            .collect(),
        alias: number(&value["alias"]).map(|alias| alias as u16),
        bare: false,
    }
}
