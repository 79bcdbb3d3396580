//! Repositories and the uploads that are signed for them beforehand.

use std::{collections::VecDeque, sync::Arc};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use fixtures::{Publisher, lists, multipart};
use ring::digest::{SHA256, digest};
use time::OffsetDateTime;

use crate::client::Client;

/// The path of a file of a repository.
pub(crate) fn path_of(gun: &str, file: &str) -> String {
    format!("/v2/{gun}/_trust/tuf/{file}")
}

/// A request, and the bytes that answer it.
pub(crate) type Expected = (String, Bytes);

/// The owner of one repository that is published, with new versions ready to be sent.
pub(crate) struct Owner {
    publisher: Publisher,
    ready: VecDeque<Bytes>,
    made: usize,
}

impl Owner {
    /// Publishes a repository with so many targets.
    pub(crate) async fn create(
        client: &mut Client,
        gun: &str,
        targets: usize,
        now: OffsetDateTime,
    ) -> Result<Self> {
        let mut publisher = Publisher::at(gun, now);
        publisher.big_targets(targets);
        let publisher = publish_first(client, publisher).await?;
        Ok(Self {
            publisher,
            ready: VecDeque::new(),
            made: 0,
        })
    }

    pub(crate) fn gun(&self) -> &str {
        self.publisher.gun()
    }

    /// Signs versions until `count` are ready to be sent.
    pub(crate) fn prepare(&mut self, count: usize) {
        while self.ready.len() < count {
            self.made += 1;
            let content = self.made.to_string();
            self.publisher
                .add_target("targets", "latest", content.as_bytes());
            let (_, body) = multipart(&self.publisher.next(&["targets"]));
            self.ready.push_back(body.into());
        }
    }

    /// The next version, if one is ready.
    pub(crate) fn next(&mut self) -> Option<Bytes> {
        self.ready.pop_front()
    }

    /// The version of the targets file that was sent last.
    pub(crate) fn version(&self) -> i64 {
        let waiting = i64::try_from(self.ready.len()).unwrap_or(i64::MAX);
        self.publisher.targets.version() - waiting
    }

    /// The current files, checked as a client checks them, by the paths that name their contents.
    pub(crate) async fn pull(&self, client: &mut Client) -> Result<Pulled> {
        let gun = self.publisher.gun();
        let mut read = async |role: &str| {
            let path = path_of(gun, &format!("{role}.json"));
            client.get(&path).await?.ok()
        };
        let (root, timestamp) = (read("root").await?, read("timestamp").await?);
        let (snapshot, targets) = (read("snapshot").await?, read("targets").await?);
        let signed = [("timestamp", &timestamp), ("snapshot", &snapshot)];
        for (role, file) in signed.into_iter().chain([("targets", &targets)]) {
            ensure!(self.publisher.trusts(role, file), "{role} is badly signed");
        }
        ensure!(lists(&timestamp, "snapshot", &snapshot), "another snapshot");
        ensure!(lists(&snapshot, "targets", &targets), "another targets");
        ensure!(lists(&snapshot, "root", &root), "another root");
        let by_checksum = |role: &str, file: Bytes| {
            let sum = hex::encode(digest(&SHA256, &file));
            (path_of(gun, &format!("{role}.{sum}.json")), file)
        };
        Ok(Pulled {
            timestamp: (path_of(gun, "timestamp.json"), timestamp),
            snapshot: by_checksum("snapshot", snapshot),
            targets: by_checksum("targets", targets),
            root_by_name: (path_of(gun, "root.json"), root.clone()),
            root: by_checksum("root", root),
        })
    }
}

/// The files of one repository.
#[derive(Clone, Debug)]
pub(crate) struct Pulled {
    pub(crate) timestamp: Expected,
    pub(crate) snapshot: Expected,
    pub(crate) targets: Expected,
    pub(crate) root: Expected,
    pub(crate) root_by_name: Expected,
}

impl Pulled {
    /// What a client asks for that knows an older state.
    pub(crate) fn all(self) -> Vec<Expected> {
        vec![self.timestamp, self.snapshot, self.targets, self.root]
    }

    /// What docker asks for when it knows nothing.
    pub(crate) fn for_docker(self) -> Vec<Expected> {
        let greeting = ("/v2/".to_owned(), Bytes::from_static(b"{}"));
        vec![
            greeting,
            self.root_by_name,
            self.timestamp,
            self.snapshot,
            self.targets,
        ]
    }
}

/// Gets two keys from the server and publishes everything.
pub(crate) async fn publish_first(client: &mut Client, publisher: Publisher) -> Result<Publisher> {
    let gun = publisher.gun().to_owned();
    let mut publisher = publisher;
    for role in ["timestamp", "snapshot"] {
        let path = path_of(&gun, &format!("{role}.key"));
        let key = client.get(&path).await?.ok()?;
        publisher = publisher.with_server_key_document(role, &key);
    }
    let (_, body) = multipart(&publisher.first_publish());
    let answer = client.publish(&gun, body.into()).await?;
    answer.ok().with_context(|| gun.clone())?;
    Ok(publisher)
}

/// One repository that several writers hold the keys of, each with versions of its own.
pub(crate) struct Contested {
    publisher: Publisher,
    first: i64,
    ready: Vec<Vec<Bytes>>,
}

/// What one of the writers may send.
#[derive(Clone)]
pub(crate) struct Rival {
    pub(crate) gun: String,
    first: i64,
    ready: Arc<Vec<Bytes>>,
}

impl Contested {
    pub(crate) async fn create(
        client: &mut Client,
        gun: &str,
        writers: usize,
        now: OffsetDateTime,
    ) -> Result<Self> {
        let publisher = publish_first(client, Publisher::at(gun, now)).await?;
        Ok(Self {
            first: publisher.targets.version() + 1,
            publisher,
            ready: vec![Vec::new(); writers],
        })
    }

    /// Forgets versions below `version` and signs those that follow, `count` for each writer.
    pub(crate) fn prepare(&mut self, version: i64, count: usize) {
        let old = usize::try_from(version - self.first).unwrap_or(0);
        self.first = version;
        for (writer, ready) in self.ready.iter_mut().enumerate() {
            ready.drain(..old.min(ready.len()));
            let name = format!("by-{writer}");
            for number in ready.len()..count {
                let version = version + i64::try_from(number).unwrap_or(i64::MAX);
                let content = version.to_string();
                self.publisher
                    .add_target("targets", &name, content.as_bytes());
                self.publisher.targets.set_version(version);
                let parts = [("targets".to_owned(), self.publisher.targets.seal())];
                ready.push(multipart(&parts).1.into());
            }
        }
    }

    pub(crate) fn rivals(&self) -> Vec<Rival> {
        let rival = |ready: &Vec<Bytes>| Rival {
            gun: self.publisher.gun().to_owned(),
            first: self.first,
            ready: Arc::new(ready.clone()),
        };
        self.ready.iter().map(rival).collect()
    }
}

impl Rival {
    /// The upload that makes `version`, if it is ready.
    pub(crate) fn upload(&self, version: i64) -> Option<Bytes> {
        let number = usize::try_from(version.checked_sub(self.first)?).ok()?;
        self.ready.get(number).cloned()
    }
}

/// The version that a targets file says it has.
pub(crate) fn version_of(file: &[u8]) -> Result<i64> {
    const MEMBER: &str = "\"version\":";
    let text = std::str::from_utf8(file)?;
    let (_, rest) = text.rsplit_once(MEMBER).context("it has no version")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Ok(digits.parse()?)
}
