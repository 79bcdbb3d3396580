//! The commands of the guides, run as they stand there, by the people the guides are for.
//!
//! In `docs`, `<!-- tested: NAME -->` before a fenced block gives the block a name. A journey runs
//! the blocks of one guide; a block that has a name and is not run fails it. Only the names of
//! machines are replaced, and what people would type at a prompt is in the environment.

use std::{
    cell::RefCell,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use harness::{
    Cli, Engine, Said, Sandbox, Trust,
    process::{SEARCH_PATH, client},
};

mod ca;
mod ci;
mod links;
mod moving;
mod quick_start;
mod quotes;
mod signing;

/// A page of `docs`, and what of it was not run yet.
struct Guide {
    page: &'static str,
    blocks: RefCell<Vec<Block>>,
}

/// A fenced block with a name.
#[derive(Debug)]
struct Block {
    name: String,
    text: String,
}

impl Guide {
    fn open(page: &'static str) -> Result<Self> {
        let text = fs::read_to_string(docs().join(page)).with_context(|| page)?;
        let blocks = RefCell::new(named_blocks(&text));
        ensure!(!blocks.borrow().is_empty(), "{page} has nothing to run");
        Ok(Self { page, blocks })
    }

    /// The block of this name, which can be had once.
    fn take(&self, name: &str) -> Result<String> {
        let mut blocks = self.blocks.borrow_mut();
        let place = blocks.iter().position(|block| block.name == name);
        let place = place.with_context(|| format!("{} has no block {name}", self.page))?;
        Ok(blocks.remove(place).text)
    }

    /// Checks that nothing with a name was left out.
    fn is_done(&self) -> Result<()> {
        let left = self.blocks.borrow();
        ensure!(left.is_empty(), "{}: not run: {left:?}", self.page);
        Ok(())
    }
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

/// What stands between the fences that follow `<!-- tested: NAME -->`.
fn named_blocks(page: &str) -> Vec<Block> {
    let (mut blocks, mut lines) = (Vec::new(), page.lines());
    while let Some(line) = lines.next() {
        let Some(name) = name_in(line) else { continue };
        let fenced = lines
            .by_ref()
            .skip_while(|line| !line.trim_start().starts_with("```"));
        let inside = fenced.skip(1).take_while(|line| line.trim() != "```");
        let text = inside.flat_map(|line| [line, "\n"]).collect();
        blocks.push(Block { name, text });
    }
    blocks
}

fn name_in(line: &str) -> Option<String> {
    let comment = line.trim().strip_prefix("<!-- tested: ")?;
    comment.strip_suffix(" -->").map(str::to_owned)
}

/// What names in the guides are called on a sandbox.
#[derive(Clone, Debug, Default)]
struct Names(Vec<(String, String)>);

impl Names {
    /// The machines of the guides.
    fn of(trust: &Trust, engine: &Engine) -> Self {
        Self::default()
            .and("notary.example.com:4443", &trust.host())
            .and("registry.example.com", &engine.host())
    }

    fn and(mut self, written: &str, here: &str) -> Self {
        self.0.push((written.to_owned(), here.to_owned()));
        self
    }

    fn apply(&self, text: &str) -> String {
        let replaced = self.0.iter();
        replaced.fold(text.to_owned(), |text, (written, here)| {
            text.replace(written, here)
        })
    }
}

/// A reader at a terminal, which remembers what was exported in it.
#[derive(Clone, Debug)]
struct Reader {
    home: PathBuf,
    programs: PathBuf,
    socket: PathBuf,
    names: Names,
}

impl Reader {
    /// A new user, with nothing but the CA's certificate, where a checkout has it.
    fn new(sandbox: &Sandbox, name: &str, cli: Cli, names: &Names, ca: &Path) -> Result<Self> {
        let home = sandbox.folder(&format!("people/{name}"))?;
        fs::create_dir_all(home.join("fixtures"))?;
        fs::copy(ca, home.join("fixtures/root-ca.crt"))?;
        Ok(Self {
            home,
            programs: programs(sandbox, cli)?,
            socket: sandbox.path().join("docker.sock"),
            names: names.clone(),
        })
    }

    /// Runs a block of the guide, which must succeed, and answers what it printed.
    fn does(&self, guide: &Guide, name: &str) -> Result<String> {
        self.runs(guide, name)?.succeeds()
    }

    /// Runs a block of the guide.
    fn runs(&self, guide: &Guide, name: &str) -> Result<Said> {
        self.types(&guide.take(name)?)
    }

    /// Runs a block of the guide that fails, as the guide says.
    fn fails(&self, guide: &Guide, name: &str, reason: &str) -> Result<()> {
        self.runs(guide, name)?.fails_saying(reason)
    }

    /// Types these lines, and answers "yes" to whatever is asked.
    fn types(&self, lines: &str) -> Result<Said> {
        Said::by(self.shell(&self.names.apply(lines)), "yes\n")
    }

    fn shell(&self, lines: &str) -> std::process::Command {
        // What is exported, and where one is, is remembered from block to block, as at a terminal.
        const SCRIPT: &str = "[ ! -e \"$STATE\" ] || . \"$STATE\"
            trap 'export -p >\"$STATE\"; echo \"cd \\\"$PWD\\\"\" >>\"$STATE\"' EXIT\n";
        let mut command = client("sh");
        command
            .current_dir(&self.home)
            .env("PATH", format!("{}:{SEARCH_PATH}", self.programs.display()))
            .env("HOME", &self.home)
            .env("STATE", self.home.join(".terminal"))
            .env("DOCKER_HOST", format!("unix://{}", self.socket.display()))
            .envs(PASSPHRASES)
            .args(["-euc", &format!("{SCRIPT}{lines}")]);
        command
    }

    /// From now on puts `value` where a guide says `name`.
    fn learns(&mut self, name: &str, value: &str) {
        self.names = self.names.clone().and(name, value);
    }

    /// The path of a file in this person's folder.
    fn file(&self, name: &str) -> PathBuf {
        self.home.join(name)
    }

    /// Brings a file of another person, as by mail.
    fn brings(&self, other: &Self, name: &str) -> Result<()> {
        fs::copy(other.file(name), self.file(name)).with_context(|| name.to_owned())?;
        Ok(())
    }
}

/// What people would type at a prompt.
const PASSPHRASES: [(&str, &str); 6] = [
    (
        "DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE",
        "a passphrase for root",
    ),
    (
        "DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE",
        "another passphrase",
    ),
    ("NOTARY_ROOT_PASSPHRASE", "a passphrase for root"),
    ("NOTARY_TARGETS_PASSPHRASE", "another passphrase"),
    ("NOTARY_DELEGATION_PASSPHRASE", "another passphrase"),
    ("NOTARY_SNAPSHOT_PASSPHRASE", "another passphrase"),
];

/// A folder in which `docker` is the CLI of this generation, and `sudo` asks for nothing.
fn programs(sandbox: &Sandbox, cli: Cli) -> Result<PathBuf> {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let folder = sandbox.path().join("programs");
    if !folder.exists() {
        fs::create_dir(&folder)?;
        symlink(cli.find()?, folder.join("docker"))?;
        let sudo = folder.join("sudo");
        fs::write(&sudo, "#!/bin/sh\nexec \"$@\"\n")?;
        fs::set_permissions(sudo, fs::Permissions::from_mode(0o755))?;
    }
    Ok(folder)
}

#[test]
fn a_named_block_is_what_stands_between_its_fences() {
    let page = "one\n```sh\nnot me\n```\n<!-- tested: me -->\n```sh\necho 1\necho 2\n```\n```sh\nnor me\n```\n";
    let blocks = named_blocks(page);
    assert_eq!(blocks.len(), 1);
    assert_eq!(blocks[0].name, "me");
    assert_eq!(blocks[0].text, "echo 1\necho 2\n");
}
