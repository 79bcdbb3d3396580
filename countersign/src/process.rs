//! Running a program as a child: its log lines, the cause of its end, and no orphan.
//!
//! A child is told to stop by the end of its standard input, a pipe whose other end only this
//! process holds. That reaches it however this process ends, be it by `kill -9`, and leaves it
//! time to finish what it is doing. It runs in a process group of its own, so that Ctrl-C in a
//! terminal reaches it through this process alone, once and in the right order.

use std::{
    ffi::OsString,
    io,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use daemon::logging::Plain;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, ChildStdin, Command},
    task::JoinHandle,
    time::timeout,
};

/// How to start a program.
#[derive(Clone, Debug)]
pub struct Program {
    /// What people call it; begins its log lines.
    pub name: &'static str,
    /// The file to run.
    pub executable: PathBuf,
    /// Its arguments. Secrets have no place here: everybody on the machine can read them.
    pub arguments: Vec<OsString>,
    /// What it finds in its environment beside what this process has.
    pub environment: Vec<(&'static str, String)>,
}

/// Which log lines of the children are shown.
#[derive(Clone, Debug, Default)]
pub struct Display(Arc<AtomicBool>);

impl Display {
    /// From now on shows every line; until then warnings and worse.
    pub fn show_all(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn shows(&self, line: &Line) -> bool {
        self.0.load(Ordering::Relaxed) || line.is_warning()
    }
}

/// A program that was started, and perhaps has ended since.
#[derive(Debug)]
pub struct Running {
    child: Child,
    /// Closing it is what tells the child to stop.
    stdin: Option<ChildStdin>,
    log: JoinHandle<()>,
    complaint: Arc<Mutex<Option<Line>>>,
}

impl Running {
    /// Starts `program`.
    pub fn start(program: &Program, display: &Display) -> io::Result<Self> {
        let mut child = Command::new(&program.executable)
            .args(&program.arguments)
            .envs(
                program
                    .environment
                    .iter()
                    .map(|(name, value)| (name, value)),
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::from(io::stderr()))
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let complaint = Arc::new(Mutex::new(None));
        let log = child
            .stderr
            .take()
            .ok_or_else(|| io::Error::other("no pipe"))?;
        let follow = follow(log, program.name, display.clone(), Arc::clone(&complaint));
        Ok(Self {
            stdin: child.stdin.take(),
            child,
            log: tokio::spawn(follow),
            complaint,
        })
    }

    /// The child's process id, `None` once it has ended.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits for its end and says why it came. May be dropped and asked again.
    pub async fn wait_for_end(&mut self) -> String {
        let status = self.child.wait().await;
        if !self.log.is_finished() {
            // A grandchild could hold the pipe open; the last lines come at once or never.
            let _ = timeout(Duration::from_secs(1), &mut self.log).await;
        }
        let complaint = self
            .complaint
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        match (complaint, status) {
            (Some(line), _) => line.text,
            (None, Ok(status)) => how(status),
            (None, Err(error)) => error.to_string(),
        }
    }

    /// Tells it to stop, waits until it has, and kills it after `grace`.
    pub async fn stop(&mut self, grace: Duration) {
        drop(self.stdin.take());
        if timeout(grace, self.child.wait()).await.is_err() {
            // Fails only if it has ended meanwhile.
            let _ = self.child.kill().await;
        }
    }
}

/// One line of a program's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The level as Notary names it, or empty if the line is no log line (a panic, say).
    pub level: String,
    /// The message, for people.
    pub text: String,
    /// What else the line says, in the order of its names, without what a person at this machine
    /// knows or never asks for.
    pub fields: String,
    /// The time of day, or empty.
    pub time: String,
}

impl Line {
    /// Reads a JSON log line; any other text is its own message.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let parsed = serde_json::from_str::<Value>(text).ok();
        let Some(Value::Object(mut members)) = parsed else {
            let text = text.to_owned();
            return Self {
                level: String::new(),
                text,
                fields: String::new(),
                time: String::new(),
            };
        };
        let mut take = |name| members.remove(name).map_or_else(String::new, plain);
        let (level, text, time) = (take("level"), take("msg"), take("time"));
        let fields = members
            .into_iter()
            .map(|(name, value)| field(&name, &plain(value)));
        let time = time.get(11..19).unwrap_or_default().to_owned();
        Self {
            level,
            text,
            fields: fields.collect(),
            time,
        }
    }

    /// The line of the program `name` as people read it. It is one line, whatever its text holds:
    /// much of it comes from requests.
    #[must_use]
    pub fn show(&self, name: &str) -> String {
        let Self {
            level,
            text,
            fields,
            time,
        } = self;
        let text = format!("{text}{fields}");
        format!("{time:8} {name} {level:7} {}", Plain(&text))
    }

    /// Whether it says that something is wrong.
    #[must_use]
    pub fn is_complaint(&self) -> bool {
        matches!(self.level.as_str(), "error" | "fatal" | "panic")
    }

    fn is_warning(&self) -> bool {
        self.is_complaint() || matches!(self.level.as_str(), "" | "warning" | "warn")
    }
}

async fn follow(
    log: impl AsyncRead + Unpin,
    name: &'static str,
    display: Display,
    complaint: Arc<Mutex<Option<Line>>>,
) {
    let mut lines = BufReader::new(log).split(b'\n');
    while let Ok(Some(bytes)) = lines.next_segment().await {
        let line = Line::parse(String::from_utf8_lossy(&bytes).trim_end());
        if display.shows(&line) {
            eprintln!("{}", line.show(name));
        }
        remember(
            &mut complaint.lock().unwrap_or_else(PoisonError::into_inner),
            line,
        );
    }
}

/// Keeps the last complaint, or failing one the last line that is no log line: the end of a panic
/// or a usage text.
fn remember(kept: &mut Option<Line>, line: Line) {
    let stray = line.level.is_empty() && !line.text.is_empty();
    let replaces = kept.as_ref().is_none_or(|kept| !kept.is_complaint());
    if line.is_complaint() || (stray && replaces) {
        *kept = Some(line);
    }
}

/// ` name=value`, with `http.request.` and `http.response.` cut off, or nothing.
fn field(name: &str, value: &str) -> String {
    let short = ["http.request.", "http.response."]
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))
        .unwrap_or(name);
    let idle = matches!(
        short,
        "host" | "remoteaddr" | "useragent" | "written" | "peer"
    );
    if idle || value.is_empty() {
        String::new()
    } else {
        // In quotes where it could be taken for other fields.
        let is_one_word = !value.contains([' ', '=', '"']);
        let quoted = (!is_one_word).then(|| format!("{value:?}"));
        format!(" {short}={}", quoted.as_deref().unwrap_or(value))
    }
}

fn plain(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn how(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it ended with exit status {code}"),
        (_, Some(signal)) => format!("it was ended by signal {signal}"),
        _ => "it ended".to_owned(),
    }
}
