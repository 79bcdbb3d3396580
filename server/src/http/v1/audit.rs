//! `audit`: the audit log, as far as it is in its file.

use audit_trail::{BadPlace, Recent, Wanted};
use tokio::sync::Semaphore;

use super::{Answered, Call, Kind, Problem, show, view};
use crate::http::{
    error::SHORTLY,
    grant::{Audit, AuditAll},
    path::GunName,
};

/// How many readings of the file may go on at once.
static READERS: Semaphore = Semaphore::const_new(2);

impl Call<'_> {
    pub(super) async fn audit(&self) -> Result<Answered, Problem> {
        let gun = self.query.text("gun");
        match gun {
            Some(gun) => drop(self.auth.grant(Audit(GunName::new(gun))).await?),
            None => drop(self.auth.grant(AuditAll).await?),
        }
        let wanted = Wanted {
            gun: gun.map(str::to_owned),
            since: self.query.time("since"),
            limit: usize::try_from(self.limit()).unwrap_or(usize::MAX),
        };
        let after = self.after().map(str::to_owned);
        let Ok(_reader) = READERS.try_acquire() else {
            let busy = Problem::new(Kind::Unavailable, "others are reading the audit log");
            return Err(busy.after(SHORTLY));
        };
        let audit = self.app.audit.clone();
        let reading = tokio::task::spawn_blocking(move || audit.recent(&wanted, after.as_deref()));
        let found = reading
            .await
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        match found {
            Ok(Some(Recent { lines, next })) => {
                let lines = lines
                    .iter()
                    .filter_map(|line| serde_json::from_str(line.text()).ok());
                show(&view::Audit::of(lines.collect(), next))
            }
            Ok(None) => Err(Problem::new(
                Kind::AuditElsewhere,
                "the audit log goes to standard error with the rest of the log; \
                 `logging.audit_file` gives it a file, which is read here",
            )),
            Err(BadPlace::Other) => Err(Problem::parameter("after", BadPlace::Other)),
            Err(BadPlace::Io(error)) => Err(Problem::new(Kind::Internal, error.to_string())),
        }
    }
}
