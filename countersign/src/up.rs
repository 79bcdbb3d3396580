//! The command: prepare, start, watch, stop.
//!
//! A program that does not get healthy at the start ends the command: that is a matter for people.
//! One that ends later is started again, after a pause that doubles with every end in a row. The
//! other goes on meanwhile: a server without its signer still serves what it has.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    pin::pin,
    time::Duration,
};

use time::OffsetDateTime;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{Instant, MissedTickBehavior, interval_at, sleep},
};

use crate::{
    health,
    process::{Display, Program, Running},
    setup::{Instructions, Place, Setup, SetupError, UpOptions},
};

/// Why the service does not run, in one sentence.
#[derive(Debug, thiserror::Error)]
pub enum UpError {
    /// The data folder or an address cannot be used.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// A program ended before it was healthy.
    #[error("the {name} did not start: {cause}{}", cure(cause))]
    Start {
        /// Which one.
        name: &'static str,
        /// Its own last words.
        cause: String,
    },
    /// A program runs but does not say that it is well.
    #[error(
        "the {name} was not healthy within {} seconds: {cause}. Start again with --log debug for more log \
         lines.",
        STARTING.as_secs()
    )]
    Unwell {
        /// Which one.
        name: &'static str,
        /// What it answered last.
        cause: String,
    },
    /// The operating system refused something that everything rests on.
    #[error("the operating system reported: {0}")]
    System(#[from] io::Error),
}

/// What `countersign up` is told.
#[derive(Debug)]
pub struct Up {
    /// What the person asked for.
    pub options: UpOptions,
    /// The log level of both programs, if not the one in their configuration files.
    pub log: Option<String>,
    /// This very program, which is also the two others.
    pub executable: PathBuf,
    /// The folder it was started in.
    pub current: PathBuf,
    /// Whether the environment says where other machines reach the server.
    pub is_published_by_environment: bool,
    /// The clock, to judge certificates by.
    pub now: fn() -> OffsetDateTime,
}

impl Up {
    /// Runs the service until a signal ends it.
    pub async fn run(self) -> Result<(), UpError> {
        let mut stop = Stop::listen()?;
        let place = Place::find(self.options.data.as_deref(), &self.current);
        let setup = Setup::prepare(place, &self.options, (self.now)())?;
        say(&format!("Countersign {}", env!("CARGO_PKG_VERSION")));
        say(&format!("data    {}", setup.place.data.display()));
        say(&format!("CA      {}", setup.place.ca.display()));
        setup
            .news
            .iter()
            .for_each(|news| say(&format!("        {news}")));
        check_ports(&setup).await?;

        let display = Display::default();
        let mut signer = Supervised::start(self.signer(&setup), &display)?;
        let mut server = Supervised::start(self.server(&setup), &display)?;
        let outcome = tokio::select! {
            outcome = self.watch(&setup, &mut signer, &mut server, &display) => outcome,
            () = stop.wait_for_signal() => Ok(()),
        };
        end(server, signer, &mut stop).await;
        outcome
    }

    /// Waits until both are healthy, says so, and keeps both running: returns on failure alone.
    async fn watch(
        &self,
        setup: &Setup,
        signer: &mut Supervised,
        server: &mut Supervised,
        display: &Display,
    ) -> Result<(), UpError> {
        let data = &setup.place.data;
        signer
            .healthy(|| health::signer(&setup.signer, data))
            .await?;
        say(&format!("signer  {} is healthy", setup.signer));
        server
            .healthy(|| health::server(&setup.server, data))
            .await?;
        say(&format!("server  {} is healthy", setup.server));
        setup.note_databases()?;
        display.show_all();
        say("\nCtrl-C stops the service. To use it, paste these lines into another shell:\n");
        writeln!(io::stdout(), "{}", Instructions(setup))?;
        tokio::select! {
            never = signer.keep() => match never {},
            never = server.keep() => match never {},
            never = self.renew(setup) => match never {},
        }
    }

    /// Looks at the certificates every hour. A day's work would do, but while a laptop sleeps the
    /// hours do not count.
    async fn renew(&self, setup: &Setup) -> std::convert::Infallible {
        let mut hours = interval_at(Instant::now() + HOUR, HOUR);
        hours.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            hours.tick().await;
            match setup.certify((self.now)()) {
                Ok(news) => news.iter().for_each(|news| say(news)),
                Err(error) => say(&format!("cannot renew the certificates: {error}")),
            }
        }
    }

    fn signer(&self, setup: &Setup) -> Program {
        let mut environment = vec![("NOTARY_SIGNER_SERVER_GRPC_ADDR", setup.signer.to_string())];
        if let Some(level) = &self.log {
            environment.push(("NOTARY_SIGNER_LOGGING_LEVEL", level.clone()));
        }
        self.program("signer", &setup.place.file("signer.json"), environment)
    }

    fn server(&self, setup: &Setup) -> Program {
        let mut environment = vec![("NOTARY_SERVER_SERVER_HTTP_ADDR", setup.server.to_string())];
        if self.options.signer_listen.is_some() {
            let (host, port) = (setup.signer.reachable_host().to_owned(), setup.signer.port);
            environment.push(("NOTARY_SERVER_TRUST_SERVICE_HOSTNAME", host));
            environment.push(("NOTARY_SERVER_TRUST_SERVICE_PORT", port.to_string()));
        }
        if let Some(level) = &self.log {
            environment.push(("NOTARY_SERVER_LOGGING_LEVEL", level.clone()));
        }
        let others = setup.server_for_others();
        if !others.is_empty() && !self.is_published_by_environment {
            // The server then refuses to start without authentication.
            let others: Vec<_> = others.iter().map(ToString::to_string).collect();
            environment.push(("NOTARY_SERVER_SERVER_PUBLISHED_ADDRESSES", others.join(",")));
        }
        self.program("server", &setup.place.file("server.json"), environment)
    }

    fn program(
        &self,
        name: &'static str,
        configuration: &Path,
        environment: Vec<(&'static str, String)>,
    ) -> Program {
        let arguments = vec![
            "child".into(),
            name.into(),
            "-logf".into(),
            "json".into(),
            "-config".into(),
            configuration.into(),
        ];
        Program {
            name,
            executable: self.executable.clone(),
            arguments,
            environment,
        }
    }
}

