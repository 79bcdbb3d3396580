//! Running a target on the stable compiler.

use std::{fs, panic, path::Path, time::Duration};

use arbitrary::Unstructured;

use crate::{edits::edit_some, random::Random};

/// How much work of the processor one execution may be. Without optimisation, that is far more
/// than any of them takes.
const MOST_WORK: Duration = Duration::from_secs(2);

/// How many bytes say how a seed is changed.
const CHOICES: usize = 256;

/// Runs `target` on each of its seeds, and `executions` times on what becomes of them: changed
/// seeds, the beginning of one with the end of another, and random bytes. All of that is the same
/// each time.
///
/// # Panics
///
/// If the target does, after having written the bytes that made it panic, or if one execution takes
/// too long.
pub fn drive(name: &str, target: fn(&[u8]), executions: usize) {
    let seeds = seeds(name);
    for seed in &seeds {
        execute(target, seed);
    }
    let mut random = Random::new(name);
    for _ in 0..executions {
        let choices = random.bytes(CHOICES);
        let data = data(&seeds, &mut Unstructured::new(&choices));
        execute(target, &data.unwrap_or(choices));
    }
}

/// The examples of a target.
fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("seeds")
        .join(name);
    let entries = fs::read_dir(&folder).expect("each target has a folder of seeds");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("a readable folder").path())
        .collect();
    // The order of a folder is not the same everywhere.
    files.sort();
    let read = |file| fs::read(file).expect("a readable seed");
    files.into_iter().map(read).collect()
}

fn data(seeds: &[Vec<u8>], choices: &mut Unstructured<'_>) -> arbitrary::Result<Vec<u8>> {
    if seeds.is_empty() || choices.ratio(1, 16)? {
        let length = choices.int_in_range(0..=CHOICES)?;
        return Ok(choices.bytes(length.min(choices.len()))?.to_vec());
    }
    let seed = choices.choose(seeds)?;
    if choices.ratio(1, 8)? {
        let other = choices.choose(seeds)?;
        let (end, from) = (
            choices.int_in_range(0..=seed.len())?,
            choices.int_in_range(0..=other.len())?,
        );
        return Ok([&seed[..end], &other[from..]].concat());
    }
    edit_some(seed, choices)
}

fn execute(target: fn(&[u8]), data: &[u8]) {
    let before = work();
    let outcome = panic::catch_unwind(|| target(data));
    if let Err(cause) = outcome {
        eprintln!("the input was: b\"{}\"", data.escape_ascii());
        panic::resume_unwind(cause);
    }
    let took = work().saturating_sub(before);
    assert!(
        took < MOST_WORK,
        "{took:?} for b\"{}\"",
        data.escape_ascii()
    );
}

/// How long this thread has had a processor.
fn work() -> Duration {
    let line = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells");
    let first = line.split(' ').next().and_then(|word| word.parse().ok());
    Duration::from_nanos(first.expect("the first number is nanoseconds on a processor"))
}
