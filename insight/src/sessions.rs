//! What the sessions of browsers are sealed with.

use ring::hmac;
use trust::store::StoreError;

use super::{Overview, OverviewError, cursor::Seal};

impl Overview {
    /// A key that all servers on one database share. It is known to everyone who reads the tables.
    ///
    /// # Errors
    ///
    /// [`OverviewError`]
    pub async fn session_key(&self) -> Result<hmac::Key, OverviewError> {
        let inner = self.0.as_deref().ok_or(OverviewError::Off)?;
        let make = async || Ok::<_, StoreError>(Seal::new(&inner.tables.secret().await?));
        match inner.seal.get_or_try_init(make).await {
            Ok(seal) => Ok(seal.sessions.clone()),
            Err(error) if error.is_temporary() => Err(error.into()),
            Err(error) => match inner.tables.survey().await {
                Ok(survey) if !survey.is_ready() => Err(OverviewError::NoTables),
                _ => Err(error.into()),
            },
        }
    }
}
