//! One thread a worker, each with a runtime of its own and its own sockets of every listener: a
//! query never leaves the core that received it.

use std::io;
use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::mpsc;

use crate::listen::connections::Connections;
use crate::listen::{Limits, Listener, serve_tcp, serve_udp};

/// The worker threads.
#[derive(Debug)]
pub(crate) struct Workers {
    workers: Vec<Worker>,
}

#[derive(Debug)]
struct Worker {
    sockets: mpsc::Sender<Assignment>,
    thread: JoinHandle<()>,
}

/// A worker's sockets of one listener.
#[derive(Debug)]
struct Assignment {
    listener: Arc<Listener>,
    udp: UdpSocket,
    tcp: TcpListener,
}

/// Listeners handed to a worker that it has not taken yet.
const ASSIGNMENTS: usize = 64;

impl Workers {
    /// Starts `count` threads.
    ///
    /// # Errors
    /// The kernel refused a thread or an epoll descriptor.
    pub(crate) fn start(count: usize, connections: &Arc<Connections>) -> io::Result<Self> {
        let workers = (0..count).map(|index| Worker::start(index, Arc::clone(connections)));
        Ok(Self { workers: workers.collect::<io::Result<_>>()? })
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.workers.len()
    }

    /// Hands the sockets of a listener out, one pair a worker, and round again.
    pub(crate) async fn serve(
        &self,
        listener: &Arc<Listener>,
        sockets: Vec<(UdpSocket, TcpListener)>,
    ) {
        for (worker, (udp, tcp)) in self.workers.iter().cycle().zip(sockets) {
            let assignment = Assignment { listener: Arc::clone(listener), udp, tcp };
            if worker.sockets.send(assignment).await.is_err() {
                tracing::error!(address = %listener.address, "a worker has ended");
            }
        }
    }

    /// Ends the threads, once their listeners have been stopped.
    pub(crate) fn stop(self) {
        for Worker { sockets, thread } in self.workers {
            drop(sockets);
            if thread.join().is_err() {
                tracing::error!("a worker ended with a panic");
            }
        }
    }
}

impl Worker {
    fn start(index: usize, connections: Arc<Connections>) -> io::Result<Self> {
        let (sockets, assignments) = mpsc::channel(ASSIGNMENTS);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread =
            std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
                dunlin_core::worker::enter(index);
                runtime.block_on(work(assignments, connections));
                dunlin_core::lines::Lines::flush();
            })?;
        Ok(Self { sockets, thread })
    }
}

async fn work(mut assignments: mpsc::Receiver<Assignment>, connections: Arc<Connections>) {
    while let Some(Assignment { listener, udp, tcp }) = assignments.recv().await {
        let tasks = listener.tasks.clone();
        tasks.spawn(serve_udp(Arc::clone(&listener), udp));
        match tokio::net::TcpListener::from_std(tcp) {
            Ok(socket) => {
                let connections = Arc::clone(&connections);
                tasks.spawn(serve_tcp(listener, socket, connections, Limits::default()));
            }
            Err(error) => tracing::error!(%error, "a TCP socket cannot be served"),
        }
    }
}
