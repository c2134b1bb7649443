//! Places that are hard to reach.

use std::{future::pending, net::SocketAddr, sync::Arc, time::Duration};

use reqwest::dns::{Name, Resolve, Resolving};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use tokio::net::{TcpSocket, TcpStream};

/// A port that accepts no more: connecting to it hangs.
pub(super) struct FullBacklog {
    address: SocketAddr,
    _listener: tokio::net::TcpListener,
    _waiting: Vec<TcpStream>,
}

impl FullBacklog {
    pub(super) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }
}

/// Fills a listener's backlog until the system drops whoever else wants to connect.
pub(super) async fn full_backlog() -> FullBacklog {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = vec![];
    for _ in 0..64 {
        match tokio::time::timeout(Duration::from_millis(100), TcpStream::connect(address)).await {
            Ok(stream) => waiting.push(stream.unwrap()),
            Err(_) => return FullBacklog { address, _listener: listener, _waiting: waiting },
        }
    }
    panic!("the backlog never fills");
}

/// A name service that never answers.
struct NoNames;

impl Resolve for NoNames {
    fn resolve(&self, _: Name) -> Resolving {
        Box::pin(pending())
    }
}

pub(super) fn client_without_names() -> reqwest::Client {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let tls = tls.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .dns_resolver(Arc::new(NoNames))
        .build()
        .unwrap()
}

/// A TLS server with a certificate that nobody vouches for.
pub(super) struct SelfSigned {
    address: SocketAddr,
}

impl SelfSigned {
    pub(super) fn base_url(&self) -> String {
        format!("https://localhost:{}/v1", self.address.port())
    }
}

pub(super) fn self_signed() -> SelfSigned {
    let certificate = CertificateDer::from(&include_bytes!("../../fixtures/self_signed.der")[..]);
    let key = PrivateKeyDer::try_from(&include_bytes!("../../fixtures/self_signed_key.der")[..]).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // For one handshake or its retry; the thread ends with the test process at the latest.
    std::thread::spawn(move || {
        for stream in listener.incoming().take(2).flatten() {
            let Ok(connection) = ServerConnection::new(Arc::clone(&config)) else { return };
            let mut stream = StreamOwned::new(connection, stream);
            let _ = std::io::Read::read(&mut stream, &mut [0; 1024]);
        }
    });
    SelfSigned { address }
}
