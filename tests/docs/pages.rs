//! The pages keep their promises: their commands exist, their YAML is read, their links lead somewhere, and the README is short.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use guardrails_aws::actions::CATALOG;
use guardrails_prose::page::{Page, page, words};
use guardrails_prose::survey::survey;
use serde_json::Value as Json;

use super::commands::mistakes;
use super::documents::root;

/// The most words of README.md, code and tables counted.
const README_WORDS: usize = 1000;

/// Every page of the checkout, by its path from the root.
fn pages() -> BTreeMap<String, Page> {
    let survey = survey(root()).unwrap();
    let markdown = survey.texts.into_keys().filter(|path| Path::new(path).extension().is_some_and(|extension| extension == "md"));
    let pages: BTreeMap<String, Page> = markdown
        .map(|path| {
            let text = fs::read_to_string(root().join(&path)).unwrap();
            let read = page(&text);
            (path, read)
        })
        .collect();
    assert!(pages.len() > 30, "{:?}", pages.keys());
    pages
}

#[test]
fn readme_has_at_most_a_thousand_words() {
    let found = words(&fs::read_to_string(root().join("README.md")).unwrap());
    assert!((300..=README_WORDS).contains(&found), "README.md has {found} words");
}

#[test]
fn commands_and_options_of_every_page_exist() {
    let definition = guardrails_cli::cli::definition();
    let (mut found, mut wrong) = (0, Vec::new());
    for (path, page) in pages() {
        let spans = page.spans.iter().map(|(line, text)| (*line, text.as_str()));
        let blocks = page.blocks.iter().map(|block| (block.line, block.text.as_str()));
        for (line, text) in spans.chain(blocks) {
            let mistakes = mistakes(&definition, text);
            found += mistakes.commands;
            wrong.extend(mistakes.found.into_iter().map(|mistake| format!("{path}:{line}: {mistake}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(found > 80, "only {found} commands");
}

#[test]
fn yaml_of_every_page_is_read() {
    let (mut found, mut wrong) = (BTreeMap::new(), Vec::new());
    for (path, page) in pages() {
        for block in page.blocks.iter().filter(|block| block.info.starts_with('y')) {
            *found.entry(block.info.clone()).or_insert(0) += 1;
            if let Err(error) = read(&block.info, &block.text) {
                wrong.push(format!("{path}:{}: {error}", block.line));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(found.contains_key("yaml") && found.len() > 3, "{found:?}");
}

/// Reads a block of YAML. Alone it is a guardrails.yaml. A fragment names the place in the example that it belongs to, or is of
/// another program.
fn read(info: &str, text: &str) -> Result<(), String> {
    let whole = |text: &str| CATALOG.parse("guardrails.yaml", text).map(|_| ()).map_err(|error| error.to_string());
    match info {
        "yaml" => whole(text),
        "yaml fragment=other" => yaml(text).map(|_| ()),
        _ => {
            let place =
                info.strip_prefix("yaml fragment=").ok_or_else(|| format!("`{info}`: expected `yaml fragment=<place>`"))?;
            let mut file = yaml(&fs::read_to_string(root().join("examples/guardrails.yaml")).unwrap())?;
            put(&mut file, place, yaml(text)?)?;
            // JSON is YAML.
            whole(&file.to_string())
        }
    }
}

fn yaml(text: &str) -> Result<Json, String> {
    serde_saphyr::from_str(text).map_err(|error| error.to_string())
}

/// Puts a fragment in its place in the example.
fn put(file: &mut Json, place: &str, fragment: Json) -> Result<(), String> {
    let guardrail = "/guardrails/project-beta";
    let pointer = match place {
        "file" => String::new(),
        "guardrail" => guardrail.to_owned(),
        "budget" => format!("{guardrail}/budget"),
        "stage" | "do" => format!("{guardrail}/stages/1"),
        _ => return Err(format!("`{place}` is no place: expected file, guardrail, budget, stage, do or other")),
    };
    let target = file.pointer_mut(&pointer).expect("the example has it");
    if place == "do" {
        target["do"] = if fragment.is_array() { fragment } else { Json::Array(vec![fragment]) };
    } else {
        merge(target, fragment);
    }
    Ok(())
}

/// Keys of the fragment win.
fn merge(into: &mut Json, from: Json) {
    match (into, from) {
        (Json::Object(into), Json::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Json::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

#[test]
fn links_of_every_page_lead_somewhere() {
    let pages = pages();
    let (mut found, mut wrong) = (0, Vec::new());
    for (path, page) in &pages {
        for (line, link) in page.links.iter().filter(|(_, link)| !link.contains("://") && !link.starts_with("mailto:")) {
            found += 1;
            if let Err(error) = follow(&pages, path, link) {
                wrong.push(format!("{path}:{line}: {link}: {error}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(found > 100, "only {found} links");
}

fn follow(pages: &BTreeMap<String, Page>, from: &str, link: &str) -> Result<(), String> {
    let (file, anchor) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
    let target = if file.is_empty() { from.to_owned() } else { plain(&Path::new(from).parent().unwrap().join(file))? };
    if !root().join(&target).exists() {
        return Err("there is no such file".to_owned());
    }
    let Some(anchor) = anchor else { return Ok(()) };
    let page = pages.get(&target).ok_or("it is no page, so it has no anchors")?;
    let there = page.anchors.iter().any(|one| one == anchor);
    if there { Ok(()) } else { Err(format!("{target} has no such anchor, but: {}", page.anchors.join(" "))) }
}

/// Without `..`. A link that leaves the checkout leads nowhere.
fn plain(path: &Path) -> Result<String, String> {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                if !plain.pop() {
                    return Err("it leaves the checkout".to_owned());
                }
            }
            std::path::Component::CurDir => {}
            other => plain.push(other),
        }
    }
    Ok(plain.display().to_string())
}

#[test]
fn pages_of_docs_are_listed_in_their_index() {
    let pages = pages();
    let listed: BTreeSet<String> =
        pages["docs/README.md"].links.iter().map(|(_, link)| plain(&Path::new("docs").join(link)).unwrap()).collect();
    for path in pages.keys().filter(|path| path.starts_with("docs/") && *path != "docs/README.md") {
        assert!(listed.contains(path), "docs/README.md does not list {path}");
    }
}

/// README.md shows lines of the demo. Each claim among them is one that the demo checks.
#[test]
fn demo_in_the_readme_claims_only_checked_claims() {
    let checked = claims_of_the_demo();
    let readme = page(&fs::read_to_string(root().join("README.md")).unwrap());
    let lines: Vec<&str> = readme.blocks.iter().flat_map(|block| block.text.lines()).collect();
    let claims: Vec<&str> = lines.iter().filter_map(|line| line.trim().strip_prefix("ok ")).map(str::trim).collect();
    assert!(claims.len() > 3, "{claims:?}");
    for claim in claims {
        assert!(checked.iter().any(|one| one == claim), "the demo does not check: {claim}");
    }
    let count = format!("all {} checks hold", checked.len());
    assert!(lines.iter().any(|line| line.starts_with(&count)), "README.md does not say: {count}");
    let wide: Vec<&&str> = lines.iter().filter(|line| line.chars().count() > 80).collect();
    assert!(wide.is_empty(), "lines of more than 80 columns: {wide:#?}");
}

#[test]
fn claims_of_the_demo_fit_a_terminal_of_80_columns() {
    let wide: Vec<String> = claims_of_the_demo().into_iter().filter(|claim| "  ok    ".len() + claim.len() > 80).collect();
    assert!(wide.is_empty(), "{wide:#?}");
}

fn claims_of_the_demo() -> Vec<String> {
    let checks = fs::read_to_string(root().join("xtask/src/demo/checks.rs")).unwrap();
    let quoted = checks.split("check(").filter_map(|call| call.trim_start().strip_prefix('"')?.split_once('"'));
    quoted.map(|(claim, _)| claim.to_owned()).collect()
}
