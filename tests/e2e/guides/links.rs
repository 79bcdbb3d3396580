//! Links between the pages.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};

use super::docs;

#[test]
fn links_between_pages_lead_somewhere() -> Result<()> {
    let mut broken = Vec::new();
    for page in pages()? {
        let text = prose(&fs::read_to_string(&page)?);
        for target in targets(&text).filter(|target| !leads_somewhere(&page, target)) {
            broken.push(format!("{}: {target}", page.display()));
        }
    }
    ensure!(broken.is_empty(), "{broken:#?}");
    Ok(())
}

fn pages() -> Result<Vec<PathBuf>> {
    let mut pages = vec![docs().join("../README.md")];
    for entry in fs::read_dir(docs())? {
        let page = entry?.path();
        if page.extension().is_some_and(|extension| extension == "md") {
            pages.push(page);
        }
    }
    Ok(pages)
}

/// A page without what stands between fences.
fn prose(page: &str) -> String {
    let mut is_code = false;
    let lines = page.lines().filter(|line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    });
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// What the links of a page lead to, but for other sites.
fn targets(prose: &str) -> impl Iterator<Item = &str> {
    let links = prose.split("](").skip(1);
    let targets = links.filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
    targets.filter(|target| !target.contains("://"))
}

fn leads_somewhere(from: &Path, target: &str) -> bool {
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let page = if file.is_empty() {
        from.to_owned()
    } else {
        from.with_file_name("").join(file)
    };
    page.exists() && (anchor.is_empty() || anchors(&page).is_ok_and(|all| all.contains(anchor)))
}

/// The names of the headings of a page, as forges make them.
fn anchors(page: &Path) -> Result<BTreeSet<String>> {
    let text = fs::read_to_string(page).with_context(|| page.display().to_string())?;
    let text = prose(&text);
    let headings = text.lines().filter(|line| line.starts_with('#'));
    Ok(headings.map(anchor).collect())
}

fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = words
        .chars()
        .filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
    kept.map(|letter| if letter == ' ' { '-' } else { letter })
        .collect()
}

#[test]
fn an_anchor_is_a_heading_in_small_letters_with_dashes() {
    assert_eq!(
        anchor("## One administrator: `NOTARY_AUTH`"),
        "one-administrator-notary_auth"
    );
    assert_eq!(anchor("# What next?"), "what-next");
}

#[test]
fn a_link_to_nowhere_is_found() {
    let page = docs().join("README.md");
    assert!(leads_somewhere(&page, "keys.md"));
    assert!(!leads_somewhere(&page, "nowhere.md"));
    assert!(leads_somewhere(&page, "keys.md#check-that-they-open"));
    assert!(!leads_somewhere(&page, "keys.md#nothing-like-it"));
}