/// Waits a moment for a port that is taken: by children, perhaps, of a `countersign` that was
/// killed a moment ago and started again at once.
async fn check_ports(setup: &Setup) -> Result<(), SetupError> {
    let start = Instant::now();
    loop {
        match setup.check_ports() {
            Err(SetupError::Port { cause, .. })
                if cause.kind() == io::ErrorKind::AddrInUse && start.elapsed() < LEAVING => {}
            other => return other,
        }
        sleep(POLL).await;
    }
}

/// How long the children of a killed parent take to leave, unless they have much to finish.
const LEAVING: Duration = Duration::from_secs(2);
/// How long a program may take to get healthy: a signer opens keys, a server brings its tables up
/// to date.
const STARTING: Duration = Duration::from_mins(1);
/// Between two questions for health.
const POLL: Duration = Duration::from_millis(100);
/// A little more than a program gives its open connections when it is told to stop.
const GRACE: Duration = Duration::from_secs(35);
/// The first pause before a program is started again, and what it goes back to.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A program that ran this long did not end because of how it was started.
const STEADY: Duration = Duration::from_mins(1);
const SAME_SIGNAL: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);

/// A program that is started again when it ends.
#[derive(Debug)]
pub struct Supervised {
    program: Program,
    display: Display,
    running: Running,
    started: Instant,
}

impl Supervised {
    /// Starts `program` for the first time.
    pub fn start(program: Program, display: &Display) -> io::Result<Self> {
        let running = Running::start(&program, display)?;
        Ok(Self {
            program,
            display: display.clone(),
            running,
            started: Instant::now(),
        })
    }

    /// The process id of what runs now.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.running.id()
    }

    /// Waits until `check` is content.
    pub async fn healthy<F>(&mut self, check: impl Fn() -> F) -> Result<(), UpError>
    where
        F: Future<Output = Result<(), String>>,
    {
        let name = self.program.name;
        let mut answer = "it did not answer".to_owned();
        let mut ended = pin!(self.running.wait_for_end());
        let mut too_long = pin!(sleep(STARTING));
        loop {
            tokio::select! {
                biased;
                cause = &mut ended => return Err(UpError::Start { name, cause }),
                () = &mut too_long => return Err(UpError::Unwell { name, cause: answer }),
                checked = check() => match checked {
                    Ok(()) => return Ok(()),
                    Err(cause) => answer = cause,
                },
            }
            sleep(POLL).await;
        }
    }

    /// Starts it again whenever it ends.
    pub async fn keep(&mut self) -> std::convert::Infallible {
        let mut pause = PAUSE;
        loop {
            let cause = self.running.wait_for_end().await;
            if self.started.elapsed() >= STEADY {
                pause = PAUSE;
            }
            say(&format!(
                "the {} ended: {cause}; starting it again in {} s",
                self.program.name,
                pause.as_secs()
            ));
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            self.started = Instant::now();
            match Running::start(&self.program, &self.display) {
                Ok(running) => self.running = running,
                Err(error) => say(&format!(
                    "the {} cannot be started: {error}",
                    self.program.name
                )),
            }
        }
    }
}

/// Stops the server, then the signer that it may need until its last publish is answered. A
/// second signal cuts that short: what still runs is killed when it is dropped.
async fn end(mut server: Supervised, mut signer: Supervised, stop: &mut Stop) {
    let both = async {
        server.running.stop(GRACE).await;
        signer.running.stop(GRACE).await;
    };
    tokio::select! {
        () = both => {}
        () = stop.asked_again() => say("stopping at once"),
    }
}

/// The signals by which people and service managers end a program.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    fn listen() -> io::Result<Self> {
        let (interrupt, terminate) = (SignalKind::interrupt(), SignalKind::terminate());
        Ok(Self {
            interrupt: signal(interrupt)?,
            terminate: signal(terminate)?,
        })
    }

    async fn wait_for_signal(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Some tools signal the process and its group: what comes within a second of the first signal
    /// is that same signal.
    async fn asked_again(&mut self) {
        let first = Instant::now();
        loop {
            self.wait_for_signal().await;
            if first.elapsed() >= SAME_SIGNAL {
                return;
            }
        }
    }
}

/// What to do, where a program's own last words do not say it.
fn cure(cause: &str) -> &'static str {
    if cause.contains("is not an SQLite database") {
        ". Replace it by a backup, or move it away to start with an empty one."
    } else {
        ""
    }
}

/// What people read goes to standard error: standard output is for the lines to paste.
fn say(text: &str) {
    eprintln!("{text}");
}
