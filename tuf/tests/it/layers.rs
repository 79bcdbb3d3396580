//! The order of the crate's files: each imports only what is below it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The layers from the ground up. A module imports from lower layers and from its own folder.
const LAYERS: [&[&str]; 10] = [
    &["encoding", "words"],
    &["gun", "role", "key"],
    &["fault"],
    &["metadata"],
    &["wire"],
    &["files"],
    &["rules"],
    &["update", "renewal", "client"],
    &["overview", "history"],
    &["second_format"],
];

/// Modules by their path, each with the modules that it imports from.
type Imports = BTreeMap<Vec<String>, BTreeSet<Vec<String>>>;

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every file below `folder`, by the path of its module.
fn modules(folder: &Path, above: &[String], found: &mut BTreeMap<Vec<String>, String>) {
    for entry in fs::read_dir(folder).expect("the crate has sources") {
        let path = entry.expect("an entry").path();
        let stem = path.file_stem().expect("a name").to_str().expect("UTF-8");
        let module = [above, &[stem.to_owned()]].concat();
        if path.is_dir() {
            modules(&path, &module, found);
        } else if stem != "lib" {
            let text = fs::read_to_string(&path).expect("source code");
            found.insert(module, text);
        }
    }
}

/// The paths that a tree of imports names, one after the other.
fn expand(tree: &str, before: &str, paths: &mut Vec<String>) {
    let Some((head, rest)) = tree.split_once('{') else {
        paths.push(format!("{before}{tree}"));
        return;
    };
    let inner = rest.strip_suffix('}').expect("a tree ends with its brace");
    let (mut depth, mut start) = (0, 0);
    for (at, character) in inner.char_indices().chain([(inner.len(), ',')]) {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if at > start {
                    expand(&inner[start..at], &format!("{before}{head}"), paths);
                }
                start = at + 1;
            }
            _ => {}
        }
    }
}

/// What a file imports, and what it names by a whole path.
fn paths(text: &str) -> Vec<String> {
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    let code: Vec<&str> = text.lines().filter(is_code).collect();
    let code = code.join("\n");
    let mut paths = Vec::new();
    for statement in code.split("use ").skip(1) {
        let (tree, _) = statement.split_once(';').unwrap_or_default();
        let mut words = tree.split_whitespace();
        let mut tree = String::new();
        while let Some(word) = words.next() {
            match word {
                // The other name says nothing, but what closes the tree may follow it.
                "as" => tree.extend(words.next().unwrap_or_default().matches([',', '}'])),
                word => tree.push_str(word),
            }
        }
        expand(&tree, "", &mut paths);
    }
    for prefix in ["crate::", "super::"] {
        for path in code.split(prefix).skip(1) {
            let end = path.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
            let path = &path[..end.unwrap_or(path.len())];
            // A tree of imports was taken apart above.
            if !path.is_empty() {
                paths.push(format!("{prefix}{path}"));
            }
        }
    }
    paths
}

/// The module that `path` leads to from `own`; `None` if it leads out of the crate.
fn resolve(
    path: &str,
    own: &[String],
    modules: &BTreeMap<Vec<String>, String>,
) -> Option<Vec<String>> {
    let mut at = own.to_vec();
    let mut steps = path.split("::").peekable();
    match steps.peek().copied()? {
        "crate" => at.clear(),
        "super" => {
            at.pop();
        }
        child if modules.contains_key(&[own, &[child.to_owned()]].concat()) => {
            at.push(child.into());
        }
        _ => return None,
    }
    steps.next();
    for step in steps {
        let next = [&at[..], &[step.to_owned()]].concat();
        match step {
            "super" => drop(at.pop()),
            _ if modules.contains_key(&next) => at = next,
            _ => break,
        }
    }
    Some(at)
}

fn imports() -> Imports {
    let mut found = BTreeMap::new();
    modules(&source(), &[], &mut found);
    let imports = found.iter().map(|(own, text)| {
        // Tests of a file may use whatever helps them.
        let (code, _) = text.split_once("\nmod tests {").unwrap_or((text, ""));
        let paths = paths(code);
        let named = paths.iter().filter_map(|path| resolve(path, own, &found));
        (own.clone(), named.filter(|named| named != own).collect())
    });
    imports.collect()
}

fn layer(module: &str) -> usize {
    let layer = LAYERS.iter().position(|modules| modules.contains(&module));
    layer.unwrap_or_else(|| panic!("{module} has no layer"))
}

#[test]
fn modules_import_from_the_layers_below_them() {
    let imports = imports();
    assert!(imports.len() > 60, "the sources were found");
    for (own, named) in &imports {
        for named in named {
            let arrow = format!("{} -> {}", own.join("::"), named.join("::"));
            let folder = named.first().unwrap_or_else(|| {
                panic!("{arrow}crate: name the module, not the crate that shows it to others")
            });
            let is_below = layer(folder) < layer(&own[0]);
            assert!(is_below || *folder == own[0], "{arrow}");
        }
    }
}

#[test]
fn no_files_import_from_each_other_in_a_circle() {
    let mut left = imports();
    // What imports nothing that is left is not part of a circle.
    loop {
        let known: BTreeSet<_> = left.keys().cloned().collect();
        let before = left.len();
        left.retain(|_, named| named.iter().any(|named| known.contains(named)));
        if left.len() == before {
            break;
        }
    }
    let names: Vec<String> = left.keys().map(|module| module.join("::")).collect();
    assert!(names.is_empty(), "in circles, or above one: {names:?}");
}
