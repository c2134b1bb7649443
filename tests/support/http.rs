//! HTTP as bytes on a socket: a client that speaks proper HTTP could not send what a server has to refuse.

use std::{net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// How long a test waits for an answer before it fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request, to be sent as it is written.
#[derive(Debug, Clone)]
pub struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    pub fn post(path: &str, body: &Value) -> Self {
        Self::new("POST", path).json(body)
    }

    pub fn new(method: &str, path: &str) -> Self {
        let headers = vec![("host".to_owned(), "localhost".to_owned())];
        Self { method: method.to_owned(), path: path.to_owned(), headers, body: vec![] }
    }

    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Adds a header field; a second `host` takes the place of the first.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if name == "host" {
            self.headers.retain(|(name, _)| name != "host");
        }
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn key(self, key: &str) -> Self {
        self.header("authorization", &format!("Bearer {key}"))
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        if !self.body.is_empty() && !self.headers.iter().any(|(name, _)| name == "content-length") {
            head.extend(["content-length: ", &self.body.len().to_string(), "\r\n"]);
        }
        [head.as_bytes(), b"\r\n", &self.body].concat()
    }

    /// Sends it on a connection of its own.
    pub async fn send(&self, to: SocketAddr) -> Response {
        self.try_send(to).await.expect("an answer")
    }

    /// As [`send`](Self::send); `None` if the connection broke before there was a whole answer.
    pub async fn try_send(&self, to: SocketAddr) -> Option<Response> {
        let mut connection = Connection::open(to).await?;
        connection.exchange(self).await
    }
}

/// A connection for several requests.
#[derive(Debug)]
pub struct Connection {
    pub stream: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    pub async fn open(to: SocketAddr) -> Option<Self> {
        Some(Self { stream: TcpStream::connect(to).await.ok()?, read: vec![] })
    }

    pub async fn exchange(&mut self, request: &Request) -> Option<Response> {
        self.stream.write_all(&request.bytes()).await.ok()?;
        self.response().await
    }

    /// Reads one answer.
    pub async fn response(&mut self) -> Option<Response> {
        timeout(PATIENCE, self.read_response()).await.expect("an answer in time")
    }

    async fn read_response(&mut self) -> Option<Response> {
        let head = self.until(b"\r\n\r\n").await?;
        let head = String::from_utf8(head).ok()?;
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        let headers: Vec<_> = lines.filter_map(header).collect();
        let mut response = Response { status, headers, body: vec![] };
        if response.header("transfer-encoding") == Some("chunked") {
            loop {
                let size = String::from_utf8(self.until(b"\r\n").await?).ok()?;
                let size = usize::from_str_radix(size.trim(), 16).ok()?;
                let chunk = self.exactly(size + 2).await?;
                if size == 0 {
                    return Some(response);
                }
                response.body.extend(&chunk[..size]);
            }
        }
        let length = response.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        response.body = self.exactly(length).await?;
        Some(response)
    }

    async fn until(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.read.windows(end.len()).position(|window| window == end) {
                return Some(self.read.drain(..at + end.len()).collect());
            }
            self.more().await?;
        }
    }

    async fn exactly(&mut self, bytes: usize) -> Option<Vec<u8>> {
        while self.read.len() < bytes {
            self.more().await?;
        }
        Some(self.read.drain(..bytes).collect())
    }

    async fn more(&mut self) -> Option<()> {
        let mut buffer = [0; 16 << 10];
        let read = self.stream.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        self.read.extend(&buffer[..read]);
        Some(())
    }
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
