//! Points in time as the time columns hold them.

use sqlx::{
    Decode, Encode, MySql, Postgres, Sqlite, Type, ValueRef as _,
    encode::IsNull,
    error::BoxDynError,
    mysql::{MySqlTypeInfo, MySqlValueRef},
    postgres::{PgArgumentBuffer, PgTypeInfo, PgValueRef},
    sqlite::{SqliteArgumentsBuffer, SqliteTypeInfo, SqliteValueRef},
};
use time::{
    OffsetDateTime, PrimitiveDateTime, UtcOffset, format_description::BorrowedFormatItem,
    macros::format_description,
};

/// What a time column holds, to and from UTC.
pub trait Time:
    From<OffsetDateTime> + Into<OffsetDateTime> + Copy + Send + Sync + Unpin + 'static
{
    /// The point in time, in UTC.
    fn utc(self) -> OffsetDateTime {
        let time: OffsetDateTime = self.into();
        time.to_offset(UtcOffset::UTC)
    }
}

/// A point in time as `SQLite` holds it: text such as `2026-11-21 23:24:24.874950146+00:00`.
///
/// This is the form of gorm, the library Notary 0.7 reached its databases with, always with nine
/// digits and in UTC so that text and time sort alike. RFC 3339, text without an offset (taken as
/// UTC) and whole seconds since 1970 are read as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SqliteTime(OffsetDateTime);

impl Time for SqliteTime {}

impl From<OffsetDateTime> for SqliteTime {
    fn from(time: OffsetDateTime) -> Self {
        Self(time.to_offset(UtcOffset::UTC))
    }
}

impl From<SqliteTime> for OffsetDateTime {
    fn from(time: SqliteTime) -> Self {
        time.0
    }
}

impl Type<Sqlite> for SqliteTime {
    fn type_info() -> SqliteTypeInfo {
        <OffsetDateTime as Type<Sqlite>>::type_info()
    }

    fn compatible(info: &SqliteTypeInfo) -> bool {
        <OffsetDateTime as Type<Sqlite>>::compatible(info)
    }
}

/// How times are written.
const WRITTEN: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second].[subsecond digits:9]+00:00");

impl Encode<'_, Sqlite> for SqliteTime {
    fn encode_by_ref(&self, buffer: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Sqlite>::encode(self.0.format(WRITTEN)?, buffer)
    }
}

impl<'r> Decode<'r, Sqlite> for SqliteTime {
    fn decode(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Self::from(<OffsetDateTime as Decode<Sqlite>>::decode(
            value,
        )?))
    }
}

/// A point in time as `PostgreSQL` holds it: `timestamp` without time zone, whose digits are UTC.
///
/// Notary 0.7 wrote the wall clock of its process and read it as UTC; the two agree wherever its
/// process ran in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PostgresTime(OffsetDateTime);

impl Time for PostgresTime {}

impl From<OffsetDateTime> for PostgresTime {
    fn from(time: OffsetDateTime) -> Self {
        Self(time.to_offset(UtcOffset::UTC))
    }
}

impl From<PostgresTime> for OffsetDateTime {
    fn from(time: PostgresTime) -> Self {
        time.0
    }
}

impl Type<Postgres> for PostgresTime {
    fn type_info() -> PgTypeInfo {
        <PrimitiveDateTime as Type<Postgres>>::type_info()
    }

    /// gorm, left to itself, made columns with time zone.
    fn compatible(info: &PgTypeInfo) -> bool {
        <PrimitiveDateTime as Type<Postgres>>::compatible(info)
            || <OffsetDateTime as Type<Postgres>>::compatible(info)
    }
}

impl Encode<'_, Postgres> for PostgresTime {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Encode::<Postgres>::encode(PrimitiveDateTime::new(self.0.date(), self.0.time()), buffer)
    }
}

impl<'r> Decode<'r, Postgres> for PostgresTime {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        if <OffsetDateTime as Type<Postgres>>::compatible(&value.type_info()) {
            return Ok(Self::from(<OffsetDateTime as Decode<Postgres>>::decode(
                value,
            )?));
        }
        let digits = <PrimitiveDateTime as Decode<Postgres>>::decode(value)?;
        Ok(Self(digits.assume_utc()))
    }
}

/// A point in time as `MySQL` holds it: `timestamp` or `datetime`, in whole seconds of UTC.
///
/// The second is cut off, not rounded as the server would do, so that nothing is from the future.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MySqlTime(OffsetDateTime);

impl Time for MySqlTime {}

impl From<OffsetDateTime> for MySqlTime {
    fn from(time: OffsetDateTime) -> Self {
        let time = time.to_offset(UtcOffset::UTC);
        Self(time.replace_nanosecond(0).unwrap_or(time))
    }
}

impl From<MySqlTime> for OffsetDateTime {
    fn from(time: MySqlTime) -> Self {
        time.0
    }
}

impl Type<MySql> for MySqlTime {
    fn type_info() -> MySqlTypeInfo {
        <OffsetDateTime as Type<MySql>>::type_info()
    }

    fn compatible(info: &MySqlTypeInfo) -> bool {
        <OffsetDateTime as Type<MySql>>::compatible(info)
    }
}

impl Encode<'_, MySql> for MySqlTime {
    fn encode_by_ref(&self, buffer: &mut Vec<u8>) -> Result<IsNull, BoxDynError> {
        Encode::<MySql>::encode(self.0, buffer)
    }
}

impl<'r> Decode<'r, MySql> for MySqlTime {
    fn decode(value: MySqlValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Self(<OffsetDateTime as Decode<MySql>>::decode(value)?))
    }
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection, SqliteConnection};
    use time::macros::datetime;

    use super::*;

    async fn read(value: &'static str) -> OffsetDateTime {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        sqlx::query("CREATE TABLE t (at DATETIME)")
            .execute(&mut connection)
            .await
            .unwrap();
        sqlx::query("INSERT INTO t VALUES (?)")
            .bind(value)
            .execute(&mut connection)
            .await
            .unwrap();
        let time: SqliteTime = sqlx::query_scalar("SELECT at FROM t")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        time.utc()
    }

    #[tokio::test]
    async fn every_written_form_of_a_time_is_read() {
        let expected = datetime!(2026-11-21 23:24:24.874_950_146 UTC);
        for form in [
            "2026-11-21 23:24:24.874950146+00:00",
            "2026-11-22 00:24:24.874950146+01:00",
            "2026-11-21T23:24:24.874950146Z",
            "2026-11-21 23:24:24.874950146",
        ] {
            assert_eq!(read(form).await, expected, "{form}");
        }
        let whole = datetime!(2026-11-21 23:24:24 UTC);
        for form in [
            "2026-11-21 23:24:24",
            "2026-11-21 23:24:24+00:00",
            "2026-11-21T23:24:24Z",
        ] {
            assert_eq!(read(form).await, whole, "{form}");
        }
    }

    #[tokio::test]
    async fn times_are_written_in_utc_with_nine_digits() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        let time = SqliteTime::from(datetime!(2026-11-22 00:24:24.5 +1));
        let text: String = sqlx::query_scalar("SELECT CAST(? AS TEXT)")
            .bind(time)
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert_eq!(text, "2026-11-21 23:24:24.500000000+00:00");
    }
}
