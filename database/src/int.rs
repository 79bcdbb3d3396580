//! Whole numbers of columns that are of one width in one database and of another in the next.

use sqlx::{
    Decode, MySql, Postgres, Sqlite, Type, TypeInfo as _, ValueRef as _,
    error::BoxDynError,
    mysql::{MySqlTypeInfo, MySqlValueRef},
    postgres::{PgTypeInfo, PgValueRef},
    sqlite::{SqliteTypeInfo, SqliteValueRef},
};

/// What a column of ids or versions holds: `int`, `int unsigned` (as gorm makes them on `MySQL`),
/// `serial`, `bigint` or `INTEGER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Int(pub i64);

impl From<Int> for i64 {
    fn from(int: Int) -> Self {
        int.0
    }
}

impl Type<Sqlite> for Int {
    fn type_info() -> SqliteTypeInfo {
        <i64 as Type<Sqlite>>::type_info()
    }

    fn compatible(info: &SqliteTypeInfo) -> bool {
        <i64 as Type<Sqlite>>::compatible(info)
    }
}

impl<'r> Decode<'r, Sqlite> for Int {
    fn decode(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Self(<i64 as Decode<Sqlite>>::decode(value)?))
    }
}

impl Type<Postgres> for Int {
    fn type_info() -> PgTypeInfo {
        <i64 as Type<Postgres>>::type_info()
    }

    fn compatible(info: &PgTypeInfo) -> bool {
        <i64 as Type<Postgres>>::compatible(info)
            || <i32 as Type<Postgres>>::compatible(info)
            || <i16 as Type<Postgres>>::compatible(info)
    }
}

impl<'r> Decode<'r, Postgres> for Int {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Self(<i64 as Decode<Postgres>>::decode(value)?))
    }
}

impl Type<MySql> for Int {
    fn type_info() -> MySqlTypeInfo {
        <i64 as Type<MySql>>::type_info()
    }

    fn compatible(info: &MySqlTypeInfo) -> bool {
        <i64 as Type<MySql>>::compatible(info) || <u64 as Type<MySql>>::compatible(info)
    }
}

impl<'r> Decode<'r, MySql> for Int {
    /// `int unsigned` has to be read as such: its upper half would come out negative.
    fn decode(value: MySqlValueRef<'r>) -> Result<Self, BoxDynError> {
        if value.type_info().name().ends_with("UNSIGNED") {
            let number = <u64 as Decode<MySql>>::decode(value)?;
            return Ok(Self(i64::try_from(number)?));
        }
        Ok(Self(<i64 as Decode<MySql>>::decode(value)?))
    }
}
