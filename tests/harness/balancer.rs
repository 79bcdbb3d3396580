//! What stands before several servers in real installations.

use std::{
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use anyhow::Result;

use crate::sandbox::Sandbox;

/// A load balancer that gives each connection, and so each request of a client, to the next server.
#[derive(Debug)]
pub struct Balancer {
    address: SocketAddr,
    servers: Arc<Mutex<Vec<SocketAddr>>>,
}

impl Balancer {
    /// A load balancer before one server.
    ///
    /// # Errors
    ///
    /// If no port is free.
    pub fn start(sandbox: &Sandbox, server: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(sandbox.address()?)?;
        let address = listener.local_addr()?;
        let servers = Arc::new(Mutex::new(vec![server]));
        let shared = Arc::clone(&servers);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = next(&shared);
                // A client whose connection breaks says so itself.
                thread::spawn(move || drop(carry(&client, server)));
            }
        });
        Ok(Self { address, servers })
    }

    /// Where clients find it.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Gives new connections to these servers in turn.
    pub fn balance(&self, servers: Vec<SocketAddr>) {
        *self.servers.lock().unwrap_or_else(PoisonError::into_inner) = servers;
    }
}

/// The server whose turn it is.
fn next(servers: &Mutex<Vec<SocketAddr>>) -> SocketAddr {
    let mut servers = servers.lock().unwrap_or_else(PoisonError::into_inner);
    servers.rotate_left(1);
    servers[0]
}

fn carry(client: &TcpStream, server: SocketAddr) -> std::io::Result<()> {
    let server = TcpStream::connect(server)?;
    // What is written here was written as one piece before.
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut answers, mut back) = (server.try_clone()?, client.try_clone()?);
    let answering = thread::spawn(move || {
        drop(std::io::copy(&mut answers, &mut back));
        drop(back.shutdown(Shutdown::Write));
    });
    drop(std::io::copy(&mut &*client, &mut &server));
    drop(server.shutdown(Shutdown::Write));
    drop(answering.join());
    Ok(())
}
