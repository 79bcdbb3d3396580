//! A network between client and server that a test can hold up or cut.
//!
//! The clients open a connection for every request, so the one that carries more than a few hundred
//! bytes towards the server is the publish, and can be told from the rest without reading any of
//! it.

use std::{
    io::{Read, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use anyhow::Result;

use crate::sandbox::Sandbox;

/// More than a handshake and a GET send, less than a publish does.
const SMALL: usize = 1200;

/// What becomes of a publish on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Pass,
    Hold,
    Cut,
}

/// A proxy that passes everything on until told otherwise.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    gate: Arc<Gate>,
}

#[derive(Debug)]
struct Gate {
    traffic: Mutex<Traffic>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug)]
struct Traffic {
    fate: Fate,
    held: usize,
    /// How many more connections are let through before any is held; as many as come, if nothing.
    quota: Option<usize>,
}

impl Proxy {
    /// A proxy in front of `server`.
    ///
    /// # Errors
    ///
    /// If no port is free.
    pub fn start(sandbox: &Sandbox, server: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(sandbox.address()?)?;
        let address = listener.local_addr()?;
        let gate = Arc::new(Gate {
            traffic: Mutex::new(Traffic {
                fate: Fate::Pass,
                held: 0,
                quota: None,
            }),
            changed: Condvar::new(),
        });
        let shared = Arc::clone(&gate);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let gate = Arc::clone(&shared);
                // A broken connection is what this proxy is for.
                thread::spawn(move || drop(carry(&client, server, &gate)));
            }
        });
        Ok(Self { address, gate })
    }

    /// Where clients reach the server through this proxy.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// Holds the rest of every publish from now on, until [`Proxy::pass`].
    pub fn hold_publishes(&self) {
        self.set(Fate::Hold);
    }

    /// Lets so many more requests through, and holds what comes after them, until [`Proxy::pass`].
    pub fn hold_after(&self, requests: usize) {
        self.gate.lock().quota = Some(requests);
    }

    /// Whether something is being held.
    #[must_use]
    pub fn is_holding(&self) -> bool {
        self.gate.lock().held > 0
    }

    /// Cuts the connection of every publish from now on, after its first bytes.
    pub fn cut_publishes(&self) {
        self.set(Fate::Cut);
    }

    /// Lets everything through, also what was held.
    pub fn pass(&self) {
        self.gate.lock().quota = None;
        self.set(Fate::Pass);
    }

    /// Waits until a publish is being held.
    pub fn until_held(&self) {
        let traffic = self.gate.lock();
        drop(
            self.gate
                .changed
                .wait_while(traffic, |traffic| traffic.held == 0),
        );
    }

    fn set(&self, fate: Fate) {
        self.gate.lock().fate = fate;
        self.gate.changed.notify_all();
    }
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, Traffic> {
        self.traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Comes back when a new connection may go on.
    fn admit(&self) {
        let mut traffic = self.lock();
        if traffic.quota == Some(0) {
            traffic.held += 1;
            traffic = self
                .changed
                .wait_while(traffic, |traffic| traffic.quota == Some(0))
                .unwrap_or_else(PoisonError::into_inner);
            traffic.held -= 1;
        }
        traffic.quota = traffic.quota.map(|left| left.saturating_sub(1));
    }

    /// Decides about a publish; comes back when it may go on, with whether it may.
    fn may_go_on(&self) -> bool {
        let mut traffic = self.lock();
        traffic.held += 1;
        self.changed.notify_all();
        let mut traffic = self
            .changed
            .wait_while(traffic, |traffic| traffic.fate == Fate::Hold)
            .unwrap_or_else(PoisonError::into_inner);
        traffic.held -= 1;
        traffic.fate == Fate::Pass
    }
}

fn carry(client: &TcpStream, server: SocketAddr, gate: &Gate) -> std::io::Result<()> {
    gate.admit();
    let server = TcpStream::connect(server)?;
    let (mut answers, mut back) = (server.try_clone()?, client.try_clone()?);
    let answering = thread::spawn(move || {
        drop(std::io::copy(&mut answers, &mut back));
        drop(back.shutdown(Shutdown::Write));
    });
    let carried = carry_requests(client, &server, gate);
    drop(server.shutdown(if carried.is_ok() {
        Shutdown::Write
    } else {
        Shutdown::Both
    }));
    drop(answering.join());
    carried
}

fn carry_requests(
    mut client: &TcpStream,
    mut server: &TcpStream,
    gate: &Gate,
) -> std::io::Result<()> {
    let mut buffer = [0; 512];
    let mut sent = 0;
    loop {
        let count = client.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        let decided = sent > SMALL;
        sent += count;
        if !decided && sent > SMALL && !gate.may_go_on() {
            return Err(std::io::ErrorKind::ConnectionAborted.into());
        }
        server.write_all(&buffer[..count])?;
    }
}
