//! What proves who a caller is: the header `Authorization`, `NOTARY_AUTH`, a file of passwords.

use access::{Authorization, PasswordFile, administrator};

/// Reads `data` as each of them.
///
/// # Panics
///
/// If a user has no name, or one that no header can hold.
pub fn run(data: &[u8]) {
    if let Authorization::Basic(credentials) = Authorization::parse(Some(data)) {
        assert!(!credentials.user.is_empty() && !credentials.user.contains(':'));
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(credentials) = administrator(text) {
        assert!(!credentials.user.is_empty());
    }
    if let Ok(file) = PasswordFile::parse(text) {
        assert!(file.users().count() > 0);
        assert!(file.users().all(|user| file.has_user(user)));
    }
}
