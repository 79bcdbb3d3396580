//! The disks that the server writes to: whether there is room, and whether it may write there.

use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, StatVfsMountFlags, accessat, statvfs};

use super::{Check, Report};
use crate::config::Config;

/// With less than this, publishing fails soon or does already.
const LEAST: u64 = 64 << 20;
/// With less than this, it is time to make room.
const NOTICE: u64 = 1 << 30;

/// Looks at where the embedded database and the audit log are.
pub(super) fn check(report: &mut Report, config: &Config) {
    let places = [
        ("the database", config.storage.url.file()),
        ("the audit log", config.audit_file.as_deref()),
    ];
    for (what, file) in places {
        // What is not there is told of elsewhere.
        let file = file.filter(|file| file.exists());
        if let Some(file) = file {
            check_place(report, what, file);
        }
    }
}

fn check_place(report: &mut Report, what: &str, file: &Path) {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let shown = folder.display();
    let Ok(disk) = statvfs(folder) else {
        return report.warn(
            Check::Disk,
            format!("the disk of {what} cannot be looked at ({shown})"),
            "run this command as the user that the server runs as",
        );
    };
    if disk.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return report.wrong(
            Check::Disk,
            format!("{shown}, where {what} is, is on a file system that is mounted read-only"),
            "mount it so that it can be written",
        );
    }
    let needed = [folder, file];
    let denied = needed
        .iter()
        .find(|path| accessat(CWD, **path, Access::WRITE_OK, AtFlags::EACCESS).is_err());
    if let Some(path) = denied {
        return report.wrong(
            Check::Disk,
            format!("{}, which {what} needs, cannot be written by this user", path.display()),
            "run this command as the user that the server runs as; if it does, give that user the right to write there",
        );
    }
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let text = format!(
        "{} MiB are free on the disk of {what} ({shown})",
        free >> 20
    );
    let cure = "make room there, before publishing fails";
    if free < LEAST {
        report.wrong(Check::Disk, format!("only {text}"), cure);
    } else if free < NOTICE {
        report.warn(Check::Disk, format!("only {text}"), cure);
    } else {
        report.ok(Check::Disk, text);
    }
}
