//! Programs under valgrind's callgrind, which counts their instructions and allocations: figures
//! that another machine finds too.

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};

use crate::process::{Said, client};

/// A folder of programs that run under callgrind.
#[derive(Debug)]
pub struct Callgrind {
    folder: PathBuf,
}

/// What a process did while it was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effort {
    /// Instructions of all its threads.
    pub instructions: u64,
    /// Calls of `malloc` and its like.
    pub allocations: u64,
}

impl Callgrind {
    /// Puts programs into `folder` that run ours of the folder `programs` under callgrind, which
    /// does not count yet.
    ///
    /// # Errors
    ///
    /// If valgrind is missing, or a file cannot be written.
    pub fn wrap(folder: &Path, programs: &Path) -> Result<Self> {
        ensure!(
            Path::new("/usr/bin/callgrind_control").exists(),
            "/usr/bin/callgrind_control is missing: apt-get install valgrind"
        );
        let helper = Path::new(env!("CARGO_MANIFEST_DIR")).join("../benches/without-auxv");
        fs::create_dir_all(folder)?;
        for name in ["notary-server", "notary-signer"] {
            let script = format!(
                "#!/bin/sh\nexec '{}' valgrind --tool=callgrind --instr-atstart=no \
                 --callgrind-out-file='{}/callgrind.%p' '{}' \"$@\"\n",
                helper.display(),
                folder.display(),
                programs.join(name).display(),
            );
            let file = folder.join(name);
            fs::write(&file, script)?;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
        }
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// The folder, for [`Placement::programs`](crate::Placement::programs).
    #[must_use]
    pub fn programs(&self) -> &Path {
        &self.folder
    }

    /// Begins to count what `process` does.
    ///
    /// # Errors
    ///
    /// If it does not run under callgrind.
    pub fn begin(&self, process: u32) -> Result<()> {
        control(process, &["-i", "on"])?;
        control(process, &["-z"])
    }

    /// Ends counting, and tells what was counted.
    ///
    /// # Errors
    ///
    /// If nothing was.
    pub fn end(&self, process: u32) -> Result<Effort> {
        control(process, &["-d"])?;
        control(process, &["-i", "off"])?;
        Effort::read(&self.newest(process)?)
    }

    /// The file that callgrind wrote last for a process.
    fn newest(&self, process: u32) -> Result<PathBuf> {
        let prefix = format!("callgrind.{process}.");
        let number = |path: &PathBuf| -> Option<u32> {
            let name = path.file_name()?.to_str()?;
            name.strip_prefix(&prefix)?.parse().ok()
        };
        fs::read_dir(&self.folder)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| number(path).is_some())
            .max_by_key(number)
            .with_context(|| format!("callgrind wrote nothing for process {process}"))
    }
}

fn control(process: u32, command: &[&str]) -> Result<()> {
    let mut program = client("callgrind_control");
    program.args(command).arg(process.to_string());
    Said::by(program, "")?.succeeds().map(drop)
}

impl Effort {
    fn read(file: &Path) -> Result<Self> {
        const ALLOCATIONS: [&str; 4] = ["malloc", "calloc", "realloc", "posix_memalign"];
        let text = fs::read_to_string(file)?;
        let mut effort = Self::default();
        let mut names: HashMap<&str, &str> = HashMap::new();
        let mut callee = "";
        for line in text.lines() {
            if let Some(total) = line.strip_prefix("summary: ") {
                effort.instructions += total.trim().parse::<u64>()?;
            } else if let Some(name) = line.strip_prefix("fn=").or(line.strip_prefix("cfn=")) {
                // A name is written once, after its number.
                let (number, name) = name.split_once(' ').unwrap_or((name, ""));
                if !name.is_empty() {
                    names.insert(number, name);
                }
                if line.starts_with('c') {
                    callee = names.get(number).copied().unwrap_or_default();
                }
            } else if let Some(calls) = line.strip_prefix("calls=")
                && ALLOCATIONS.contains(&callee)
            {
                let calls = calls.split(' ').next().unwrap_or_default();
                effort.allocations += calls.parse::<u64>()?;
            }
        }
        ensure!(effort.instructions > 0, "{} counts nothing", file.display());
        Ok(effort)
    }
}
