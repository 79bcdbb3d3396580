//! Starting programs: clients that answer and end, daemons that stay until they are dropped.

use std::{
    fs::{self, File},
    io::Write as _,
    net::{SocketAddr, TcpStream},
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process_group};

/// Where programs look for programs; the caller's own `PATH` is not used, so that a test means the
/// same everywhere.
pub const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How long a daemon may take until it accepts connections.
const START: Duration = Duration::from_mins(1);

/// How long a daemon may take to end when asked to, before it is killed.
const STOP: Duration = Duration::from_secs(20);

/// Seconds after which a client that hangs is ended: no single command of a scenario takes more
/// than a few.
const CLIENT_SECONDS: &str = "120";

/// A program in the clean environment of the tests: nothing of the caller's is passed on.
#[must_use]
pub fn program(name: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(name);
    clean(&mut command);
    command
}

/// A client that is ended when it hangs, so that a test fails instead of standing still.
#[must_use]
pub fn client(name: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = program("timeout");
    command.args(["--kill-after=5", CLIENT_SECONDS]).arg(name);
    command
}

fn clean(command: &mut Command) {
    command
        .env_clear()
        .env("PATH", SEARCH_PATH)
        .env("LC_ALL", "C.UTF-8");
}

/// What a client printed and how it ended.
#[derive(Debug)]
#[must_use = "a client's answer is there to be checked"]
pub struct Said {
    command: String,
    status: ExitStatus,
    /// Standard output alone, for what is parsed.
    pub output: String,
    /// Standard error alone, where the clients put refusals and warnings.
    pub complaints: String,
}

impl Said {
    /// Runs `command` with `input` on its standard input.
    ///
    /// # Errors
    ///
    /// If it cannot be started; how it ends is for [`Said::succeeds`] and [`Said::fails_saying`].
    pub fn by(mut command: Command, input: &str) -> Result<Self> {
        let shown = format!("{command:?}");
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start {shown}"))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A client that does not read its input may be gone by now; what it says decides.
            drop(stdin.write_all(input.as_bytes()));
        }
        let done = child.wait_with_output()?;
        Ok(Self {
            command: shown,
            status: done.status,
            output: String::from_utf8_lossy(&done.stdout).into_owned(),
            complaints: String::from_utf8_lossy(&done.stderr).into_owned(),
        })
    }

    /// The output of a client that must have succeeded.
    ///
    /// # Errors
    ///
    /// If it failed, with everything it said.
    pub fn succeeds(self) -> Result<String> {
        ensure!(self.status.success(), "should have succeeded, but {self}");
        Ok(self.output)
    }

    /// Whether the client reports success.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.status.success()
    }

    /// Whether it was ended by `timeout`, which it was started under.
    #[must_use]
    pub fn was_ended(&self) -> bool {
        const BY_TIMEOUT: i32 = 124;
        self.status.code() == Some(BY_TIMEOUT)
    }

    /// Checks that the client refused, and that it said `reason`.
    ///
    /// # Errors
    ///
    /// If it succeeded or gave another reason.
    pub fn fails_saying(self, reason: &str) -> Result<()> {
        ensure!(!self.status.success(), "should have failed, but {self}");
        ensure!(self.has(reason), "should have said {reason:?}, but {self}");
        Ok(())
    }

    /// Whether `words` are anywhere in what the client printed.
    #[must_use]
    pub fn has(&self, words: &str) -> bool {
        self.output.contains(words) || self.complaints.contains(words)
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            command,
            status,
            output,
            complaints,
        } = self;
        write!(
            f,
            "{command}\nended with {status}\n--- stdout\n{output}\n--- stderr\n{complaints}"
        )
    }
}

/// A running program that ends with its owner: also on panic, and when the test itself is killed.
#[derive(Debug)]
pub struct Daemon {
    name: String,
    child: Child,
    /// Where its standard output and error go.
    pub log: PathBuf,
}

