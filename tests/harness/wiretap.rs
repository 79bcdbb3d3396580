//! What a program says to its database, counted by the messages of the protocol.
//!
//! A [`Wiretap`] stands between a program and a MariaDB or PostgreSQL that talk without TLS. It
//! passes every byte on and reads along: how many connections, statements, commits and round trips
//! there were, and which statements. These numbers do not depend on how fast a machine is.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    ops::Sub,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use anyhow::Result;

use crate::storage::Database;

/// How much of a statement is kept for messages.
const HEAD: usize = 120;

/// How many statements are kept for messages.
const KEPT: usize = 4096;

/// How often a program did what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Talk {
    /// Connections that were opened.
    pub connections: u64,
    /// Times that the program sent something and waited for an answer; without the greetings of a
    /// new connection.
    pub round_trips: u64,
    /// Statements that were executed, BEGIN and COMMIT among them.
    pub statements: u64,
    /// Statements that were prepared.
    pub prepares: u64,
    /// Of the round trips, those that ask whether the connection still works.
    pub pings: u64,
    /// COMMITs, and writes outside of a transaction: what waits for the disk.
    pub commits: u64,
}

impl Sub for Talk {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            connections: self.connections - earlier.connections,
            round_trips: self.round_trips - earlier.round_trips,
            statements: self.statements - earlier.statements,
            prepares: self.prepares - earlier.prepares,
            pings: self.pings - earlier.pings,
            commits: self.commits - earlier.commits,
        }
    }
}

/// A way to a database that is listened in on.
#[derive(Clone, Debug)]
pub struct Wiretap {
    address: SocketAddr,
    heard: Arc<Mutex<Heard>>,
}

#[derive(Debug, Default)]
struct Heard {
    talk: Talk,
    statements: VecDeque<String>,
}

/// The protocols that are understood.
#[derive(Clone, Copy, Debug)]
enum Protocol {
    MySql,
    Postgres,
}

impl Wiretap {
    /// A way to `database`.
    ///
    /// # Errors
    ///
    /// If no port is free.
    pub fn before(database: &Database) -> Result<Self> {
        Self::to(database.address(), database.backend())
    }

    /// A way to the database at `target`, which `storage.backend` would call `backend`.
    ///
    /// # Errors
    ///
    /// If no port is free.
    pub fn to(target: SocketAddr, backend: &str) -> Result<Self> {
        let protocol = match backend {
            "postgres" => Protocol::Postgres,
            _ => Protocol::MySql,
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let tap = Self {
            address: listener.local_addr()?,
            heard: Arc::default(),
        };
        let heard = Arc::clone(&tap.heard);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let heard = Arc::clone(&heard);
                // A connection that ends is no fault of this way.
                thread::spawn(move || drop(carry(&client, target, protocol, &heard)));
            }
        });
        Ok(tap)
    }

    /// Where programs find the database.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What was said until now.
    #[must_use]
    pub fn talk(&self) -> Talk {
        lock(&self.heard).talk
    }

    /// The statements, pings and connections since this was last asked, for messages.
    #[must_use]
    pub fn take_statements(&self) -> Vec<String> {
        lock(&self.heard).statements.drain(..).collect()
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Heard {
    fn ping(&mut self) {
        self.talk.pings += 1;
        self.note("a ping");
    }

    fn note(&mut self, line: impl fmt::Display) {
        if self.statements.len() == KEPT {
            self.statements.pop_front();
        }
        self.statements.push_back(line.to_string());
    }
}

/// Carries one connection until an end closes it.
fn carry(
    client: &TcpStream,
    target: SocketAddr,
    protocol: Protocol,
    heard: &Arc<Mutex<Heard>>,
) -> io::Result<()> {
    let server = TcpStream::connect(target)?;
    for end in [client, &server] {
        end.set_nodelay(true)?;
    }
    {
        let mut heard = lock(heard);
        heard.talk.connections += 1;
        heard.note("a new connection");
    }
    let session = Arc::new(Mutex::new(Session::new(protocol)));
    let (from, to) = (server.try_clone()?, client.try_clone()?);
    let answers = {
        let session = Arc::clone(&session);
        thread::spawn(move || {
            copy(&from, &to, |bytes| lock(&session).answer(bytes));
            drop(to.shutdown(Shutdown::Write));
        })
    };
    copy(client, &server, |bytes| {
        lock(&session).ask(bytes, &mut lock(heard));
    });
    drop(server.shutdown(Shutdown::Write));
    drop(answers.join());
    Ok(())
}

/// Copies one direction; `listen` hears what is said before it is passed on.
fn copy(mut from: &TcpStream, mut to: &TcpStream, mut listen: impl FnMut(&[u8])) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        listen(&buffer[..count]);
        if to.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
}

