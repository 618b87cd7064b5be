//! MQTT.js in Chromium. `websocket-browser.log` and `websocket-browser.png` in the target folder have
//! what the page printed and what it looked like.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::{MQTT_JS, PATIENCE, Program, node_file, program, server};
use crate::peers::temporary;

#[tokio::test]
async fn mqttjs_in_chromium() {
    let (Some(chromium), Some(mqtt)) = (program("chromium"), node_file("mqtt/dist/mqtt.min.js"))
    else {
        return;
    };
    let (log, picture) = (
        temporary("websocket-browser.log"),
        temporary("websocket-browser.png"),
    );
    for file in [&log, &picture] {
        let _ = std::fs::remove_file(file);
    }
    let (_server, url) = server().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let page = listener.local_addr().unwrap();
    let site = Arc::new(Site {
        mqtt,
        log: log.clone(),
        logged: Notify::new(),
    });
    let serving = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(site.clone().answer(stream));
        }
    });
    let profile = temporary("websocket-browser.profile");
    let browser = Program::start(
        chromium,
        &[
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--window-size=800,1000",
            &format!("--user-data-dir={}", profile.display()),
            &format!("--screenshot={}", picture.display()),
            &format!("http://{page}/?server={url}"),
        ],
    );
    browser.succeeds().await;
    serving.abort();
    let text = std::fs::read_to_string(log).expect("the page logs");
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].contains("Chrome"), "{text}");
    assert_eq!(lines.last(), Some(&"all of it"), "{text}");
    assert_eq!(lines.len(), 34, "{text}");
    let picture = std::fs::read(picture).expect("the browser takes a picture");
    assert!(picture.starts_with(b"\x89PNG"));
}

/// What the browser loads.
struct Site {
    mqtt: PathBuf,
    log: PathBuf,
    logged: Notify,
}

impl Site {
    async fn answer(self: Arc<Self>, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        let (mut head, mut len) = (String::new(), 0);
        while !head.ends_with("\r\n\r\n") {
            let start = head.len();
            // A browser opens connections that it does not use.
            if stream.read_line(&mut head).await.unwrap_or(0) == 0 {
                return;
            }
            let line = head[start..].to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                len = value.trim().parse().unwrap();
            }
        }
        let path = head.split([' ', '?']).nth(1).unwrap();
        let read = |path: &PathBuf| std::fs::read(path).unwrap();
        let (kind, body) = match path {
            "/" => ("text/html", include_bytes!("page.html").to_vec()),
            "/mqtt.js" => ("text/javascript", read(&self.mqtt)),
            "/mqttjs.mjs" => ("text/javascript", read(&MQTT_JS.into())),
            "/log" => {
                let mut log = vec![0; len];
                stream.read_exact(&mut log).await.unwrap();
                std::fs::write(&self.log, log).unwrap();
                self.logged.notify_one();
                ("text/plain", Vec::new())
            }
            "/logged" => {
                let _ = timeout(PATIENCE, self.logged.notified()).await;
                ("text/plain", Vec::new())
            }
            _ => ("text/plain", Vec::new()),
        };
        let len = body.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len}\r\nConnection: close\r\n\r\n"
        );
        let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
    }
}