impl Daemon {
    /// Starts `command` in a process group of its own, its output appended to `log`.
    ///
    /// # Errors
    ///
    /// If the program cannot be started.
    pub fn start(name: &str, command: &Command, log: &Path) -> Result<Self> {
        let output = File::options().create(true).append(true).open(log)?;
        let mut guarded = dies_with_us(command);
        guarded
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0);
        let child = guarded
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log: log.to_owned(),
        })
    }

    /// Waits until something accepts connections at `address`.
    ///
    /// # Errors
    ///
    /// If the daemon ends before, or takes too long; with the end of its log.
    pub fn until_listening(mut self, address: SocketAddr) -> Result<Self> {
        // Short, for it is measured how soon a daemon listens.
        self.until_with(Duration::from_millis(1), "listens", || {
            TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
        })?;
        Ok(self)
    }

    /// Waits until `ready` says so.
    ///
    /// # Errors
    ///
    /// If the daemon ends before, or takes too long; with the end of its log.
    pub fn until(&mut self, what: &str, ready: impl FnMut() -> bool) -> Result<()> {
        self.until_with(Duration::from_millis(10), what, ready)
    }

    fn until_with(
        &mut self,
        pause: Duration,
        what: &str,
        mut ready: impl FnMut() -> bool,
    ) -> Result<()> {
        let deadline = Instant::now() + START;
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "{} ended with {status} before it {what}:\n{}",
                    self.name,
                    tail(&self.log)
                );
            }
            if ready() {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "{} never {what}:\n{}",
                self.name,
                tail(&self.log)
            );
            thread::sleep(pause);
        }
    }

    /// Ends the daemon at once and without warning, as a power cut would.
    ///
    /// # Errors
    ///
    /// If it had ended by itself, which no test expects.
    pub fn kill(mut self) -> Result<()> {
        let status = self.end_with(Signal::KILL)?;
        ensure!(
            status.signal() == Some(Signal::KILL.as_raw()),
            "{} had ended with {status}",
            self.name
        );
        Ok(())
    }

    /// Asks the daemon to end, as Ctrl-C does, and tells how it ended.
    ///
    /// # Errors
    ///
    /// If it does not end in time.
    pub fn interrupt(mut self) -> Result<ExitStatus> {
        self.end_with(Signal::INT)
    }

    /// The number of the process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Stops the daemon where it is, as a machine that is suspended does.
    pub fn suspend(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets a suspended daemon go on.
    pub fn wake(&self) {
        self.signal(Signal::CONT);
    }

    /// Tells the daemon to read its certificates again.
    pub fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    fn end_with(&mut self, signal: Signal) -> Result<ExitStatus> {
        self.signal(signal);
        let deadline = Instant::now() + STOP;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(5));
        }
        bail!(
            "{} did not end within {STOP:?} of {signal:?}:\n{}",
            self.name,
            tail(&self.log)
        )
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // Gone already is as good as signalled.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) && self.end_with(Signal::TERM).is_err() {
            self.signal(Signal::KILL);
            drop(self.child.wait());
        }
    }
}

/// `command` again, under `setpriv`, which has the kernel kill it when the test that started it is
/// gone.
fn dies_with_us(command: &Command) -> Command {
    let mut guarded = program("setpriv");
    guarded
        .args(["--pdeathsig", "KILL", "--"])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            guarded.env(name, value);
        }
    }
    if let Some(folder) = command.get_current_dir() {
        guarded.current_dir(folder);
    }
    guarded
}

/// Waits until `holds`, for as long as `limit`.
///
/// # Errors
///
/// If it takes longer, or cannot be told.
pub fn eventually(
    what: &str,
    limit: Duration,
    mut holds: impl FnMut() -> Result<bool>,
) -> Result<()> {
    let deadline = Instant::now() + limit;
    while !holds()? {
        ensure!(Instant::now() < deadline, "not within {limit:?}: {what}");
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// How much longer than usual a test is to run that finds more the longer it runs:
/// `COUNTERSIGN_SOAK_SECONDS`, which `just soak` sets.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "a test has no other way to be told how long to run"
)]
pub fn soak() -> Duration {
    let seconds = std::env::var("COUNTERSIGN_SOAK_SECONDS").ok();
    Duration::from_secs(seconds.and_then(|text| text.parse().ok()).unwrap_or(0))
}

/// The last lines of a log, for a failed test's report.
#[must_use]
pub fn tail(log: &Path) -> String {
    const LINES: usize = 60;
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