/// One connection, as far as it has been understood.
#[derive(Debug)]
struct Session {
    protocol: Protocol,
    asked: Frames,
    answered: Frames,
    /// Whether the database has said something since the program last asked.
    is_answered: bool,
    is_in_transaction: bool,
    /// The text of each prepared statement, by what the protocol calls it.
    prepared: HashMap<Vec<u8>, String>,
    /// What was prepared last, while MySQL has not yet told its number.
    unnamed: Option<String>,
    /// The statement that PostgreSQL's next Execute runs.
    bound: String,
}

impl Session {
    fn new(protocol: Protocol) -> Self {
        Self {
            protocol,
            asked: Frames::new(protocol, matches!(protocol, Protocol::Postgres)),
            answered: Frames::new(protocol, false),
            is_answered: true,
            is_in_transaction: false,
            prepared: HashMap::new(),
            unnamed: None,
            bound: String::new(),
        }
    }

    fn ask(&mut self, bytes: &[u8], heard: &mut Heard) {
        let mut waits = false;
        let frames = self.asked.read(bytes);
        // PostgreSQL has no other ping than the end of a conversation that did not begin.
        if matches!(self.protocol, Protocol::Postgres)
            && matches!(&frames[..], [only] if only.kind == b'S')
        {
            heard.ping();
        }
        for frame in frames {
            waits |= match self.protocol {
                Protocol::MySql => self.ask_mysql(&frame, heard),
                Protocol::Postgres => self.ask_postgres(&frame, heard),
            };
        }
        if waits && self.is_answered {
            heard.talk.round_trips += 1;
            self.is_answered = false;
        }
    }

    fn answer(&mut self, bytes: &[u8]) {
        self.is_answered = true;
        if matches!(self.protocol, Protocol::Postgres) {
            return;
        }
        for frame in self.answered.read(bytes) {
            // The answer to a PREPARE begins with 0 and the statement's number.
            if let (Some(text), [0, number @ ..]) = (self.unnamed.take(), &frame.head[..])
                && let Some(number) = number.get(..4)
            {
                self.prepared.insert(number.to_vec(), text);
            }
        }
    }

    /// Whether the program now waits for an answer.
    fn ask_mysql(&mut self, frame: &Frame, heard: &mut Heard) -> bool {
        // Only a command begins with 0; the greetings go on counting.
        if frame.kind != 0 {
            return false;
        }
        let (Some(command), rest) = (frame.head.first(), frame.head.get(1..).unwrap_or(&[])) else {
            return false;
        };
        match command {
            0x03 => self.execute(&text_of(rest), heard),
            0x16 => {
                heard.talk.prepares += 1;
                self.unnamed = Some(text_of(rest));
            }
            0x17 => {
                let known = rest.get(..4).and_then(|number| self.prepared.get(number));
                let text = known.or(self.unnamed.as_ref()).cloned();
                self.execute(&text.unwrap_or_default(), heard);
            }
            // PING, and RESET_CONNECTION.
            0x0e | 0x1f => heard.ping(),
            // QUIT, SEND_LONG_DATA and CLOSE are not answered.
            0x01 | 0x18 | 0x19 => return false,
            _ => {}
        }
        true
    }

