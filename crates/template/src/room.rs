//! How much room a stack has for more guardrails, found out offline: by rendering templates with more of the same.

use anyhow::Result;
use guardrails_model::config::{Config, Guardrail};
use serde_json::Value as Json;

use super::limits::{LARGEST_TEMPLATE, MOST_RESOURCES};
use super::{Limits, render, spread};

/// Numbers of guardrails that are tried, the largest first.
const TRIED: [usize; 13] = [400, 300, 250, 200, 150, 100, 75, 50, 25, 10, 5, 2, 1];
/// The parameters of an action that name tags and principals of a guardrail's own.
const OF_ITS_OWN: [&str; 4] = ["tag", "group", "user", "role"];

/// The room of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    /// The guardrails of the file.
    pub guardrails: usize,
    /// At least so many more like these fit, each with a tag value and a group of its own.
    pub more: usize,
    /// The template's resources.
    pub resources: usize,
    /// The template's bytes.
    pub bytes: usize,
    /// The role whose policies are longest, with their characters, and about how many they may have together.
    pub fullest: (String, usize, usize),
}

/// How much room a stack of `config` has. Asks nobody.
///
/// # Errors
/// When it does not even fit itself.
pub fn room(config: &Config) -> Result<Allowance> {
    let (template, bytes) = rendered(config)?;
    let roles = spread::rooms(&template).into_iter().max_by_key(|role| role.used);
    let fits = |more: &usize| rendered(&with_more(config, *more)).is_ok();
    let resources = template["Resources"].as_object().map_or(0, serde_json::Map::len);
    let possible = |more: &usize| resources + more <= MOST_RESOURCES && !config.guardrails.is_empty();
    Ok(Allowance {
        guardrails: config.guardrails.len(),
        more: TRIED.into_iter().filter(possible).find(fits).unwrap_or_default(),
        resources,
        bytes,
        fullest: roles.map(|role| (role.role, role.used, role.most)).unwrap_or_default(),
    })
}

impl Allowance {
    /// For people, in a line.
    #[must_use]
    pub fn words(&self) -> String {
        let Self { guardrails, more, resources, bytes, fullest: (role, used, most) } = self;
        let left = match more {
            0 => "no more like these fit into this stack".to_owned(),
            more => format!("at least {more} more like these fit into this stack"),
        };
        format!(
            "room: {guardrails} guardrail(s), and {left}. It has {resources} of {MOST_RESOURCES} resources, and {bytes} of \
             {LARGEST_TEMPLATE} bytes. The policies of its fullest role, {role}, have {used} of about {most} characters"
        )
    }
}

fn rendered(config: &Config) -> Result<(Json, usize)> {
    let template = render(config, "guardrails/functions-0123456789abcdef0123.zip")?;
    let text = serde_json::to_string_pretty(&template)?;
    Limits::check(&template, &text)?;
    Ok((template, text.len()))
}

/// The same file with so many more guardrails, made after those that it has.
fn with_more(config: &Config, more: usize) -> Config {
    let mut larger = config.clone();
    for (number, guardrail) in config.guardrails.values().cycle().take(more).enumerate() {
        let copy = another(guardrail, &format!("-{number:03}"));
        larger.guardrails.insert(copy.name.clone(), copy);
    }
    larger
}

fn another(guardrail: &Guardrail, suffix: &str) -> Guardrail {
    let mut copy = guardrail.clone();
    let begins: String = guardrail.name.as_str().chars().take(90).collect();
    if let Ok(name) = format!("{begins}{suffix}").parse() {
        copy.name = name;
    }
    for spec in copy.stages.iter_mut().flat_map(|stage| stage.waves.iter_mut().flatten()) {
        for (key, value) in spec.params.as_object_mut().into_iter().flatten() {
            if OF_ITS_OWN.contains(&key.as_str()) {
                rename(value, suffix);
            }
        }
    }
    copy
}

/// Names and tag values, and not the tags' keys.
fn rename(value: &mut Json, suffix: &str) {
    match value {
        Json::String(text) => text.push_str(suffix),
        Json::Array(all) => all.iter_mut().for_each(|one| rename(one, suffix)),
        Json::Object(fields) => fields.values_mut().for_each(|one| rename(one, suffix)),
        _ => {}
    }
}
