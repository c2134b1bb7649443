//! A language model's server as a script: raw TCP on 127.0.0.1, because a mock that speaks proper HTTP cannot stall,
//! trickle, hang up or lie about its length.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::sleep,
};

/// What the server does with one request.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Sends a whole response.
    Send { status: u16, headers: Vec<(&'static str, String)>, body: Vec<u8>, delay: Duration },
    /// Reads the request and never answers.
    BlackHole,
    /// Sends the head of a response, then nothing.
    HeadOnly,
    /// Sends one byte of a valid response every 20 ms.
    Trickle,
    /// Sends a part of the body it announced, then resets the connection.
    Reset,
    /// Sends a valid response in chunks of seven bytes.
    Chunked(String),
    /// Sends bytes as they are and closes.
    Raw(Vec<u8>),
    /// Sends this as server-sent events and leaves the connection open.
    Events(String),
    /// Sends as many bytes of a body as the client takes, up to this.
    Flood(usize),
}

impl Answer {
    pub fn status(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::Send { status, headers: vec![], body: body.into(), delay: Duration::ZERO }
    }

    /// A chat completion that says this.
    pub fn saying(text: &str) -> Self {
        Self::status(200, completion(text))
    }

    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        if let Self::Send { headers, .. } = &mut self {
            headers.push((name, value.into()));
        }
        self
    }

    pub fn after(mut self, wait: Duration) -> Self {
        if let Self::Send { delay, .. } = &mut self {
            *delay = wait;
        }
        self
    }
}

/// The body of a chat completion.
pub fn completion(text: &str) -> String {
    let message = serde_json::json!({"role": "assistant", "content": text});
    serde_json::json!({"id": "1", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).to_string()
}

/// The same as server-sent events, in pieces of seven characters, up to their end or not.
pub fn events(text: &str, whole: bool) -> String {
    let pieces: Vec<char> = text.chars().collect();
    let event = |piece: &[char]| {
        let delta = serde_json::json!({"content": piece.iter().collect::<String>()});
        format!("data: {}\n\n", serde_json::json!({"choices": [{"index": 0, "delta": delta}]}))
    };
    let events: String = pieces.chunks(7).map(event).collect();
    if whole { format!("{events}data: [DONE]\n\n") } else { events }
}

#[derive(Debug, Default)]
struct Counts {
    /// How many bytes of floods were taken.
    flooded: AtomicUsize,
    /// How many clients were gone when their answer was due.
    hung_up: AtomicUsize,
}

/// The server; it stops when dropped.
#[derive(Debug)]
pub struct LlmServer {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    counts: Arc<Counts>,
    accepting: JoinHandle<()>,
}

impl Drop for LlmServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl LlmServer {
    /// A server that gives these answers, one for each request, the last one for ever.
    pub async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::default();
        let script = Arc::new(Mutex::new(answers.into_iter().collect::<VecDeque<_>>()));
        let recorded = Arc::clone(&requests);
        let counts = Arc::<Counts>::default();
        let counted = Arc::clone(&counts);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&script), Arc::clone(&recorded), Arc::clone(&counted)));
            }
        });
        Self { address, requests, counts, accepting }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn flooded(&self) -> usize {
        self.counts.flooded.load(Ordering::SeqCst)
    }

    /// How many clients were gone when their answer was due.
    pub fn hung_up(&self) -> usize {
        self.counts.hung_up.load(Ordering::SeqCst)
    }

    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The requests so far, head and body.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

type Script = Arc<Mutex<VecDeque<Answer>>>;

/// Answers the requests of one connection, which is kept alive between them.
async fn serve(mut stream: TcpStream, script: Script, requests: Arc<Mutex<Vec<String>>>, counts: Arc<Counts>) {
    while let Some(request) = read_request(&mut stream).await {
        requests.lock().unwrap().push(request);
        let answer = {
            let mut script = script.lock().unwrap();
            if script.len() > 1 { script.pop_front() } else { script.front().cloned() }
        };
        let Some(answer) = answer else { return };
        if give(&mut stream, answer, &counts).await.is_err() {
            return;
        }
    }
}

/// Reads one request, head and body.
pub async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut read = vec![];
    loop {
        let text = String::from_utf8_lossy(&read);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some(text.into_owned());
            }
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => read.extend_from_slice(&buffer[..count]),
        }
    }
}

async fn give(stream: &mut TcpStream, answer: Answer, counts: &Counts) -> std::io::Result<()> {
    let whole = completion("a rewritten question");
    match answer {
        Answer::Send { status, headers, body, delay } => {
            sleep(delay).await;
            if matches!(stream.try_read(&mut [0]), Ok(0)) {
                counts.hung_up.fetch_add(1, Ordering::SeqCst);
            }
            let mut head = format!("HTTP/1.1 {status} Scripted\r\ncontent-length: {}\r\n", body.len());
            for (name, value) in headers {
                head = format!("{head}{name}: {value}\r\n");
            }
            stream.write_all(format!("{head}\r\n").as_bytes()).await?;
            stream.write_all(&body).await
        }
        Answer::BlackHole => {
            sleep(Duration::from_secs(60)).await;
            Ok(())
        }
        Answer::HeadOnly => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n").await?;
            sleep(Duration::from_secs(60)).await;
            Ok(())
        }
        Answer::Trickle => {
            let response = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{whole}", whole.len());
            for byte in response.bytes() {
                stream.write_all(&[byte]).await?;
                sleep(Duration::from_millis(20)).await;
            }
            Ok(())
        }
        Answer::Reset => {
            stream
                .write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{}", &whole[..20]).as_bytes())
                .await?;
            // Let the part arrive; then a linger of zero makes the close a reset.
            sleep(Duration::from_millis(20)).await;
            stream.set_zero_linger()?;
            Err(std::io::ErrorKind::ConnectionReset.into())
        }
        Answer::Chunked(body) => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await?;
            for chunk in body.as_bytes().chunks(7) {
                stream.write_all(format!("{:x}\r\n", chunk.len()).as_bytes()).await?;
                stream.write_all(chunk).await?;
                stream.write_all(b"\r\n").await?;
            }
            stream.write_all(b"0\r\n\r\n").await
        }
        Answer::Events(body) => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n").await?;
            stream.write_all(body.as_bytes()).await?;
            sleep(Duration::from_secs(60)).await;
            Ok(())
        }
        Answer::Flood(bytes) => {
            stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\n\r\n").as_bytes()).await?;
            let chunk = vec![b' '; 64 << 10];
            while counts.flooded.fetch_add(chunk.len(), Ordering::SeqCst) < bytes {
                stream.write_all(&chunk).await?;
            }
            Ok(())
        }
        Answer::Raw(bytes) => {
            stream.write_all(&bytes).await?;
            stream.shutdown().await?;
            Err(std::io::ErrorKind::ConnectionAborted.into())
        }
    }
}
