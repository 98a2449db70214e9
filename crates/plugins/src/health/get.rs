//! The least that is needed of HTTP (RFC 9112) to ask our own endpoint: one GET, one connection,
//! any status. It is no client for anything else.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::self_check::Target;

/// Asks the target for `/health`; any HTTP response is success.
pub(super) async fn get(target: Target) -> io::Result<()> {
    let stream = connect(&target.addresses).await?;
    exchange(stream, &target.authority).await
}

async fn connect(addresses: &[String]) -> io::Result<TcpStream> {
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// One request and its response. The response is read to its end, so that nobody sees a reset.
pub(super) async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    authority: &str,
) -> io::Result<()> {
    let request = format!(
        "GET /health HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: dunlin\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut response = Vec::new();
    stream.take(LIMIT).read_to_end(&mut response).await?;
    match response.starts_with(b"HTTP/1.") {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::InvalidData, "malformed HTTP response")),
    }
}

/// Octets of a response that are read, at most.
const LIMIT: u64 = 4096;
