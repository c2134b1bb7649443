//! A TCP proxy that does to connections what networks do: swallows, delays, trickles, cuts and resets them.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinHandle,
    time::sleep,
};

/// What the proxy does to each connection.
#[derive(Debug, Clone, Copy)]
pub enum Toxic {
    /// Accepts, and never forwards anything.
    BlackHole,
    /// Forwards an answer only after a while.
    Delay(Duration),
    /// Forwards an answer byte by byte, with this between them.
    Trickle(Duration),
    /// Forwards so many bytes of an answer, then closes.
    Truncate(usize),
    /// Forwards so many bytes of an answer, then resets.
    Reset(usize),
    /// Forwards so many bytes of an answer, then nothing.
    Stall(usize),
    /// Resets a connection on which a second request comes: whoever kept it was too slow to see that it is closed.
    ResetReused,
}

/// The proxy; it stops when dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Proxy {
    pub async fn start(upstream: SocketAddr, toxic: Toxic) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(forward(stream, upstream, toxic));
            }
        });
        Self { address, accepting }
    }

    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }
}

async fn forward(client: TcpStream, upstream: SocketAddr, toxic: Toxic) -> std::io::Result<()> {
    if let Toxic::BlackHole = toxic {
        sleep(Duration::from_secs(60)).await;
        return Ok(());
    }
    let server = TcpStream::connect(upstream).await?;
    let (from_server, to_server) = server.into_split();
    let (from_client, to_client) = client.into_split();
    let up = tokio::spawn(requests(from_client, to_server, toxic));
    let cut = answers(from_server, to_client, toxic).await;
    // A reset closes both ways, so that the halves have to meet again.
    let from_client = up.await.ok().flatten();
    if let (Ok(Some(to_client)), Some(from_client)) = (cut, from_client) {
        let _ = from_client.reunite(to_client).map(|stream| stream.set_zero_linger());
    }
    Ok(())
}

/// Forwards requests; returns the half when the connection is to be reset.
async fn requests(mut client: OwnedReadHalf, mut server: OwnedWriteHalf, toxic: Toxic) -> Option<OwnedReadHalf> {
    let mut begun = 0;
    let mut buffer = [0; 4096];
    loop {
        let count = client.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
        begun += usize::from(buffer.starts_with(b"POST "));
        if matches!(toxic, Toxic::ResetReused) && begun > 1 {
            return Some(client);
        }
        server.write_all(&buffer[..count]).await.ok()?;
        if matches!(toxic, Toxic::Reset(_)) {
            // One request is enough for what comes next.
            return Some(client);
        }
    }
}

/// Forwards answers as the toxic lets them; returns the half when the connection is to be reset.
async fn answers(
    mut server: OwnedReadHalf,
    mut client: OwnedWriteHalf,
    toxic: Toxic,
) -> std::io::Result<Option<OwnedWriteHalf>> {
    let mut sent = 0;
    let mut buffer = [0; 4096];
    loop {
        let count = server.read(&mut buffer).await?;
        if count == 0 {
            return Ok(matches!(toxic, Toxic::ResetReused).then_some(client));
        }
        let bytes = &buffer[..count];
        match toxic {
            Toxic::Delay(wait) => {
                sleep(wait).await;
                client.write_all(bytes).await?;
            }
            Toxic::Trickle(wait) => {
                for byte in bytes {
                    client.write_all(&[*byte]).await?;
                    sleep(wait).await;
                }
            }
            Toxic::Truncate(limit) | Toxic::Reset(limit) | Toxic::Stall(limit) => {
                let room = limit.saturating_sub(sent).min(count);
                client.write_all(&bytes[..room]).await?;
                sent += room;
                if sent == limit {
                    // Let the part arrive before the connection ends.
                    sleep(Duration::from_millis(20)).await;
                    match toxic {
                        Toxic::Truncate(_) => return Ok(None),
                        Toxic::Reset(_) => return Ok(Some(client)),
                        _ => sleep(Duration::from_secs(60)).await,
                    }
                }
            }
            Toxic::ResetReused => client.write_all(bytes).await?,
            Toxic::BlackHole => return Ok(None),
        }
    }
}
