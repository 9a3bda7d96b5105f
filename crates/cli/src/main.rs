//! The program: reads its arguments, runs the command, and ends with a code that says how it went.

use guardrails_cli::cli::Cli;
use guardrails_cli::exit::Exit;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let cli = Cli::read();
    match Box::pin(cli.run()).await {
        Ok(exit) => exit.into(),
        Err(error) => {
            guardrails_cli::tell(&format!("error: {error:#}"));
            Exit::Failed.into()
        }
    }
}
