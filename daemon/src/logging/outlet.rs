//! Where lines go: at once, or several together.
//!
//! A line for each request is a system call for each request. So a program that serves lets lines
//! wait for a moment, and a thread writes them together. What may matter most when the program dies
//! (warnings and errors, the audit log, panics, why it ends) never waits, and takes what waits
//! along, so that lines stay in their order.

use std::{
    io::{self, Write},
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

use super::{AUDIT, Level, STARTUP, filter::level_of};

/// How long a line waits for others.
const PAUSE: Duration = Duration::from_millis(5);

/// How many pauses without a line pass before the thread waits to be woken, which costs the next
/// line more than a pause costs the thread.
const QUIET_PAUSES: u32 = 20;

/// How many bytes may wait; the line that exceeds them is written at once, with all others.
const MOST: usize = 64 << 10;

/// How many bytes are written at once, unless a line is longer. So much goes into a pipe in one
/// piece, whatever else writes into it (`PIPE_BUF`).
const PIECE: usize = 4096;

/// Lines on their way to `W`; cheap to clone.
#[derive(Debug)]
pub(super) struct Outlet<W>(Arc<Shared<W>>);

#[derive(Debug)]
struct Shared<W> {
    waiting: Mutex<Waiting>,
    woken: Condvar,
    /// Also held while lines are taken, so that they are written in their order.
    sink: Mutex<W>,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    /// How many want lines to wait.
    gatherings: usize,
    /// Whether the thread has to be woken.
    is_asleep: bool,
}

impl<W> Clone for Outlet<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W: Write + Send + 'static> Outlet<W> {
    /// Lines go to `sink`, each at once.
    pub(super) fn new(sink: W) -> Self {
        Self(Arc::new(Shared {
            waiting: Mutex::default(),
            woken: Condvar::new(),
            sink: Mutex::new(sink),
        }))
    }

    /// Lets lines wait for others as long as the answer is kept.
    pub(super) fn gather(&self) -> Gathering {
        let outlet = self.clone();
        {
            // Under the lock, so that there is one thread and never none.
            let mut waiting = lock(&self.0.waiting);
            if waiting.gatherings == 0 {
                let outlet = self.clone();
                let thread = thread::Builder::new().name("log".to_owned());
                if thread.spawn(move || outlet.0.keep_writing()).is_err() {
                    // Then each line is written at once, as before.
                    return Gathering(None);
                }
            }
            waiting.gatherings += 1;
        }
        Gathering(Some(Box::new(move || {
            lock(&outlet.0.waiting).gatherings -= 1;
            outlet.0.write_waiting();
            outlet.0.woken.notify_all();
        })))
    }
}

impl<W: Write> Shared<W> {
    fn take(&self, line: &[u8], is_urgent: bool) {
        let mut waiting = lock(&self.waiting);
        waiting.lines.extend_from_slice(line);
        if is_urgent || waiting.gatherings == 0 || waiting.lines.len() >= MOST {
            drop(waiting);
            self.write_waiting();
        } else if mem::take(&mut waiting.is_asleep) {
            drop(waiting);
            self.woken.notify_one();
        }
    }

    /// Writes what waits.
    fn write_waiting(&self) {
        let mut sink = lock(&self.sink);
        let lines = mem::take(&mut lock(&self.waiting).lines);
        // A log that cannot be written must not stop the service.
        let _ = write_in_pieces(&mut *sink, &lines);
    }

    fn keep_writing(&self) {
        let mut quiet = 0;
        loop {
            let mut waiting = lock(&self.waiting);
            quiet = if waiting.lines.is_empty() {
                quiet + 1
            } else {
                0
            };
            if quiet > QUIET_PAUSES {
                waiting.is_asleep = true;
                while waiting.is_asleep && waiting.gatherings > 0 {
                    waiting = self
                        .woken
                        .wait(waiting)
                        .unwrap_or_else(PoisonError::into_inner);
                }
                waiting.is_asleep = false;
                quiet = 0;
            }
            if waiting.gatherings == 0 {
                return;
            }
            drop(waiting);
            thread::sleep(PAUSE);
            self.write_waiting();
        }
    }
}

/// Writes whole lines, as many at once as go into a piece.
fn write_in_pieces(sink: &mut impl Write, mut lines: &[u8]) -> io::Result<()> {
    while !lines.is_empty() {
        let end = |bytes: &[u8]| memchr::memrchr(b'\n', bytes).map(|at| at + 1);
        let first = || memchr::memchr(b'\n', lines).map_or(lines.len(), |at| at + 1);
        let piece = match lines.len() {
            length @ ..=PIECE => length,
            _ => end(&lines[..PIECE]).unwrap_or_else(first),
        };
        let (now, later) = lines.split_at(piece);
        sink.write_all(now)?;
        lines = later;
    }
    Ok(())
}

