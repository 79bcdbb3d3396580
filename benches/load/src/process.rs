//! What processes use: CPU time and memory, from `/proc`.

use std::{collections::HashMap, fs};

use anyhow::{Context as _, Result};

/// Ticks of a second in `/proc/PID/stat`, on every Linux that this runs on.
const TICKS: f64 = 100.0;

/// Seconds of CPU that `process` has used, with all its descendants, also those that have ended.
pub(crate) fn cpu_of(process: u32) -> Result<f64> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    let mut used: HashMap<u32, (u32, u32)> = HashMap::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(number) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        // It may have ended meanwhile.
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        if let Some(Stat { parent, own, ended }) = Stat::read(&stat) {
            children.entry(parent).or_default().push(number);
            used.insert(number, (own, ended));
        }
    }
    let (own, ended) = used
        .get(&process)
        .with_context(|| format!("process {process} is not running"))?;
    let mut ticks = f64::from(*own) + f64::from(*ended);
    let mut left = children.remove(&process).unwrap_or_default();
    while let Some(child) = left.pop() {
        if let Some((own, ended)) = used.get(&child) {
            ticks += f64::from(*own) + f64::from(*ended);
        }
        left.extend(children.remove(&child).unwrap_or_default());
    }
    Ok(ticks / TICKS)
}

/// Seconds of CPU that this process has used.
pub(crate) fn own_cpu() -> Result<f64> {
    let stat = Stat::read(&fs::read_to_string("/proc/self/stat")?).context("/proc/self/stat")?;
    Ok(f64::from(stat.own) / TICKS)
}

/// The fields of `/proc/PID/stat` that matter here.
struct Stat {
    parent: u32,
    /// Ticks of the process, and of its children that have ended.
    own: u32,
    ended: u32,
}

impl Stat {
    fn read(text: &str) -> Option<Self> {
        // The name of the program, in parentheses, may hold anything.
        let (_, fields) = text.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let field = |number: usize| fields.get(number)?.parse::<u32>().ok();
        Some(Self {
            parent: field(1)?,
            own: field(11)? + field(12)?,
            ended: field(13)? + field(14)?,
        })
    }
}

/// KiB that `process` has in memory now, and at most since it started.
pub(crate) fn memory_of(process: u32) -> Result<[u32; 2]> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    let both = line("VmRSS:").zip(line("VmHWM:"));
    let (now, most) = both.context("/proc/PID/status names the memory")?;
    Ok([now, most])
}

/// This machine, in a sentence.
pub(crate) fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (processors, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
    let model = processors
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("an unknown processor", |line| {
            line.trim_start_matches([' ', '\t', ':'])
        });
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let kib: u64 = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or_default();
    format!(
        "{cores} cores of {model}, {} GiB of memory, Linux {}",
        kib >> 20,
        read("/proc/sys/kernel/osrelease").trim()
    )
}
