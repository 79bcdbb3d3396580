//! `audit`: the audit log, as far as it is in its file.

use audit_trail::{BadPlace, Recent, Wanted};

use super::{Answered, Call, Kind, Problem, show, view};
use crate::http::{
    error::SHORTLY,
    grant::{Audit, AuditAll},
    path::GunName,
};

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
        match self.app.audit.read_recent(wanted, after).await {
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
            Err(BadPlace::Busy) => {
                Err(Problem::new(Kind::Unavailable, BadPlace::Busy.to_string()).after(SHORTLY))
            }
            Err(BadPlace::Other) => Err(Problem::parameter("after", BadPlace::Other)),
            Err(BadPlace::Io(error)) => Err(Problem::new(Kind::Internal, error.to_string())),
        }
    }
}
