//! Sections of the configuration file: a struct each, in which a field is a setting and its doc
//! comment the manual.

use std::{
    collections::BTreeMap,
    fmt::{self, Display},
    marker::PhantomData,
    num::{NonZeroU32, NonZeroUsize},
    ops::Deref,
    path::PathBuf,
};

use serde_json::Value;

use super::{Key, Kind, Settings, SettingsError, key::Default};

/// A section that a program knows; [`section!`](crate::section) makes it from a struct.
#[derive(Debug)]
pub struct Section {
    /// Where it is in the file: `server`; empty for settings outside of any section.
    pub path: &'static str,
    /// What it is about, in Markdown.
    pub about: &'static str,
    /// Its settings.
    pub keys: &'static [Key],
}

/// Declares a section of the configuration file as a struct.
///
/// A field is a setting. Its type says what the setting holds (`String`, `PathBuf`, `bool`, a whole
/// number, `Vec<String>`, or `BTreeMap<String, Value>` for a section read as a whole), its doc
/// comment is the entry in `docs/configuration.md`. `#[setting(...)]` calls the methods of [`Key`]:
///
/// ```
/// daemon::section! {
///     /// How long proxies may keep what they read.
///     pub struct MaxAge at "caching.max_age" {
///         /// For the current version of a role. 0 turns caching off.
///         #[setting(default(300), between(0, 31_536_000), unit("seconds"))]
///         current_metadata: u32,
///         /// What proxies are called in the log.
///         proxy_name as "name": String,
///     }
/// }
/// ```
///
/// `MaxAge::SECTION` belongs in the list that the program hands to [`Settings::load`], and
/// `MaxAge::of(&settings)` gives access to the values. A number needs `between`, and `default`
/// unless its type is an `Option`.
#[macro_export]
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        $visible:vis struct $name:ident at $path:tt {
            $(
                $(#[doc = $doc:literal])+
                $(#[setting($($option:ident $(($($value:tt)*))?),+ $(,)?)])?
                $field:ident $(as $other:tt)?: $held:ty
            ),+ $(,)?
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Debug)]
        $visible struct $name<'s> {
            $($(#[doc = $doc])+ $visible $field: $crate::settings::Setting<'s, $held>,)+
        }

        impl<'s> $name<'s> {
            /// What the program knows of this section.
            $visible const SECTION: $crate::settings::Section = $crate::settings::Section {
                path: $path,
                about: concat!($($about, "\n"),+),
                keys: &[$(
                    $crate::settings::Key::new(
                        $crate::section!(@path $path $field $($other)?),
                        <$held as $crate::settings::Held>::KIND,
                        concat!($($doc, "\n"),+),
                    )
                    $($(.$option($($($value)*)?))+)?
                    .check::<$held>()
                ),+],
            };

            /// The section in `settings`, which must have been loaded with [`Self::SECTION`].
            $visible fn of(settings: &'s $crate::settings::Settings) -> Self {
                Self {
                    $($field: settings.setting($crate::section!(@path $path $field $($other)?)),)+
                }
            }
        }
    };
    (@path "" $field:ident) => { stringify!($field) };
    (@path $path:tt $field:ident) => { concat!($path, ".", stringify!($field)) };
    (@path $path:tt $field:ident $other:tt) => { concat!($path, ".", $other) };
}

/// What a setting may hold.
pub trait Held {
    /// How it is written in the file.
    const KIND: Kind;
    /// The least and the greatest number that the type can hold, if it is a number.
    const NUMBERS: Option<(i64, i64)> = None;
    /// Whether there must be a default.
    const NEEDS_DEFAULT: bool = false;
}

impl Held for String {
    const KIND: Kind = Kind::Text;
}

impl Held for PathBuf {
    const KIND: Kind = Kind::Path;
}

impl Held for bool {
    const KIND: Kind = Kind::Boolean;
}

impl Held for Vec<String> {
    const KIND: Kind = Kind::List;
}

