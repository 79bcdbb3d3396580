//! What goes over the wire to a database, counted: connections, statements and round trips.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    ops::Sub,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use anyhow::{Context as _, Result};
use harness::Fresh;

/// How often something was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Connections made.
    pub(crate) connections: u64,
    /// Statements run, those inside a script and those of transactions included.
    pub(crate) statements: u64,
    /// Statements prepared.
    pub(crate) prepared: u64,
    /// Times that an answer was waited for.
    pub(crate) trips: u64,
}

impl Sub for Counts {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            connections: self.connections - before.connections,
            statements: self.statements - before.statements,
            prepared: self.prepared - before.prepared,
            trips: self.trips - before.trips,
        }
    }
}

/// A wire to a database server, without TLS.
pub(crate) struct Wire {
    address: SocketAddr,
    server: SocketAddr,
    counts: Arc<Mutex<Counts>>,
}

impl Wire {
    /// A wire to the server that `fresh` is in.
    pub(crate) fn to(fresh: &Fresh) -> Result<Self> {
        let protocol = if fresh.backend == "postgres" {
            Protocol::Postgres
        } else {
            Protocol::MySql
        };
        let url = url::Url::parse(&fresh.plain_url)?;
        let server = url.socket_addrs(|| None)?;
        let server = *server.first().context("the URL has an address")?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let wire = Self {
            address: listener.local_addr()?,
            server,
            counts: Arc::default(),
        };
        let counts = Arc::clone(&wire.counts);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                add(&counts, |counts| counts.connections += 1);
                let counts = Arc::clone(&counts);
                // It ends with an error when either side hangs up, as it should.
                thread::spawn(move || drop(carry(&client, server, protocol, &counts)));
            }
        });
        Ok(wire)
    }

    /// `fresh` as it is reached by this wire.
    pub(crate) fn before(&self, fresh: &Fresh) -> Fresh {
        let (there, here) = (self.server.to_string(), self.address.to_string());
        Fresh {
            url: fresh.url.replace(&there, &here),
            plain_url: fresh.plain_url.replace(&there, &here),
            ..fresh.clone()
        }
    }

    /// What was counted by now.
    pub(crate) fn counts(&self) -> Counts {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn add(counts: &Mutex<Counts>, change: impl FnOnce(&mut Counts)) {
    change(&mut counts.lock().unwrap_or_else(PoisonError::into_inner));
}

#[derive(Clone, Copy)]
enum Protocol {
    Postgres,
    MySql,
}

fn carry(
    client: &TcpStream,
    server: SocketAddr,
    protocol: Protocol,
    counts: &Mutex<Counts>,
) -> io::Result<()> {
    let server = TcpStream::connect(server)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut answers, mut back) = (server.try_clone()?, client.try_clone()?);
    thread::spawn(move || {
        drop(io::copy(&mut answers, &mut back));
        drop(back.shutdown(std::net::Shutdown::Write));
    });
    let (mut from, mut to) = (client, &server);
    let mut is_startup = matches!(protocol, Protocol::Postgres);
    loop {
        let message = match protocol {
            Protocol::Postgres => read_postgres(&mut from, is_startup),
            Protocol::MySql => read_mysql(&mut from),
        };
        let Ok(message) = message else {
            return server.shutdown(std::net::Shutdown::Write);
        };
        // Before it is passed on: a caller that has the answer finds it counted.
        match protocol {
            Protocol::Postgres if is_startup => is_startup = false,
            Protocol::Postgres => add(counts, |counts| count_postgres(&message, counts)),
            Protocol::MySql => add(counts, |counts| count_mysql(&message, counts)),
        }
        to.write_all(&message)?;
    }
}

/// One message of a client: its kind, unless it is the first, and its length including itself.
fn read_postgres(from: &mut &TcpStream, is_startup: bool) -> io::Result<Vec<u8>> {
    let kind = usize::from(!is_startup);
    let mut message = vec![0; kind + 4];
    from.read_exact(&mut message)?;
    let length: [u8; 4] = message[kind..].try_into().expect("four bytes");
    let rest = u32::from_be_bytes(length) as usize - 4;
    let head = message.len();
    message.resize(head + rest, 0);
    from.read_exact(&mut message[head..])?;
    Ok(message)
}

fn count_postgres(message: &[u8], counts: &mut Counts) {
    match message[0] {
        b'Q' => {
            counts.statements += statements(&message[5..]);
            counts.trips += 1;
        }
        b'P' => counts.prepared += 1,
        b'E' => counts.statements += 1,
        b'S' => counts.trips += 1,
        _ => {}
    }
}

/// One packet of a client: three bytes of length, its number, and what it says.
fn read_mysql(from: &mut &TcpStream) -> io::Result<Vec<u8>> {
    let mut packet = vec![0; 4];
    from.read_exact(&mut packet)?;
    let length = u32::from_le_bytes([packet[0], packet[1], packet[2], 0]) as usize;
    packet.resize(4 + length, 0);
    from.read_exact(&mut packet[4..])?;
    Ok(packet)
}

fn count_mysql(packet: &[u8], counts: &mut Counts) {
    const QUERY: u8 = 0x03;
    const PING: u8 = 0x0e;
    const PREPARE: u8 = 0x16;
    const EXECUTE: u8 = 0x17;
    // Others belong to the handshake, or go on with the one before.
    let is_command = packet[3] == 0;
    match packet.get(4) {
        Some(&QUERY) if is_command => {
            counts.statements += statements(&packet[5..]);
            counts.trips += 1;
        }
        Some(&PREPARE) if is_command => {
            counts.prepared += 1;
            counts.trips += 1;
        }
        Some(&EXECUTE) if is_command => {
            counts.statements += 1;
            counts.trips += 1;
        }
        Some(&PING) if is_command => counts.trips += 1,
        _ => {}
    }
}

/// How many statements a script has; no text in ours holds a semicolon.
fn statements(script: &[u8]) -> u64 {
    let parts = script.split(|byte| *byte == b';');
    let is_statement = |part: &&[u8]| part.iter().any(u8::is_ascii_alphabetic);
    parts.filter(is_statement).count() as u64
}