/// As long as this is kept, a line may wait for others for some milliseconds. When it is dropped,
/// what waits is written.
#[must_use = "lines wait only as long as this is kept"]
pub struct Gathering(Option<Box<dyn FnOnce() + Send>>);

impl Gathering {
    /// Lines that never wait.
    pub(super) fn none() -> Self {
        Self(None)
    }
}

impl std::fmt::Debug for Gathering {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Gathering").finish_non_exhaustive()
    }
}

impl Drop for Gathering {
    fn drop(&mut self) {
        if let Some(end) = self.0.take() {
            end();
        }
    }
}

/// Takes one line.
pub(super) struct Entry<'a, W> {
    outlet: &'a Outlet<W>,
    is_urgent: bool,
}

impl<W: Write> Write for Entry<'_, W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.outlet.0.take(line, self.is_urgent);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w, W: Write + 'w> MakeWriter<'w> for Outlet<W> {
    type Writer = Entry<'w, W>;

    fn make_writer(&'w self) -> Entry<'w, W> {
        Entry {
            outlet: self,
            is_urgent: true,
        }
    }

    fn make_writer_for(&'w self, event: &Metadata<'_>) -> Entry<'w, W> {
        Entry {
            outlet: self,
            is_urgent: level_of(event) <= Level::Warn || matches!(event.target(), AUDIT | STARTUP),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{self, Receiver, Sender};

    use super::*;

    /// Tells what each call wrote.
    struct Told(Sender<String>);

    impl Write for Told {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            self.0.send(text).unwrap();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn outlet() -> (Outlet<Told>, Receiver<String>) {
        let (sender, written) = mpsc::channel();
        (Outlet::new(Told(sender)), written)
    }

    /// An outlet whose lines wait, without a thread that writes them.
    fn waiting() -> (Outlet<Told>, Receiver<String>) {
        let (outlet, written) = outlet();
        lock(&outlet.0.waiting).gatherings = 1;
        (outlet, written)
    }

    #[test]
    fn a_line_is_written_at_once_unless_lines_are_gathered() {
        let (outlet, written) = outlet();
        outlet.0.take(b"a\n", false);
        assert_eq!(written.try_recv().as_deref(), Ok("a\n"));
        drop(outlet.gather());
        outlet.0.take(b"b\n", false);
        assert_eq!(written.try_recv().as_deref(), Ok("b\n"));
    }

    #[test]
    fn lines_that_wait_are_written_together_in_their_order_with_one_that_does_not() {
        let (outlet, written) = waiting();
        outlet.0.take(b"a\n", false);
        outlet.0.take(b"b\n", false);
        assert!(written.try_recv().is_err());
        outlet.0.take(b"c\n", true);
        assert_eq!(written.try_recv().as_deref(), Ok("a\nb\nc\n"));
    }

    #[test]
    fn a_line_that_waits_is_written_without_another_one() {
        let (outlet, written) = outlet();
        let gathering = outlet.gather();
        for line in ["a\n", "b\n"] {
            outlet.0.take(line.as_bytes(), false);
            assert_eq!(written.recv().as_deref(), Ok(line));
            // Until the thread sleeps, so that the next line has to wake it.
            while !lock(&outlet.0.waiting).is_asleep {
                thread::sleep(PAUSE);
            }
        }
        drop(gathering);
    }

    #[test]
    fn what_waits_is_written_when_gathering_ends() {
        let (outlet, written) = outlet();
        let (first, second) = (outlet.gather(), outlet.gather());
        drop(first);
        assert_eq!(lock(&outlet.0.waiting).gatherings, 1);
        outlet.0.take(b"a\n", false);
        drop(second);
        assert_eq!(written.try_recv().as_deref(), Ok("a\n"));
    }

    #[test]
    fn no_more_bytes_wait_than_may_and_pieces_are_whole_lines() {
        let (outlet, written) = waiting();
        let line = "x".repeat(999) + "\n";
        let count = MOST.div_ceil(line.len());
        for _ in 1..count {
            outlet.0.take(line.as_bytes(), false);
        }
        assert!(written.try_recv().is_err());
        outlet.0.take(line.as_bytes(), false);
        let pieces: Vec<String> = written.try_iter().collect();
        assert!(
            pieces
                .iter()
                .all(|piece| piece.ends_with('\n') && piece.len() <= PIECE)
        );
        assert_eq!(pieces.concat(), line.repeat(count));
        let long = "y".repeat(3 * PIECE) + "\n";
        outlet.0.take(long.as_bytes(), false);
        outlet.0.take(line.as_bytes(), true);
        let pieces: Vec<String> = written.try_iter().collect();
        assert_eq!(pieces, [long, line]);
    }
}
