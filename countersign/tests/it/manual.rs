//! `docs/configuration.md` and `docs/metrics.md`, which are made from the code.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
    rc::Rc,
};

use daemon::settings::{Section, manual};
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

const SETTINGS: &str = "\
# Settings

This page is generated from the code: every setting of `notary-server` and `notary-signer`.

Each program reads one file, named by `-config FILE`: JSON (`.json`), YAML (`.yaml`, `.yml`) or TOML
(`.toml`). Names are the same in upper and lower case. A path `server.http_addr` stands for the name
`http_addr` in the section `server`:

```json
{\"server\": {\"http_addr\": \":4443\"}}
```

- An environment variable takes precedence over the file; an empty one counts as unset.
- Relative paths start at the folder of the configuration file.
- A secret may also be in a file, or printed by a command: see [secrets.md](secrets.md).
- An unknown name is a warning that says which one was likely meant, except in the section `auth`
  of the server, where it stops the start. A value that is refused stops the start.
- `notary-server -config FILE config check` prints what is set, who set it, and whether the server
  would start with it; `notary-signer` has the same command. No secrets are printed.
";

const METRICS: &str = "\
# Metrics

This page is generated from the code: every metric of `notary-server` and `notary-signer`, in the
text format of Prometheus. The server answers `/metrics` on `server.http_addr`, or on
`server.monitoring_addr` if that is set; the signer on `server.metrics_addr`. With `-debug`, both
answer `/metrics` on `localhost:8080`. See [configuration.md](configuration.md).

Histograms of seconds have buckets; the others have the quantiles 0.5, 0.9 and 0.99, as
Notary had. Both programs also have the usual metrics of the process (`process_cpu_seconds_total`,
`process_resident_memory_bytes`, `process_open_fds` and so on).
";

/// Tells the recorder what the metrics of a crate mean.
type Describe = fn();

fn settings_page() -> String {
    let mut page = SETTINGS.to_owned();
    let programs: [(&str, &[Section], &str); 2] = [
        (
            "notary-server",
            server::config::SECTIONS,
            server::config::ENV_PREFIX,
        ),
        (
            "notary-signer",
            signer::config::SECTIONS,
            signer::config::ENVIRONMENT,
        ),
    ];
    for (program, sections, prefix) in programs {
        let manual = wrap(&manual(sections, prefix));
        write!(page, "\n## {program}\n\n{}\n", manual.trim_end()).unwrap();
    }
    page
}

/// Breaks entries of lists at 100 columns.
fn wrap(text: &str) -> String {
    let mut wrapped = String::new();
    for line in text.lines() {
        let mut width = 0;
        for word in line.split(' ') {
            if width > 0 && line.starts_with("- ") && width + 1 + word.len() > 100 {
                wrapped.push_str("\n ");
                width = 1;
            }
            if width > 0 {
                wrapped.push(' ');
                width += 1;
            }
            wrapped.push_str(word);
            width += word.len();
        }
        wrapped.push('\n');
    }
    wrapped
}

fn metrics_page() -> String {
    let mut page = METRICS.to_owned();
    let programs: [(&str, &[Describe]); 2] = [
        (
            "notary-server",
            &[
                server::describe_metrics,
                trust::describe_metrics,
                inventory::describe_metrics,
                database::describe_metrics,
            ],
        ),
        (
            "notary-signer",
            &[signer::metrics::describe, database::describe_metrics],
        ),
    ];
    for (program, describe) in programs {
        let table = Table::default();
        metrics::with_local_recorder(&table, || describe.iter().for_each(|describe| describe()));
        let mut rows = table.0.take();
        rows.sort();
        write!(
            page,
            "\n## {program}\n\n| name | type | labels | meaning |\n| --- | --- | --- | --- |\n{}",
            rows.concat()
        )
        .unwrap();
    }
    page
}

/// Takes down what is described, a row each.
#[derive(Default)]
struct Table(Rc<RefCell<Vec<String>>>);

impl Table {
    fn add(&self, kind: &str, name: &KeyName, description: &str) {
        // The text for people ends with the labels: "… (labels: kind, outcome)."
        let text = description.trim_end_matches('.').trim_end_matches(')');
        let (meaning, labels) = text.split_once(" (labels: ").unwrap_or((text, ""));
        let labels = labels.split(", ").filter(|label| !label.is_empty());
        let labels: Vec<_> = labels.map(|label| format!("`{label}`")).collect();
        self.0.borrow_mut().push(format!(
            "| `{}` | {kind} | {} | {meaning} |\n",
            name.as_str(),
            labels.join(", ")
        ));
    }
}

impl Recorder for Table {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, description: SharedString) {
        self.add("counter", &name, &description);
    }

    fn describe_gauge(&self, name: KeyName, _: Option<Unit>, description: SharedString) {
        self.add("gauge", &name, &description);
    }

    fn describe_histogram(&self, name: KeyName, _: Option<Unit>, description: SharedString) {
        self.add("histogram", &name, &description);
    }

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

/// Fails if the file of this name in `docs` is not `page`; rewrites it first if that is asked for.
#[expect(
    clippy::disallowed_methods,
    reason = "the variable is for people who run the test"
)]
fn assert_current(name: &str, page: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(name);
    if env::var_os("COUNTERSIGN_BLESS").is_some() {
        fs::write(&path, page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/{name} is stale: `just docs` rewrites it"
    );
}

/// The files below `folder`, by name.
fn files(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    for below in ["man", "completions"] {
        for entry in fs::read_dir(folder.join(below)).into_iter().flatten() {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            found.insert(path.strip_prefix(folder).unwrap().to_owned(), text);
        }
    }
    found
}

fn write_reference(folder: &Path) {
    let program = env!("CARGO_BIN_EXE_countersign");
    let status = Command::new(program).arg("reference").arg(folder).status();
    assert!(status.unwrap().success());
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the variable is for people who run the test"
)]
fn the_manual_pages_and_completions_of_the_packages_are_current() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging");
    if env::var_os("COUNTERSIGN_BLESS").is_some() {
        for below in ["man", "completions"] {
            let _ = fs::remove_dir_all(shipped.join(below));
        }
        write_reference(&shipped);
    }
    let folder = tempfile::tempdir().unwrap();
    write_reference(folder.path());
    let (current, shipped) = (files(folder.path()), files(&shipped));
    assert!(current.len() > 30, "{:?}", current.keys());
    let names: Vec<_> = current.keys().chain(shipped.keys()).collect();
    for name in names {
        assert!(
            current.get(name) == shipped.get(name),
            "packaging/{} is stale: `just docs` rewrites it",
            name.display()
        );
    }
}

#[test]
fn the_page_of_settings_is_current() {
    assert_current("configuration.md", &settings_page());
}

#[test]
fn the_page_of_metrics_is_current() {
    assert_current("metrics.md", &metrics_page());
}
