//! Requests to the server under test that no client makes in this form.

use std::{
    fs,
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicU64, Ordering},
};

use anyhow::{Context as _, Result, ensure};
use fixtures::{Part, multipart};

use crate::{
    accounts::Account,
    process::{Said, client},
    trust::Trust,
};

/// What the server answered.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, whole.
    pub body: Vec<u8>,
    headers: String,
}

impl Answer {
    /// The body of a 200.
    ///
    /// # Errors
    ///
    /// If it is anything else.
    pub fn ok(self) -> Result<Vec<u8>> {
        ensure!(self.status == 200, "{self}");
        Ok(self.body)
    }

    /// The value of a header, if the answer has it.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self
            .headers
            .lines()
            .filter_map(|line| line.split_once(": "));
        lines
            .filter(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim_end())
            .next()
    }

    /// The body as JSON.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body).with_context(|| self.to_string())
    }

    /// Whether this is the refusal `code`, such as `VERSION`.
    #[must_use]
    pub fn refuses_with(&self, code: &str) -> bool {
        let body: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        self.status == 400 && body["errors"][0]["code"] == code
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { status, body, .. } = self;
        write!(f, "{status}: {}", String::from_utf8_lossy(body))
    }
}

/// Where and how clients reach one server; it outlives the server's process.
#[derive(Clone, Debug)]
pub struct Entrance {
    url: String,
    authority: PathBuf,
    /// For the files that curl reads and writes.
    folder: PathBuf,
}

impl Entrance {
    /// Asks the server for `path`, whatever it answers.
    ///
    /// # Errors
    ///
    /// If the server cannot be reached.
    pub fn get(&self, path: &str) -> Result<Answer> {
        self.ask(path, |_| ())
    }

    /// Publishes `parts` into the repository `gun`, whatever the server answers.
    ///
    /// # Errors
    ///
    /// If the server cannot be reached.
    pub fn publish(&self, gun: &str, parts: &[Part]) -> Result<Answer> {
        self.publish_within(gun, parts, "0")
    }

    /// As [`Entrance::publish`], by a client that hangs up after so many `seconds`; 0 for never.
    ///
    /// # Errors
    ///
    /// If the server cannot be reached, or does not answer in time.
    pub fn publish_within(&self, gun: &str, parts: &[Part], seconds: &str) -> Result<Answer> {
        let (content_type, body) = multipart(parts);
        let upload = self.scratch("upload");
        fs::write(&upload, body)?;
        let answer = self.ask(&format!("/v2/{gun}/_trust/tuf/"), |curl| {
            curl.args(["--max-time", seconds])
                .args(["--header", &format!("Content-Type: {content_type}")])
                .args(["--header", "Expect:", "--data-binary"])
                .arg(format!("@{}", upload.display()));
        });
        fs::remove_file(&upload)?;
        answer
    }

    /// Sends a request for `path` in which curl is told `more`.
    ///
    /// # Errors
    ///
    /// If the server cannot be reached.
    pub fn ask(&self, path: &str, more: impl FnOnce(&mut Command)) -> Result<Answer> {
        let (body, headers) = (self.scratch("body"), self.scratch("headers"));
        let mut curl = client("curl");
        curl.args(["--silent", "--show-error", "--path-as-is"])
            .args(["--write-out", "%{http_code}", "--cacert"])
            .arg(&self.authority)
            .arg("--output")
            .arg(&body)
            .arg("--dump-header")
            .arg(&headers)
            .arg(format!("{}{path}", self.url));
        more(&mut curl);
        let said = Said::by(curl, "")?.succeeds();
        // curl makes no file for an empty body, and none at all when it reaches nothing.
        let content = fs::read(&body).unwrap_or_default();
        let dumped = fs::read(&headers).unwrap_or_default();
        drop(fs::remove_file(&body));
        drop(fs::remove_file(&headers));
        Ok(Answer {
            status: said?.parse()?,
            body: content,
            headers: String::from_utf8_lossy(&dumped).into_owned(),
        })
    }

    /// A file that no other request uses.
    fn scratch(&self, name: &str) -> PathBuf {
        static USED: AtomicU64 = AtomicU64::new(0);
        let number = USED.fetch_add(1, Ordering::Relaxed);
        self.folder.join(format!("{name}-{number}"))
    }
}

impl Trust {
    /// Where and how clients reach the server.
    #[must_use]
    pub fn entrance(&self) -> Entrance {
        Entrance {
            url: self.url(),
            authority: self.authority().to_owned(),
            folder: self.folder().to_owned(),
        }
    }

    /// Reads `path` from the server; nothing if it answers 404.
    ///
    /// # Errors
    ///
    /// If the server cannot be reached or answers anything but 200 and 404.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        let answer = self.get(path)?;
        if answer.status == 404 {
            return Ok(None);
        }
        answer.ok().with_context(|| path.to_owned()).map(Some)
    }

    /// Reads one file of a repository's metadata, which must be there.
    ///
    /// # Errors
    ///
    /// As [`Trust::read`], or if there is no such file.
    pub fn metadata(&self, gun: &str, file: &str) -> Result<Vec<u8>> {
        self.read(&format!("/v2/{gun}/_trust/tuf/{file}"))?
            .with_context(|| format!("{gun} has no {file}"))
    }

    /// As [`Entrance::get`].
    ///
    /// # Errors
    ///
    /// If the server cannot be reached.
    pub fn get(&self, path: &str) -> Result<Answer> {
        self.entrance().get(path)
    }

    /// As [`Entrance::publish`].
    ///
    /// # Errors
    ///
    /// If the server cannot be reached.
    pub fn publish(&self, gun: &str, parts: &[Part]) -> Result<Answer> {
        self.entrance().publish(gun, parts)
    }

    /// Deletes the repository `gun`, whatever the server answers.
    ///
    /// # Errors
    ///
    /// If the server cannot be reached.
    pub fn delete(&self, gun: &str) -> Result<Answer> {
        self.ask(&format!("/v2/{gun}/_trust/tuf/"), |curl| {
            curl.args(["--request", "DELETE"]);
        })
    }

    /// Asks the server for `path` with this password.
    ///
    /// # Errors
    ///
    /// If the server cannot be reached.
    pub fn get_as(&self, account: Account, path: &str) -> Result<Answer> {
        self.ask(path, |curl| {
            curl.args(["--user", &account.plain()]);
        })
    }

    /// Asks the server for `path` with this token.
    ///
    /// # Errors
    ///
    /// If the server cannot be reached.
    pub fn get_with_token(&self, token: &str, path: &str) -> Result<Answer> {
        self.ask(path, |curl| {
            curl.args(["--header", &format!("Authorization: Bearer {token}")]);
        })
    }

    /// As [`Entrance::ask`].
    ///
    /// # Errors
    ///
    /// If the server cannot be reached.
    pub fn ask(&self, path: &str, more: impl FnOnce(&mut Command)) -> Result<Answer> {
        self.entrance().ask(path, more)
    }
}
