//! Dunlin as the request handler of a hickory server: `embedded COREFILE ADDRESS`. Listeners belong to the
//! embedding program; the server blocks, with their plugins, come from the Corefile.
#![forbid(unsafe_code)]

use std::time::Duration;

use dunlin_engine::Embedded;
use hickory_server::server::Server;
use tokio::net::{TcpListener, UdpSocket};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let [_, corefile, address] = &std::env::args().collect::<Vec<_>>()[..] else {
        anyhow::bail!("usage: embedded COREFILE ADDRESS");
    };
    let handler =
        Embedded::new(dunlin_plugins::registry(), &std::fs::read_to_string(corefile)?).await?;

    let mut server = Server::new(handler);
    server.register_socket(UdpSocket::bind(address).await?);
    server.register_listener(TcpListener::bind(address).await?, IDLE, REPLIES);
    server.block_until_done().await?;
    Ok(())
}

/// A connection on which nothing comes for so long is closed.
const IDLE: Duration = Duration::from_secs(10);
/// Replies that may wait for a client, per connection.
const REPLIES: usize = 128;
