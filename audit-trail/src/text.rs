//! Texts that clients had a hand in.

/// The most characters of one.
const LONGEST: usize = 255;

/// `text`, cut where it gets long.
pub(super) fn cut(text: &str) -> String {
    let mut cut: String = text.chars().take(LONGEST).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}
