//! Finds the commands of `guardrails` in a page's code, and holds them against the command line's definition.

/// Options of other programs that pages name alone, each with its program.
const OF_OTHERS: [(&str, &str); 10] = [
    ("--against", "cargo xtask bench"),
    ("--histories", "cargo xtask soak"),
    ("--history", "cargo xtask soak"),
    ("--jobs", "cargo xtask soak"),
    ("--no-fail-on-empty-changeset", "aws cloudformation, sam"),
    ("--retain-resources", "aws cloudformation"),
    ("--role-arn", "aws cloudformation"),
    ("--sanitizer", "cargo fuzz"),
    ("--scenarios", "cargo xtask soak"),
    ("--seed", "cargo xtask soak"),
];

/// A text, looked through.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Mistakes {
    /// How many commands it has.
    pub commands: usize,
    /// Each subcommand, option or argument that does not exist.
    pub found: Vec<String>,
}

/// The mistakes in a code span or a block of code.
pub fn mistakes(definition: &clap::Command, text: &str) -> Mistakes {
    let mut mistakes = Mistakes::default();
    let lone = text.trim();
    if lone.starts_with("--") && !lone.contains('\n') {
        mistakes.found.extend(lone.split(' ').filter_map(|word| lone_option(definition, word)));
    }
    for line in text.replace("\\\n", " ").lines() {
        let words = words(line);
        for at in words.iter().enumerate().filter(|(_, word)| *word == "guardrails").map(|(at, _)| at) {
            let is_command = at == 0 || words[at - 1] == "$" || words[at - 1].ends_with(':');
            if is_command && words.len() > at + 1 {
                mistakes.commands += 1;
                mistakes
                    .found
                    .extend(mistake(definition, &words[at + 1..]).map(|mistake| format!("`{}`: {mistake}", line.trim())));
            }
        }
    }
    mistakes
}

/// An option that stands alone is one of some command, or of another program.
fn lone_option(definition: &clap::Command, word: &str) -> Option<String> {
    let name = word.split('=').next().filter(|name| name.starts_with("--"))?;
    let known = all(definition).iter().any(|command| option(command, name).is_some());
    let of_others = OF_OTHERS.iter().any(|(other, _)| *other == name);
    (!known && !of_others).then(|| format!("no command has the option `{name}`"))
}

fn all(command: &clap::Command) -> Vec<&clap::Command> {
    std::iter::once(command).chain(command.get_subcommands().flat_map(all)).collect()
}

fn option<'a>(command: &'a clap::Command, name: &str) -> Option<&'a clap::Arg> {
    if let Some(long) = name.strip_prefix("--") {
        return command.get_arguments().find(|arg| arg.get_long() == Some(long));
    }
    let short = name.strip_prefix('-')?.chars().next();
    command.get_arguments().find(|arg| arg.get_short() == short)
}

/// The mistake in one command, without its program's name.
fn mistake(definition: &clap::Command, words: &[String]) -> Option<String> {
    let (mut command, mut arguments) = (definition, 0);
    let mut words = words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        if ["|", ">", ">>", "&&", ";", "...", "||", "#"].contains(&word) {
            break;
        }
        let name = word.split('=').next().unwrap_or(word);
        if word.starts_with('-') && word != "-" {
            let Some(option) = option(command, name) else { return Some(format!("`{name}` is no option")) };
            if option.get_action().takes_values() && !word.contains('=') {
                words.next();
            }
        } else if command.has_subcommands() {
            let Some(sub) = command.find_subcommand(word) else { return Some(format!("`{word}` is no subcommand")) };
            command = sub;
        } else {
            arguments += 1;
        }
    }
    let most = command.get_positionals().count();
    (arguments > most).then(|| format!("{arguments} arguments, and it takes {most}"))
}

/// The words of a line, as a shell cuts it. A comment ends it.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut is_open) = (Vec::new(), String::new(), None, false);
    for letter in line.chars() {
        match quote {
            Some(end) if letter == end => quote = None,
            None if letter == '\'' || letter == '"' => (quote, is_open) = (Some(letter), true),
            None if letter == '#' && word.is_empty() => break,
            None if letter.is_whitespace() => {
                if is_open || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                is_open = false;
            }
            _ => word.push(letter),
        }
    }
    if is_open || !word.is_empty() {
        words.push(word);
    }
    words
}

#[test]
fn wrong_commands_are_found_and_right_ones_pass() {
    let definition = guardrails_cli::cli::definition();
    let found = |text: &str| mistakes(&definition, text).found.concat();
    for right in [
        "guardrails plan project-beta --at '100% actual' --all",
        "$ guardrails deploy \\\n    --functions target/functions/x86_64 --yes # asks nothing",
        "guardrails prices fetch --in us-east-1",
        "guardrails history --output json | jq .",
        "guardrails status --region us-east-1",
        "--adopt-ledger TABLE",
        "guardrails.yaml",
        "the guardrails of it",
    ] {
        assert_eq!(found(right), "", "{right}");
    }
    assert!(found("guardrails plans project-beta").contains("`plans` is no subcommand"));
    assert!(found("$ guardrails plan project-beta --dry-run").contains("`--dry-run` is no option"));
    assert!(found("next: guardrails rearm RUN --reason x").contains("`--reason` is no option"));
    assert!(found("guardrails rearm one two").contains("2 arguments, and it takes 1"));
    assert!(found("--no-such").contains("no command has the option"));
}
