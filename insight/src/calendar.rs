//! Calendars of what expires, for programs that read iCalendar (RFC 5545).

use ring::digest::{SHA256, digest};
use time::{OffsetDateTime, UtcOffset};

/// How many days before the date a reader is reminded.
const REMINDERS: [u32; 3] = [30, 7, 1];

/// The longest line, in bytes (RFC 5545, 3.1).
const LINE: usize = 75;

/// A date by which a file of a repository has to be followed by another one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline<'d> {
    /// The repository.
    pub gun: &'d str,
    /// The role of the file.
    pub role: &'d str,
    /// The file's version.
    pub version: i64,
    /// When it expires.
    pub expires: OffsetDateTime,
    /// When it was stored: readers see by that whether they know the entry already.
    pub changed: OffsetDateTime,
    /// Who has to do what.
    pub advice: &'d str,
}

/// A calendar with an entry for each deadline.
///
/// The same deadlines make the same bytes. An entry is known by repository and role, so the file
/// that follows moves the entry, and does not add another one. Any text can stand in names: what
/// would end a line or a value is escaped.
#[must_use]
pub(crate) fn render<'d>(deadlines: impl IntoIterator<Item = Deadline<'d>>) -> String {
    let mut calendar = Calendar(String::new());
    calendar.line("BEGIN", "VCALENDAR");
    calendar.line("VERSION", "2.0");
    calendar.line("PRODID", "-//Countersign//Expiry of trust data//EN");
    calendar.line("CALSCALE", "GREGORIAN");
    calendar.line("X-WR-CALNAME", "Expiry of trust data");
    for deadline in deadlines {
        calendar.event(&deadline);
    }
    calendar.line("END", "VCALENDAR");
    calendar.0
}

/// The text so far.
struct Calendar(String);

impl Calendar {
    fn event(&mut self, deadline: &Deadline<'_>) {
        let Deadline {
            gun,
            role,
            version,
            expires,
            changed,
            advice,
        } = *deadline;
        let summary = escape(&format!("{role} of {gun} expires"));
        let description = format!("Version {version} of {role} of {gun} expires.\n{advice}");
        self.line("BEGIN", "VEVENT");
        self.line("UID", &uid(gun, role));
        self.line("DTSTAMP", &format_time(changed));
        self.line("SEQUENCE", &version.clamp(0, i32::MAX.into()).to_string());
        self.line("DTSTART", &format_time(expires));
        self.line("SUMMARY", &summary);
        self.line("DESCRIPTION", &escape(&description));
        self.line("TRANSP", "TRANSPARENT");
        for days in REMINDERS {
            self.line("BEGIN", "VALARM");
            self.line("ACTION", "DISPLAY");
            self.line("DESCRIPTION", &summary);
            self.line("TRIGGER", &format!("-P{days}D"));
            self.line("END", "VALARM");
        }
        self.line("END", "VEVENT");
    }

    /// Adds a line, folded where it gets too long, and never within a character.
    fn line(&mut self, name: &str, value: &str) {
        let mut length = 0;
        for character in name.chars().chain([':']).chain(value.chars()) {
            if length + character.len_utf8() > LINE {
                self.0.push_str("\r\n ");
                length = 1;
            }
            self.0.push(character);
            length += character.len_utf8();
        }
        self.0.push_str("\r\n");
    }
}

/// What names an entry, in this calendar and in all others, as long as the repository has the role.
fn uid(gun: &str, role: &str) -> String {
    // The length keeps two pairs apart that read the same one behind the other.
    let name = digest(&SHA256, format!("{} {gun} {role}", gun.len()).as_bytes());
    format!("{}@countersign", hex::encode(name))
}