    fn ask_postgres(&mut self, frame: &Frame, heard: &mut Heard) -> bool {
        let mut fields = frame.head.splitn(3, |byte| *byte == 0);
        let (first, second) = (fields.next(), fields.next());
        match frame.kind {
            b'P' => {
                heard.talk.prepares += 1;
                let (name, text) = (first.unwrap_or(&[]), second.unwrap_or(&[]));
                self.prepared.insert(name.to_vec(), text_of(text));
                false
            }
            b'B' => {
                let known = second.and_then(|name| self.prepared.get(name));
                self.bound = known.cloned().unwrap_or_default();
                false
            }
            b'E' => {
                let text = std::mem::take(&mut self.bound);
                self.execute(&text, heard);
                false
            }
            b'Q' => {
                self.execute(&text_of(first.unwrap_or(&[])), heard);
                true
            }
            // Sync and Flush ask for the answers to all that came before.
            b'S' | b'H' => true,
            _ => false,
        }
    }

    fn execute(&mut self, text: &str, heard: &mut Heard) {
        heard.talk.statements += 1;
        heard.note(text);
        let text = text.to_ascii_uppercase();
        let verb = text.split_whitespace().next().unwrap_or_default();
        // MySQL's isolation level is set in the same breath.
        if text.contains("START TRANSACTION") {
            self.is_in_transaction = true;
            return;
        }
        match verb.trim_end_matches(';') {
            "BEGIN" => self.is_in_transaction = true,
            "COMMIT" | "END" => {
                self.is_in_transaction = false;
                heard.talk.commits += 1;
            }
            "ROLLBACK" if !text.contains(" TO ") => self.is_in_transaction = false,
            "INSERT" | "UPDATE" | "DELETE" | "REPLACE" if !self.is_in_transaction => {
                heard.talk.commits += 1;
            }
            _ => {}
        }
    }
}

/// The beginning of a statement, on one line.
fn text_of(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let words: Vec<&str> = text.trim_end_matches('\0').split_whitespace().collect();
    words.join(" ").chars().take(HEAD).collect()
}

/// One message: what the protocol calls it, and how it begins.
#[derive(Debug)]
struct Frame {
    /// `PostgreSQL`'s type of the message, `MySQL`'s number within an exchange.
    kind: u8,
    head: Vec<u8>,
}

/// Cuts a stream of bytes into messages.
#[derive(Debug)]
struct Frames {
    protocol: Protocol,
    /// Whether the next message is the first of `PostgreSQL`, which has no type.
    is_first: bool,
    header: Vec<u8>,
    current: Option<Frame>,
    left: usize,
}

impl Frames {
    /// How much of a message is kept.
    const HEAD: usize = 4 * HEAD;

    fn new(protocol: Protocol, is_first: bool) -> Self {
        Self {
            protocol,
            is_first,
            header: Vec::new(),
            current: None,
            left: 0,
        }
    }

    /// The messages that end in `bytes`.
    fn read(&mut self, mut bytes: &[u8]) -> Vec<Frame> {
        let mut frames = Vec::new();
        while !bytes.is_empty() {
            if self.current.is_none() {
                self.header.push(bytes[0]);
                bytes = &bytes[1..];
                self.begin();
            }
            if let Some(frame) = &mut self.current {
                let (part, rest) = bytes.split_at(self.left.min(bytes.len()));
                let room = Self::HEAD.saturating_sub(frame.head.len());
                frame.head.extend_from_slice(&part[..part.len().min(room)]);
                self.left -= part.len();
                bytes = rest;
                if self.left == 0 {
                    frames.extend(self.current.take());
                }
            }
        }
        frames
    }

    /// Begins a message once its header is whole.
    fn begin(&mut self) {
        let (kind, length) = match (self.protocol, &self.header[..]) {
            (Protocol::MySql, &[low, middle, high, number]) => {
                (number, u32::from_le_bytes([low, middle, high, 0]))
            }
            // The length of PostgreSQL counts itself.
            (Protocol::Postgres, &[a, b, c, d]) if self.is_first => {
                (0, u32::from_be_bytes([a, b, c, d]).saturating_sub(4))
            }
            (Protocol::Postgres, &[kind, a, b, c, d]) => {
                (kind, u32::from_be_bytes([a, b, c, d]).saturating_sub(4))
            }
            _ => return,
        };
        self.is_first = false;
        self.header.clear();
        self.left = usize::try_from(length).unwrap_or(usize::MAX);
        self.current = Some(Frame {
            kind,
            head: Vec::new(),
        });
    }
}
