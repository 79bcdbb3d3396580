//! Names and steps of the log level; the lines themselves are tested where they are made.

use daemon::{Level, LogFormat, logging};
use tokio::sync::Mutex;

/// Held by tests that move the level, of which a process has one.
pub(crate) static LEVEL: Mutex<()> = Mutex::const_new(());

#[test]
fn levels_are_named_as_notary_names_them_in_any_case() {
    for (name, level) in [
        ("panic", Level::Panic),
        ("FATAL", Level::Fatal),
        ("Error", Level::Error),
        ("warn", Level::Warn),
        ("warning", Level::Warn),
        ("info", Level::Info),
        ("debug", Level::Debug),
        ("trace", Level::Trace),
    ] {
        assert_eq!(name.parse(), Ok(level));
    }
    assert_eq!(Level::default(), Level::Error);
    let error = "verbose".parse::<Level>().unwrap_err().to_string();
    assert!(
        error.starts_with("not a valid logrus Level: \"verbose\""),
        "{error}"
    );
}

#[test]
fn the_level_steps_from_panic_to_debug_and_says_so() {
    let _held = LEVEL.blocking_lock();
    let control = logging::init(&[], LogFormat::Json, Level::Panic);
    assert_eq!(
        control.less(),
        "Attempt to decrease log level failed, will remain at panic level, \
         error: log level can not be set lower than Panic"
    );
    for name in ["fatal", "error", "warning", "info", "debug"] {
        assert_eq!(
            control.more(),
            format!("Successfully setting log level to {name}")
        );
    }
    let stuck = "Attempt to increase log level failed, will remain at debug level, \
                 error: log level can not be set higher than Debug";
    assert_eq!(control.more(), stuck);
    assert_eq!(control.level(), Level::Debug);
    assert_eq!(control.less(), "Successfully setting log level to info");
    // A second start is the same log.
    assert_eq!(
        logging::init(&[], LogFormat::Human, Level::Warn).level(),
        Level::Warn
    );
    assert_eq!(control.level(), Level::Warn);
}