/// A time in UTC. There is none before 1970: what expired then, or never was good, is long past.
fn format_time(at: OffsetDateTime) -> String {
    let at = at.to_offset(UtcOffset::UTC).max(OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
    let (hour, minute, second) = at.to_hms();
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// A value of text (RFC 5545, 3.3.11), in which control characters are not allowed.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' | ';' | ',' => {
                escaped.push('\\');
                escaped.push(character);
            }
            '\n' => escaped.push_str("\\n"),
            '\t' => escaped.push('\t'),
            control if control.is_control() => escaped.push(char::REPLACEMENT_CHARACTER),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    fn deadline(gun: &str) -> Deadline<'_> {
        Deadline {
            gun,
            role: "targets/releases",
            version: 7,
            expires: datetime!(2029-11-30 12:00:05 +2),
            changed: datetime!(2026-12-01 00:00 UTC),
            advice: "publish it again; type `notary witness NAME targets/releases -p`",
        }
    }

    /// The lines as a reader puts them together again.
    fn unfold(calendar: &str) -> Vec<String> {
        let whole = calendar.replace("\r\n ", "");
        let lines = whole.strip_suffix("\r\n").expect("the last line ends");
        lines.split("\r\n").map(str::to_owned).collect()
    }

    #[test]
    fn a_deadline_is_an_entry_with_reminders() {
        let calendar = render([deadline("example.com/app")]);
        let alarm = |days| {
            [
                "BEGIN:VALARM".to_owned(),
                "ACTION:DISPLAY".to_owned(),
                "DESCRIPTION:targets/releases of example.com/app expires".to_owned(),
                format!("TRIGGER:-P{days}D"),
                "END:VALARM".to_owned(),
            ]
        };
        let mut expected = [
            "BEGIN:VCALENDAR",
            "VERSION:2.0",
            "PRODID:-//Countersign//Expiry of trust data//EN",
            "CALSCALE:GREGORIAN",
            "X-WR-CALNAME:Expiry of trust data",
            "BEGIN:VEVENT",
            "UID:d2df5f7c8bb13c316c16b080e3e5f1edf5c47c4fd12b9211d7f7b967964681f8@countersign",
            "DTSTAMP:20261201T000000Z",
            "SEQUENCE:7",
            "DTSTART:20291130T100005Z",
            "SUMMARY:targets/releases of example.com/app expires",
            "DESCRIPTION:Version 7 of targets/releases of example.com/app expires.\\npubl\
             ish it again\\; type `notary witness NAME targets/releases -p`",
            "TRANSP:TRANSPARENT",
        ]
        .map(str::to_owned)
        .to_vec();
        expected.extend([30, 7, 1].into_iter().flat_map(alarm));
        expected.extend(["END:VEVENT", "END:VCALENDAR"].map(str::to_owned));
        assert_eq!(unfold(&calendar), expected);
    }

    /// The file was written by another program, and read by the Python package `icalendar`.
    #[test]
    fn names_of_any_text_stay_within_their_values() {
        let strange = "a\\b;c,d\nEND:VCALENDAR\r\nä€😀".repeat(4);
        let calendar = render([deadline("example.com/app"), deadline(&strange)]);
        assert_eq!(
            calendar.replace("\r\n", "\n"),
            include_str!("calendar/names.ics")
        );
    }

    #[test]
    fn a_calendar_without_entries_is_one() {
        assert_eq!(unfold(&render([])).len(), 6);
    }

    #[test]
    fn an_entry_keeps_its_name_when_the_file_is_followed_by_another() {
        let name = |deadline| unfold(&render([deadline])).remove(6);
        let first = deadline("example.com/app");
        let next = Deadline {
            version: 8,
            expires: datetime!(2032-11-30 00:00 UTC),
            changed: datetime!(2029-11-01 00:00 UTC),
            ..first
        };
        assert_eq!(name(first), name(next));
        assert_ne!(name(first), name(deadline("example.com/other")));
        let role = Deadline {
            role: "targets",
            ..first
        };
        assert_ne!(name(first), name(role));
    }

    #[test]
    fn dates_before_1970_are_those_of_files_without_one() {
        assert_eq!(
            format_time(datetime!(0001-01-01 00:00 UTC)),
            "19700101T000000Z"
        );
    }

    proptest! {
        #[test]
        fn no_name_breaks_a_line_or_makes_one_of_its_own(gun in "(?s).{0,200}") {
            let calendar = render([deadline(&gun)]);
            for line in calendar.split("\r\n") {
                prop_assert!(line.len() <= LINE, "{}", line);
                prop_assert!(!line.contains(|byte: char| byte != '\t' && byte.is_control()));
            }
            let lines = unfold(&calendar);
            prop_assert_eq!(lines.len(), 30);
            let summary = lines[10].strip_prefix("SUMMARY:").expect("its place");
            let rest = summary.replace("\\\\", "").replace("\\n", "");
            let rest = rest.replace("\\;", "").replace("\\,", "");
            prop_assert!(!rest.contains([';', ',', '\\']), "{}", summary);
        }
    }
}