impl Held for BTreeMap<String, Value> {
    const KIND: Kind = Kind::Map;
}

/// A whole number.
pub trait Whole: Held + Sized {
    /// `number`, if the type can hold it.
    fn from_number(number: i64) -> Option<Self>;
}

macro_rules! whole {
    ($($number:ty: $least:expr, $most:expr, $convert:expr;)+) => {$(
        impl Held for $number {
            const KIND: Kind = Kind::Integer;
            const NUMBERS: Option<(i64, i64)> = Some(($least, $most));
            const NEEDS_DEFAULT: bool = true;
        }

        impl Whole for $number {
            fn from_number(number: i64) -> Option<Self> {
                $convert(number)
            }
        }
    )+};
}

whole! {
    u32: 0, u32::MAX as i64, |number| u32::try_from(number).ok();
    u64: 0, i64::MAX, |number| u64::try_from(number).ok();
    usize: 0, i64::MAX, |number| usize::try_from(number).ok();
    NonZeroU32: 1, u32::MAX as i64, |number| u32::try_from(number).ok().and_then(NonZeroU32::new);
    NonZeroUsize: 1, i64::MAX, |number| usize::try_from(number).ok().and_then(NonZeroUsize::new);
}

impl<T: Whole> Held for Option<T> {
    const KIND: Kind = Kind::Integer;
    const NUMBERS: Option<(i64, i64)> = T::NUMBERS;
}

/// One setting of a loaded configuration: its value, and the errors that name who set it.
pub struct Setting<'s, T> {
    entry: Entry<'s>,
    held: PhantomData<fn() -> T>,
}

/// A [`Setting`] whatever it holds.
#[derive(Clone, Copy)]
pub struct Entry<'s> {
    settings: &'s Settings,
    key: &'static Key,
}

impl Settings {
    /// The setting at `path`, for [`section!`](crate::section).
    ///
    /// # Panics
    ///
    /// If the section was not in the list that the settings were loaded with.
    #[doc(hidden)]
    #[must_use]
    pub fn setting<T: Held>(&self, path: &'static str) -> Setting<'_, T> {
        let key = self.key(path);
        let entry = Entry {
            settings: self,
            key: key.unwrap_or_else(|| panic!("the section of {path} was not loaded")),
        };
        Setting {
            entry,
            held: PhantomData,
        }
    }
}

impl<'s, T> Deref for Setting<'s, T> {
    type Target = Entry<'s>;

    fn deref(&self) -> &Entry<'s> {
        &self.entry
    }
}

impl Entry<'_> {
    /// Its place in the file: `server.http_addr`.
    #[must_use]
    pub fn key(&self) -> &'static str {
        self.key.path
    }

    /// Whether it is set; an empty section or list counts as unset.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.settings
            .value(self.key)
            .is_some_and(|value| match value {
                Value::Object(members) => !members.is_empty(),
                Value::Array(items) => !items.is_empty(),
                _ => true,
            })
    }

    /// The error for a value that this setting must not have; `accepted` says what it may be.
    #[must_use]
    pub fn invalid(&self, accepted: impl Display) -> SettingsError {
        self.settings.invalid(self.key.path, accepted)
    }

    /// The error for a value that does not go with something else, or is wrong in a part of it;
    /// `reason` is a whole sentence and must not quote secrets.
    #[must_use]
    pub fn refuse(&self, reason: impl Display) -> SettingsError {
        self.settings.refuse(self.key.path, reason)
    }

    /// The error for a setting that must be set and is not; it names the variable that would set
    /// it.
    #[must_use]
    pub fn missing(&self) -> SettingsError {
        self.settings.missing(self.key)
    }

    fn number(&self) -> Result<Option<i64>, SettingsError> {
        let Some(value) = self.settings.value(self.key) else {
            return Ok(None);
        };
        let number = match value {
            Value::String(text) => text.trim().parse().ok(),
            other => other.as_i64(),
        };
        let (least, most) = self.key.range.unwrap_or((i64::MIN, i64::MAX));
        match number {
            Some(number) if (least..=most).contains(&number) => Ok(Some(number)),
            _ => Err(self.invalid(format_args!("a whole number between {least} and {most}"))),
        }
    }
}

