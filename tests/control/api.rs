//! A lab with its control API on a loopback port, and a client that can say anything.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mitmlab::control::{self, Token};
use mitmlab::lab::{Lab, Running};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The API of one lab.
pub(crate) struct Api {
    pub(crate) address: SocketAddr,
    pub(crate) running: Arc<Running>,
    serving: tokio::task::JoinHandle<std::io::Result<()>>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Api {
    /// A lab of this scenario.
    pub(crate) async fn of(scenario: &str) -> Self {
        let lab = Lab::builder().scenario(scenario).start().await.expect("the lab starts");
        let running = Arc::new(Running::new(lab, 0).await.expect("the entrances open"));
        let router = control::router(Arc::clone(&running) as Arc<dyn control::Handle>, Token::of(TOKEN));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        Self { address, running, serving: tokio::spawn(control::serve(listener, router)) }
    }

    /// A request with the token.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        self.say(method, path, &format!("Authorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n"), body).await
    }

    /// A request with these header lines.
    pub(crate) async fn say(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let address = self.address;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\n{headers}Connection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let exchange = async {
            let mut stream = TcpStream::connect(address).await.expect("the API listens");
            stream.write_all(head.as_bytes()).await.expect("the API reads");
            let _ = stream.write_all(body.as_bytes()).await; // a body that is too long is not read to its end
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await; // a reset after the answer
            String::from_utf8_lossy(&answer).into_owned()
        };
        let answer = tokio::time::timeout(PATIENCE, exchange).await.expect("an answer in time");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or_else(|| panic!("no status: {answer:?}"));
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// Opens an event stream and sends the request; nothing is read.
    pub(crate) async fn stream(&self, path: &str, headers: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.expect("the API listens");
        let head = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {TOKEN}\r\n{headers}\r\n", self.address);
        stream.write_all(head.as_bytes()).await.expect("the API reads");
        stream
    }
}

/// Reads until the text is as wanted.
pub(crate) async fn read_until(stream: &mut TcpStream, wanted: impl Fn(&str) -> bool) -> String {
    let mut all = Vec::new();
    let reading = async {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = stream.read(&mut buffer).await.expect("the stream goes on");
            all.extend_from_slice(&buffer[..read]);
            let text = String::from_utf8_lossy(&all);
            if wanted(&text) {
                return text.into_owned();
            }
            assert!(read > 0, "the stream ended: {text}");
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("it comes in time")
}

pub(crate) const TOKEN: &str = "a-token-for-tests";
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
