//! A network between two programs that a test can break: stall it, delay it, cut it, lead it
//! elsewhere.

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use anyhow::Result;

/// How often a stalled or idle connection looks for new conditions.
const LOOK: Duration = Duration::from_millis(20);

/// What happens to the bytes that are sent over a [`Network`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// They arrive.
    Works,
    /// They arrive later by this much.
    Delays(Duration),
    /// They never arrive, and neither side hears that the other is gone: no FIN, no RST. New
    /// connections are accepted and stay silent, too.
    Swallows,
    /// Connections break at once, new ones too.
    Cuts,
}

/// A way to one address, over a port of its own on the loopback interface.
#[derive(Debug)]
pub struct Network {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    target: SocketAddr,
    condition: Condition,
    /// A connection of an older generation has been cut.
    generation: u64,
}

impl Network {
    /// A working way to `target`.
    ///
    /// # Errors
    ///
    /// If no port is free.
    pub fn to(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(State {
            target,
            condition: Condition::Works,
            generation: 0,
        }));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                // Broken connections are what this network is for.
                thread::spawn(move || drop(carry(&client, &state)));
            }
        });
        Ok(Self { address, state })
    }

    /// Where programs enter the network.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what happens to everything that is sent from now on.
    pub fn set(&self, condition: Condition) {
        lock(&self.state).condition = condition;
    }

    /// Breaks all connections there are; new ones work.
    pub fn hang_up(&self) {
        lock(&self.state).generation += 1;
    }

    /// Breaks all connections there are; new ones lead to `target`.
    pub fn lead_to(&self, target: SocketAddr) {
        let mut state = lock(&self.state);
        state.target = target;
        state.generation += 1;
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Carries one connection until an end closes it or the network breaks it.
fn carry(client: &TcpStream, state: &Arc<Mutex<State>>) -> io::Result<()> {
    let State {
        target, generation, ..
    } = *lock(state);
    wait_until_working(state, generation)?;
    let server = TcpStream::connect(target)?;
    for end in [client, &server] {
        end.set_nodelay(true)?;
        end.set_read_timeout(Some(LOOK))?;
    }
    let (from, to) = (server.try_clone()?, client.try_clone()?);
    let back = {
        let state = Arc::clone(state);
        thread::spawn(move || copy(&from, &to, &state, generation))
    };
    let outcome = copy(client, &server, state, generation);
    if outcome.is_err() {
        drop(server.shutdown(Shutdown::Both));
        drop(client.shutdown(Shutdown::Both));
    }
    drop(back.join());
    outcome
}

/// Copies one direction; an end of the stream is passed on.
fn copy(
    mut from: &TcpStream,
    mut to: &TcpStream,
    state: &Mutex<State>,
    generation: u64,
) -> io::Result<()> {
    let mut buffer = [0; 16 << 10];
    loop {
        wait_until_working(state, generation)?;
        let count = match from.read(&mut buffer) {
            Ok(0) => return to.shutdown(Shutdown::Write),
            Ok(count) => count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                continue;
            }
            Err(error) => {
                drop(to.shutdown(Shutdown::Both));
                return Err(error);
            }
        };
        // The condition may have changed while this waited for bytes.
        wait_until_working(state, generation)?;
        if let Condition::Delays(time) = lock(state).condition {
            thread::sleep(time);
        }
        to.write_all(&buffer[..count])?;
    }
}

/// Waits while bytes are swallowed.
///
/// # Errors
///
/// If the connection has been cut.
fn wait_until_working(state: &Mutex<State>, generation: u64) -> io::Result<()> {
    loop {
        let now = *lock(state);
        if now.condition == Condition::Cuts || now.generation != generation {
            return Err(ErrorKind::ConnectionReset.into());
        }
        if now.condition != Condition::Swallows {
            return Ok(());
        }
        thread::sleep(LOOK);
    }
}
