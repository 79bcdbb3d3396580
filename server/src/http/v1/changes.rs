//! `changes`: the feed, and waiting for more of it.

use std::time::Duration;

use tokio::time::Instant;

use super::{Answered, Call, Problem, show, view};

impl Call<'_> {
    /// Answers a page of changes; if there is none, waits for one as long as the request says.
    ///
    /// After each wait, the caller and what they may see are decided again: a user may have been
    /// removed, or a token have expired.
    pub(super) async fn changes(&self, is_head: bool) -> Result<Answered, Problem> {
        let wait = self.query.number("wait").unwrap_or_default();
        let wait = if is_head { 0 } else { wait };
        let deadline = Instant::now() + Duration::from_secs(wait.into());
        let overview = &self.app.overview;
        let mut next = self.after().map(str::to_owned);
        loop {
            let granted = self.grant().await?;
            let sight = granted.sight(self.app);
            let page = overview
                .changes(&sight, next.as_deref(), self.limit())
                .await?;
            let is_over = !page.changes.is_empty() || wait == 0;
            if is_over
                || !overview
                    .wait_behind(&page, &granted.who_waits(), deadline)
                    .await?
            {
                return show(&view::Changes::from(page));
            }
            next = Some(page.next);
        }
    }
}
