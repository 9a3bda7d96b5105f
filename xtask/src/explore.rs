//! Goes through every interleaving up to a bound of one's own choice: `cargo test` has time for small ones only.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args as ClapArgs;
use comfy_table::{CellAlignment, Table, presets::ASCII_MARKDOWN};
use guardrails_explore::{Bound, LARGER, SCENARIOS, Scenario, explore, scenario};

/// The scenarios to explore, and how far.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Deaths, lost answers, second invocations and dead executions in one history. Each scenario's own bound, as in
    /// `cargo test`, when left out.
    #[arg(long)]
    faults: Option<u8>,
    /// How many times in one history the clock may move on while somebody is in the middle of something.
    #[arg(long)]
    stalls: Option<u8>,
    /// Only this scenario.
    #[arg(long)]
    scenario: Option<String>,
}

/// Explores, and prints a table.
///
/// # Errors
/// When there is no such scenario.
pub fn run(args: &Args) -> Result<ExitCode> {
    let scenarios: Vec<&Scenario> = match &args.scenario {
        None => SCENARIOS.iter().chain(LARGER).collect(),
        Some(name) => {
            let names: Vec<&str> = SCENARIOS.iter().chain(LARGER).map(|scenario| scenario.name).collect();
            vec![scenario(name).with_context(|| format!("there is no scenario `{name}`; there are {}", names.join(", ")))?]
        }
    };
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header(["scenario", "faults", "stalls", "states", "moves", "quiet", "depth", "seconds"]);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut ended = ExitCode::SUCCESS;
    for scenario in scenarios {
        let faults = args.faults.unwrap_or(scenario.bound.faults);
        let stalls = args.stalls.unwrap_or(scenario.bound.stalls);
        let begun = Instant::now();
        let explored = explore(scenario, Bound { faults, stalls }, None);
        let counts = [explored.states, explored.moves, explored.quiet, explored.depth].map(|count| count.to_string());
        let mut row = vec![scenario.name.to_owned(), faults.to_string(), stalls.to_string()];
        row.extend(counts);
        row.push(format!("{:.0}", begun.elapsed().as_secs_f64()));
        eprintln!("{}", row.join("  "));
        table.add_row(row);
        if let Some(wrong) = explored.wrong {
            ended = ExitCode::FAILURE;
            eprintln!("WRONG: {}", wrong.what);
            for line in &wrong.story {
                eprintln!("  {line}");
            }
        }
    }
    println!("{table}");
    Ok(ended)
}
