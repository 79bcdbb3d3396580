//! Rules, and the patterns in them.

use access::{Caller, GunPattern, Permission, Policy, Rules};

/// Reads `data` as a pattern with a name below it, and as rules.
///
/// # Panics
///
/// If a pattern for everything leaves something out, or if two ways to ask are answered
/// differently.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (pattern, gun) = text.split_once('\n').unwrap_or((text, "example.com/app"));
    if let Ok(pattern) = GunPattern::parse(pattern) {
        assert!(!pattern.is_everything() || pattern.matches(gun));
    }
    if let Ok(content) = serde_json::from_str(text)
        && let Ok(rules) = Rules::parse(&content, &["https://issuer.example.com"])
    {
        let policy = Policy::Rules(rules);
        let caller = Caller::anonymous();
        let may = policy.decide(&caller, Permission::Pull("example.com/app"));
        assert_eq!(may.is_granted, policy.anonymous_may_pull("example.com/app"));
    }
}
