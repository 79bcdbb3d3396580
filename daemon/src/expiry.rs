//! The dates of a listener's own certificate, watched while the program runs: clients refuse an
//! expired one, and nothing else would say so.

use std::{
    path::{Path, PathBuf},
    time::Duration as Wait,
};

use time::{Duration, OffsetDateTime, UtcOffset};
use tokio_util::sync::CancellationToken;

use crate::{
    ServerTls,
    logging::STARTUP,
    tls::{Validity, validity},
};

/// How long before its end a certificate is warned of.
const NOTICE: Duration = Duration::days(30);
/// How often the file is looked at: as often as changed files are taken up.
const PERIOD: Wait = Wait::from_secs(10);
/// How often what stays wrong is said again.
const REMINDER: Duration = Duration::days(1);

/// How a certificate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Current,
    Ending,
    Expired,
    NotYet,
}

/// What is known of the certificate now.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlook {
    /// Seconds until it expires; negative once it has.
    pub seconds_left: f64,
    /// Why clients refuse it, if they do.
    pub problem: Option<String>,
}

/// Watches one certificate, and logs what people have to know: at once, when it changes, and daily.
#[derive(Debug)]
pub struct CertificateWatch {
    program: &'static str,
    file: PathBuf,
    told: Option<(Standing, OffsetDateTime)>,
}

impl CertificateWatch {
    /// Of the certificate of `tls`, for `program`, in the words of a sentence: "server".
    #[must_use]
    pub fn new(program: &'static str, tls: &ServerTls) -> Self {
        Self::of_file(program, tls.certificate_file())
    }

    /// Of the first certificate in the PEM file `file`.
    #[must_use]
    pub fn of_file(program: &'static str, file: &Path) -> Self {
        Self {
            program,
            file: file.to_owned(),
            told: None,
        }
    }

    /// Looks at the certificate at the time `now`; `None` if it cannot be read. What was in use
    /// stays in use then, which is logged where it is taken up.
    pub fn look(&mut self, now: OffsetDateTime) -> Option<Outlook> {
        let validity = validity(&self.file)?;
        let standing = Standing::of(validity, now);
        let sentence = self.sentence(standing, validity, now);
        let is_due = self
            .told
            .is_none_or(|(told, at)| told != standing || now - at >= REMINDER);
        if is_due {
            self.told = Some((standing, now));
            match standing {
                Standing::Current => {}
                Standing::Ending => tracing::warn!(target: STARTUP, "{sentence}"),
                Standing::Expired | Standing::NotYet => tracing::error!("{sentence}"),
            }
        }
        Some(Outlook {
            seconds_left: (validity.until - now).as_seconds_f64(),
            problem: matches!(standing, Standing::Expired | Standing::NotYet).then_some(sentence),
        })
    }

    /// Looks again and again until `shutdown`, first at once, and hands what is found to `tell`.
    pub async fn run(
        mut self,
        clock: impl Fn() -> OffsetDateTime,
        tell: impl Fn(Outlook),
        shutdown: CancellationToken,
    ) {
        let mut ticks = tokio::time::interval(PERIOD);
        while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
            if let Some(outlook) = self.look(clock()) {
                tell(outlook);
            }
        }
    }

    fn sentence(&self, standing: Standing, validity: Validity, now: OffsetDateTime) -> String {
        let Validity { from, until } = validity;
        let what = format!(
            "the certificate of this {} ({})",
            self.program,
            self.file.display()
        );
        match standing {
            Standing::Current => String::new(),
            Standing::Ending => format!(
                "{what} expires in {} days, on {}: replace it; the new one is taken up without a restart",
                (until - now).whole_days(),
                day(until)
            ),
            Standing::Expired => format!(
                "{what} expired on {}: its clients refuse to connect; replace it, the new one is \
                 taken up without a restart",
                day(until)
            ),
            Standing::NotYet => format!(
                "{what} is not valid before {}, and this machine says it is {}: its clients may \
                 refuse to connect; set the clock of this machine",
                day(from),
                day(now)
            ),
        }
    }
}

impl Standing {
    fn of(validity: Validity, now: OffsetDateTime) -> Self {
        if now < validity.from {
            Self::NotYet
        } else if now > validity.until {
            Self::Expired
        } else if validity.until - now < NOTICE && validity.until - validity.from > NOTICE {
            Self::Ending
        } else {
            Self::Current
        }
    }
}

fn day(at: OffsetDateTime) -> String {
    at.to_offset(UtcOffset::UTC).date().to_string()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use time::macros::datetime;

    use super::*;

    const UNTIL: OffsetDateTime = datetime!(2027-03-01 00:00 UTC);

    fn watch(folder: &Path, from: OffsetDateTime) -> CertificateWatch {
        let mut params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
        (params.not_before, params.not_after) = (from, UNTIL);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("signed");
        let file = folder.join("server.crt");
        std::fs::write(&file, certificate.pem()).expect("written");
        CertificateWatch::of_file("server", &file)
    }

    #[test]
    fn an_expired_certificate_and_one_of_the_future_are_problems_and_one_that_ends_soon_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let from = UNTIL - Duration::days(365);
        let mut watch = watch(folder.path(), from);
        for (now, standing, words) in [
            (
                from - Duration::hours(1),
                Standing::NotYet,
                Some("is not valid before 2026-03-01"),
            ),
            (UNTIL - Duration::days(40), Standing::Current, None),
            (UNTIL - Duration::days(20), Standing::Ending, None),
            (
                UNTIL + Duration::hours(1),
                Standing::Expired,
                Some("expired on 2027-03-01"),
            ),
        ] {
            let outlook = watch.look(now).expect("readable");
            assert_eq!(watch.told, Some((standing, now)));
            let problem = outlook.problem.unwrap_or_default();
            assert!(problem.contains(words.unwrap_or_default()), "{problem}");
            assert_eq!(problem.is_empty(), words.is_none(), "{problem}");
            let left = (UNTIL - now).as_seconds_f64();
            assert!((outlook.seconds_left - left).abs() < 1.0);
        }
    }

    #[test]
    fn what_stays_wrong_is_said_once_a_day() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut watch = watch(folder.path(), UNTIL - Duration::days(365));
        let first = UNTIL + Duration::hours(1);
        watch.look(first).expect("readable");
        watch.look(first + Duration::hours(23)).expect("readable");
        assert_eq!(watch.told, Some((Standing::Expired, first)));
        watch.look(first + Duration::hours(24)).expect("readable");
        assert_eq!(
            watch.told,
            Some((Standing::Expired, first + Duration::hours(24)))
        );
    }

    #[test]
    fn a_certificate_for_less_than_a_month_is_not_warned_of_all_its_life() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut watch = watch(folder.path(), UNTIL - Duration::days(7));
        let now = UNTIL - Duration::days(3);
        watch.look(now).expect("readable");
        assert_eq!(watch.told, Some((Standing::Current, now)));
    }
}
