//! The schema of each command's `--output json`. docs/output.schema.json holds all of them; `cargo xtask generate` writes it. Their
//! readers are programs: a version only gets new commands and new fields.

use std::collections::BTreeMap;

use guardrails_model::config::Config;
use guardrails_model::contract::kit::Point;
use guardrails_model::decide::Explained;
use guardrails_model::record::Round;
use guardrails_model::report::Report;
use guardrails_model::report::history::Entry;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value as Json, json};

use crate::commands::deploy::NotDeployed;
use crate::commands::doctor::Examined;
use crate::commands::init::FirstFile;
use crate::commands::man::Pages;
use crate::commands::package::Packaged;
use crate::commands::plan;
use crate::commands::prices::Written;
use crate::commands::rearm::Rearmed;
use crate::commands::remove::Removed;
use crate::commands::status;

/// The version of the outputs. A field that changes its meaning, or goes, takes a new one.
pub const VERSION: u32 = 1;

/// One schema, with a definition for each command: `$defs/status` is that of `guardrails status --output json`.
#[must_use]
pub fn output() -> Schema {
    let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let commands: Map<String, Json> =
        commands(&mut generator).into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
    let mut definitions = generator.take_definitions(true);
    definitions.extend(commands);
    json_schema!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("urn:budget-guardrails:output:{VERSION}"),
        "title": format!("The output of the guardrails command for programs, version {VERSION}"),
        "description": "A definition for each command: $defs/status is that of `guardrails status --output json`.",
        "$defs": definitions,
    })
}

/// The output of each command, by its name.
fn commands(generator: &mut SchemaGenerator) -> Vec<(&'static str, Json)> {
    let mut of = Of(generator);
    vec![
        ("abandon", of.shape::<Report>("The run after it.")),
        ("approve", of.shape::<Report>("The run after it.")),
        ("check", of.shape::<Config>("The guardrails, as they were read.")),
        ("contract", of.shape::<Vec<Point>>("The points of the contract.")),
        (
            "deploy",
            of.either::<NotDeployed, BTreeMap<String, String>>("The stack's outputs; where it was declined, the changes."),
        ),
        ("doctor", of.shape::<Examined<'_>>("The findings.")),
        ("explain", of.shape::<Explained>("One line for each message, whichever output is asked for.")),
        ("history", of.shape::<Vec<Entry>>("The events, in the order of their time.")),
        ("init", of.shape::<FirstFile<'_>>("The file that was written.")),
        ("man", of.shape::<Pages>("The pages.")),
        ("package", of.shape::<Packaged<'_>>("The files.")),
        (
            "plan",
            of.either::<plan::Shown<'_>, plan::SurveyShown<'_>>(
                "The plan of a stage. Without a guardrail, or before the first deployment: of several.",
            ),
        ),
        ("prices-fetch", of.shape::<Written<'_>>("The price list.")),
        ("rearm", of.shape::<Rearmed>("The stages and runs.")),
        ("reconcile", of.shape::<Round>("The round.")),
        ("reject", of.shape::<Report>("The run after it.")),
        ("remove", of.shape::<Removed<'_>>("The stack, and all that is left of it.")),
        ("rollback", of.shape::<Vec<Report>>("The runs after it.")),
        ("simulate", of.either::<Report, plan::Shown<'_>>("The run after it; with `--dry-run` the plan.")),
        ("status", of.shape::<status::Shown>("The runs; with `--facet` the facet. With `--watch` one line for each change.")),
    ]
}

/// Makes the schema of a command.
struct Of<'a>(&'a mut SchemaGenerator);

impl Of<'_> {
    fn shape<T: JsonSchema>(&mut self, about: &str) -> Json {
        described(self.0.subschema_for::<T>().to_value(), about)
    }

    fn either<A: JsonSchema, B: JsonSchema>(&mut self, about: &str) -> Json {
        json!({ "description": about, "anyOf": [self.0.subschema_for::<A>(), self.0.subschema_for::<B>()] })
    }
}

fn described(mut schema: Json, about: &str) -> Json {
    schema["description"] = about.into();
    schema
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli;

    /// Commands whose output is no JSON.
    const NO_JSON: [&str; 2] = ["completions", "help"];

    #[test]
    fn each_command_that_prints_json_has_a_schema() {
        let schema = output();
        let has = |name: &str| schema.pointer(&format!("/$defs/{name}")).is_some();
        for command in cli::definition().get_subcommands().filter(|command| !NO_JSON.contains(&command.get_name())) {
            let name = command.get_name();
            let below: Vec<&str> =
                command.get_subcommands().map(clap::Command::get_name).filter(|name| *name != "help").collect();
            if below.is_empty() {
                assert!(has(name), "{name}");
            }
            for sub in below {
                assert!(has(&format!("{name}-{sub}")), "{name} {sub}");
            }
        }
    }
}