impl<'s> Setting<'s, String> {
    /// The text, or the default; `None` if it is unset or empty and has none.
    #[must_use]
    pub fn text(&self) -> Option<&'s str> {
        let default = match self.key.default {
            Some(Default::Text(text)) => Some(text),
            _ => None,
        };
        self.settings
            .value(self.key)
            .and_then(Value::as_str)
            .or(default)
    }

    /// The text, which the program cannot do without.
    ///
    /// # Errors
    ///
    /// [`SettingsError::Missing`] if it is unset and has no default.
    pub fn require(&self) -> Result<&'s str, SettingsError> {
        self.text().ok_or_else(|| self.missing())
    }
}

impl Setting<'_, PathBuf> {
    /// The path; a relative one starts at the folder of the configuration file.
    #[must_use]
    pub fn path(&self) -> Option<PathBuf> {
        let text = self.settings.value(self.key).and_then(Value::as_str);
        text.map(|text| self.settings.folder().join(text))
    }
}

impl<T: Whole> Setting<'_, T> {
    /// The number, or the default.
    ///
    /// # Errors
    ///
    /// If the value is no whole number, or outside of the range.
    pub fn get(&self) -> Result<T, SettingsError> {
        let Some(Default::Number(default)) = self.key.default else {
            unreachable!("checked when the section was declared")
        };
        Ok(whole(self.number()?.unwrap_or(default)))
    }
}

impl<T: Whole> Setting<'_, Option<T>> {
    /// The number, if it is set.
    ///
    /// # Errors
    ///
    /// If the value is no whole number, or outside of the range.
    pub fn get(&self) -> Result<Option<T>, SettingsError> {
        Ok(self.number()?.map(whole))
    }
}

fn whole<T: Whole>(number: i64) -> T {
    T::from_number(number).expect("the type holds the whole range: checked with the declaration")
}

impl Setting<'_, bool> {
    /// The switch, or the default.
    ///
    /// # Errors
    ///
    /// If the value is neither true nor false in any of the spellings that Go accepts.
    pub fn get(&self) -> Result<bool, SettingsError> {
        let Some(value) = self.settings.value(self.key) else {
            return Ok(matches!(self.key.default, Some(Default::Switch(true))));
        };
        let boolean = match value {
            Value::Bool(boolean) => Some(*boolean),
            Value::String(text) => super::go_bool(text),
            other => match other.as_i64() {
                Some(0) => Some(false),
                Some(1) => Some(true),
                _ => None,
            },
        };
        boolean.ok_or_else(|| self.invalid("true or false"))
    }
}

impl Setting<'_, Vec<String>> {
    /// The texts; none if it is unset.
    ///
    /// # Errors
    ///
    /// If the value is neither a list of texts nor one text.
    pub fn get(&self) -> Result<Vec<String>, SettingsError> {
        let texts = match self.settings.value(self.key) {
            None => Some(Vec::new()),
            Some(Value::Array(items)) => items.iter().map(super::file::scalar).collect(),
            Some(value) => super::file::scalar(value)
                .map(|text| text.split_whitespace().map(str::to_owned).collect()),
        };
        texts.ok_or_else(|| self.invalid("a list of texts"))
    }
}

impl Setting<'_, BTreeMap<String, Value>> {
    /// The section, its names in lower case unless the setting keeps it; empty if it is unset.
    #[must_use]
    pub fn get(&self) -> BTreeMap<String, Value> {
        let section = self.settings.value(self.key).and_then(Value::as_object);
        let members = section.into_iter().flatten();
        members
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }
}

/// Without the value, which may be a secret.
impl<T> fmt::Debug for Setting<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Setting").field(&self.key.path).finish()
    }
}
