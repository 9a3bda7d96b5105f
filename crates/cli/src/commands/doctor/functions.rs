//! The functions: there, able to run, not throttled, and the errors in their logs of the last day.

use aws_config::SdkConfig;
use aws_sdk_cloudwatch::types::{Dimension, Statistic};
use jiff::{SignedDuration, Timestamp};

use super::code::{self, Code, Running};
use super::finding::{Read, Sheet, Unread, found};
use super::site::Site;
use super::topics::REMAKE;

/// How far back.
const WINDOW: SignedDuration = SignedDuration::from_hours(24);
/// The words that the functions, and Lambda itself, write when something fails.
const ERRORS: &str = "?ERROR ?\"Task timed out\" ?\"Runtime exited\" ?panicked";
const ABSENT: &[&str] = &["ResourceNotFoundException"];

/// The functions, as they were seen.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) functions: Vec<Function>,
    /// The code that was deployed; none when the stack does not say.
    pub(super) code: Read<Option<Code>>,
    /// Where the master function's failed alerts go; none when nothing is said.
    pub(super) destination: Read<Option<String>>,
    pub(super) dead_letters: String,
    pub(super) master: String,
}

/// A function, as it was seen.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: String,
    /// None when there is no such function.
    pub(super) state: Read<Option<State>>,
    /// The SHA-256 of the code that it runs, as Lambda writes it; none when that could not be read.
    pub(super) sum: Option<String>,
    /// How many of it may run at once, where that is limited.
    pub(super) reserved: Read<Option<i32>>,
    /// Its errors; none when its log is not there.
    pub(super) errors: Read<Option<Errors>>,
    /// How often it was refused because too many ran.
    pub(super) throttles: Read<f64>,
}

/// How Lambda says that a function stands.
#[derive(Debug, Clone)]
pub(super) struct State {
    /// Such as `Active`; with the reason where it is another.
    pub(super) state: String,
    /// Such as `Successful`; with the reason where it is another.
    pub(super) update: String,
}

/// The errors in a log of the last day.
#[derive(Debug, Clone, Default)]
pub(super) struct Errors {
    pub(super) number: usize,
    /// There are more than were counted.
    pub(super) more: bool,
    /// The newest that was seen.
    pub(super) last: Option<(Timestamp, String)>,
}

pub(super) async fn look(site: &Site, now: Timestamp) -> Seen {
    let lambda = aws_sdk_lambda::Client::new(site.sdk());
    let names: Vec<String> = site.all("AWS::Lambda::Function").into_iter().map(|one| one.physical.clone()).collect();
    let functions = futures::future::join_all(names.iter().map(|name| look_at(site.sdk(), &lambda, name, now))).await;
    let master = site.name("MasterFunction").to_owned();
    let config = lambda.get_function_event_invoke_config().function_name(&master).qualifier("$LATEST").send().await;
    let config = found(config, ABSENT, "lambda:GetFunctionEventInvokeConfig");
    let destination = config.map(|config| config?.destination_config?.on_failure?.destination);
    Seen { functions, code: code::look(site).await, destination, dead_letters: site.queue_arn(site.name("DeadLetters")), master }
}

async fn look_at(sdk: &SdkConfig, lambda: &aws_sdk_lambda::Client, name: &str, now: Timestamp) -> Function {
    let config = lambda.get_function_configuration().function_name(name).send().await;
    let config = found(config, ABSENT, "lambda:GetFunctionConfiguration");
    let log = config.as_ref().ok().and_then(|config| config.as_ref()?.logging_config()?.log_group().map(str::to_owned));
    let log = log.unwrap_or_else(|| format!("/aws/lambda/{name}"));
    let sum = config.as_ref().ok().and_then(|config| config.as_ref()?.code_sha256().map(str::to_owned));
    let with = |state: Option<&str>, reason: Option<&str>| {
        [state, reason].into_iter().flatten().filter(|words| !words.is_empty()).collect::<Vec<_>>().join(": ")
    };
    let state = config.map(|config| {
        config.map(|config| State {
            state: with(config.state().map(aws_sdk_lambda::types::State::as_str), config.state_reason()),
            update: with(
                config.last_update_status().map(aws_sdk_lambda::types::LastUpdateStatus::as_str),
                config.last_update_status_reason(),
            ),
        })
    });
    let reserved =
        found(lambda.get_function_concurrency().function_name(name).send().await, ABSENT, "lambda:GetFunctionConcurrency");
    Function {
        name: name.to_owned(),
        state,
        sum,
        reserved: reserved.map(|found| found?.reserved_concurrent_executions),
        errors: errors(sdk, &log, now).await,
        throttles: throttles(sdk, name, now).await,
    }
}

async fn errors(sdk: &SdkConfig, log: &str, now: Timestamp) -> Read<Option<Errors>> {
    let client = aws_sdk_cloudwatchlogs::Client::new(sdk);
    let since = (now - WINDOW).as_millisecond();
    let (mut errors, mut token) = (Errors::default(), None);
    // An answer may be empty and yet have a next page: so many are enough to see whether there is anything.
    for _ in 0..20 {
        let call = client.filter_log_events().log_group_name(log).start_time(since).filter_pattern(ERRORS).set_next_token(token);
        let Some(page) = found(call.send().await, ABSENT, "logs:FilterLogEvents")? else { return Ok(None) };
        for event in page.events() {
            let at = event.timestamp().and_then(|at| Timestamp::from_millisecond(at).ok()).unwrap_or_default();
            errors.number += 1;
            if errors.last.as_ref().is_none_or(|(last, _)| at >= *last) {
                errors.last = Some((at, event.message().unwrap_or_default().trim().to_owned()));
            }
        }
        token = page.next_token;
        if token.is_none() {
            return Ok(Some(errors));
        }
    }
    errors.more = true;
    Ok(Some(errors))
}

async fn throttles(sdk: &SdkConfig, name: &str, now: Timestamp) -> Read<f64> {
    let at = |at: Timestamp| aws_smithy_types::DateTime::from_secs(at.as_second());
    let call = aws_sdk_cloudwatch::Client::new(sdk)
        .get_metric_statistics()
        .namespace("AWS/Lambda")
        .metric_name("Throttles")
        .dimensions(Dimension::builder().name("FunctionName").value(name).build())
        .start_time(at(now - WINDOW))
        .end_time(at(now))
        .period(3600)
        .statistics(Statistic::Sum);
    let answer = call.send().await.map_err(Unread::of("cloudwatch:GetMetricStatistics"))?;
    Ok(answer.datapoints().iter().filter_map(aws_sdk_cloudwatch::types::Datapoint::sum).sum())
}

pub(super) fn judge(seen: &Seen) -> Sheet {
    let mut sheet = Sheet::new("functions");
    for function in &seen.functions {
        judge_function(&mut sheet, function);
    }
    let running = seen.functions.iter().map(|one| Running { function: &one.name, sum: one.sum.as_deref() });
    code::judge(&mut sheet, &seen.code, &running.collect::<Vec<_>>());
    judge_destination(&mut sheet, seen);
    sheet
}

fn judge_function(sheet: &mut Sheet, function: &Function) {
    let name = &function.name;
    let checked = format!("function {name}");
    match sheet.read(&checked, &function.state) {
        None => {}
        Some(None) => return sheet.failure(&checked, "there is no such function", "what it does is not done", REMAKE),
        Some(Some(State { state, update })) if state.starts_with("Pending") || update.starts_with("InProgress") => {
            let found = format!("it is {state}; its last update is {update}");
            let remedy = "run doctor again in a minute";
            sheet.warning(&checked, found, "it is being made or changed: calls wait, or reach what was there before", remedy);
        }
        Some(Some(State { state, update })) if !is_able(state) || !is_updated(update) => {
            let found = format!("it is {state}; its last update is {update}");
            let remedy = format!("aws lambda get-function --function-name {name}, then guardrails deploy");
            sheet.failure(&checked, found, "it may not run, or not this version of it", remedy);
        }
        Some(Some(_)) => sheet.well(format!("{checked} is able to run")),
    }
    match sheet.read(&format!("{checked}: its concurrency"), &function.reserved) {
        Some(Some(0)) => sheet.failure(
            &checked,
            "its reserved concurrency is 0",
            "every call of it is refused",
            format!("aws lambda delete-function-concurrency --function-name {name}"),
        ),
        Some(Some(some)) => {
            let remedy = format!("aws lambda delete-function-concurrency --function-name {name}, unless somebody meant it");
            sheet.note(&checked, format!("at most {some} of it may run at once"), "calls beyond that wait, or fail", remedy);
        }
        Some(None) => sheet.well(format!("{checked} may run")),
        None => {}
    }
    if let Some(throttles) = sheet.read(&format!("{checked}: its throttles"), &function.throttles) {
        if *throttles > 0.0 {
            let remedy = "aws lambda get-account-settings shows the account's limit; Service Quotas raises it";
            let found = format!("{throttles} of its calls were throttled in the last 24 hours");
            sheet.warning(&checked, found, "alerts and runs are late, and may fail", remedy);
        } else {
            sheet.well(format!("{checked} was not throttled in the last 24 hours"));
        }
    }
    judge_errors(sheet, &checked, function);
}

fn judge_errors(sheet: &mut Sheet, checked: &str, function: &Function) {
    match sheet.read(&format!("{checked}: its log"), &function.errors) {
        None => {}
        Some(None) => sheet.warning(checked, "its log is not there", "what it does is not written down", REMAKE),
        Some(Some(Errors { number, more, last: Some((at, message)) })) => {
            let short: String = message.chars().take(400).collect();
            let number = if *more { format!("more than {number}") } else { number.to_string() };
            sheet.warning(
                checked,
                format!("errors in its log in the last 24 hours: {number}, the last at {at:.0}: {short}"),
                "something failed; if it was an alert, see the dead letters, if it was a run, see guardrails status",
                format!("aws logs tail /aws/lambda/{} --since 1d --filter-pattern '{ERRORS}'", function.name),
            );
        }
        Some(Some(Errors { more: true, .. })) => sheet.could_not_check(
            &format!("{checked}: its log"),
            "there is more of it than was looked through",
            "an error may be in the rest",
            format!("aws logs tail /aws/lambda/{} --since 1d --filter-pattern '{ERRORS}'", function.name),
        ),
        Some(Some(_)) => sheet.well(format!("{checked}: no error in its log in the last 24 hours")),
    }
}

/// `Inactive` is a function that nobody called for weeks: the next call wakes it.
fn is_able(state: &str) -> bool {
    state.starts_with("Active") || state.starts_with("Inactive")
}

fn is_updated(update: &str) -> bool {
    update.is_empty() || update.starts_with("Successful")
}

fn judge_destination(sheet: &mut Sheet, seen: &Seen) {
    let checked = "master function: where failed alerts go";
    let Some(destination) = sheet.read(checked, &seen.destination) else { return };
    if destination.as_ref() == Some(&seen.dead_letters) {
        return sheet.well(format!("{checked}: the dead-letter queue"));
    }
    let found = destination.as_ref().map_or("nowhere".to_owned(), |arn| format!("to {arn}"));
    let remedy = format!(
        "aws lambda put-function-event-invoke-config --function-name {} --maximum-retry-attempts 2 --maximum-event-age-in-seconds 21600 \
         --destination-config '{{\"OnFailure\":{{\"Destination\":\"{}\"}}}}'",
        seen.master, seen.dead_letters
    );
    sheet.failure(checked, found, "an alert that fails is lost, and no alarm says so", remedy);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::finding::Severity;

    const QUEUE: &str = "arn:aws:sqs:us-east-1:123456789012:dead";

    /// A hash that begins with 0123456789abcdef0123, as Lambda writes it.
    const SUM: &str = "ASNFZ4mrze8BIw==";

    fn code(key: &str, hash: &str) -> Code {
        Code { bucket: "bucket".to_owned(), key: key.to_owned(), hash: hash.to_owned() }
    }

    fn function() -> Function {
        let state = State { state: "Active".to_owned(), update: "Successful".to_owned() };
        Function {
            name: "g-master".to_owned(),
            state: Ok(Some(state)),
            sum: Some(SUM.to_owned()),
            reserved: Ok(None),
            errors: Ok(Some(Errors::default())),
            throttles: Ok(0.0),
        }
    }

    fn seen(function: Function) -> Seen {
        Seen {
            functions: vec![function],
            code: Ok(Some(code("guardrails/functions-0123456789abcdef0123.zip", "0123456789abcdef0123"))),
            destination: Ok(Some(QUEUE.to_owned())),
            dead_letters: QUEUE.to_owned(),
            master: "g-master".to_owned(),
        }
    }

    #[test]
    fn a_function_that_can_run_and_did_not_fail_is_well() {
        let sheet = judge(&seen(function()));
        assert!(sheet.findings.is_empty(), "{sheet:?}");
        assert_eq!(sheet.well.len(), 6);
    }

    #[test]
    fn each_thing_that_keeps_a_function_from_working_is_found() {
        let state = |state: &str, update: &str| Function {
            state: Ok(Some(State { state: state.to_owned(), update: update.to_owned() })),
            ..function()
        };
        let unread = || Unread::new("x:Y", "AccessDenied: no");
        let last = Some((Timestamp::UNIX_EPOCH, "{\"level\":\"ERROR\"}".to_owned()));
        let table = [
            (Function { state: Ok(None), ..function() }, Severity::Failure, "no such function"),
            (state("Failed: key", "Successful"), Severity::Failure, "Failed: key"),
            (state("Active", "Failed: role"), Severity::Failure, "Failed: role"),
            (state("Active", "InProgress"), Severity::Warning, "InProgress"),
            (Function { reserved: Ok(Some(0)), ..function() }, Severity::Failure, "concurrency is 0"),
            (Function { reserved: Ok(Some(5)), ..function() }, Severity::Note, "at most 5"),
            (Function { throttles: Ok(3.0), ..function() }, Severity::Warning, "3 of its calls"),
            (Function { errors: Ok(None), ..function() }, Severity::Warning, "log is not there"),
            (
                Function { errors: Ok(Some(Errors { number: 2, more: false, last })), ..function() },
                Severity::Warning,
                "24 hours: 2",
            ),
            (
                Function { errors: Ok(Some(Errors { more: true, ..Errors::default() })), ..function() },
                Severity::CouldNotCheck,
                "more of it",
            ),
            (Function { state: Err(unread()), ..function() }, Severity::CouldNotCheck, "no"),
            (Function { reserved: Err(unread()), ..function() }, Severity::CouldNotCheck, "no"),
            (Function { throttles: Err(unread()), ..function() }, Severity::CouldNotCheck, "no"),
            (Function { errors: Err(unread()), ..function() }, Severity::CouldNotCheck, "no"),
        ];
        for (function, severity, words) in table {
            let sheet = judge(&seen(function));
            assert_eq!(sheet.findings.len(), 1, "{words}: {sheet:?}");
            assert_eq!(sheet.findings[0].severity, severity, "{sheet:?}");
            assert!(sheet.findings[0].found.contains(words), "{sheet:?}");
        }
    }

    #[test]
    fn function_that_runs_other_code_is_found() {
        let key = "guardrails/functions-ffffffffffffffffffff.zip";
        let sheet = judge(&Seen { code: Ok(Some(code(key, "ffffffffffffffffffff"))), ..seen(function()) });
        assert_eq!(sheet.findings.len(), 1, "{sheet:?}");
        let finding = &sheet.findings[0];
        assert_eq!(finding.severity, Severity::Failure);
        assert!(finding.found.contains("0123456789abcdef0123") && finding.found.contains(key), "{finding:?}");
        assert!(finding.remedy.contains(&format!("--s3-bucket bucket --s3-key {key}")), "{finding:?}");
        // A stack of an earlier version does not say which code it has; one that cannot be read is said.
        assert!(judge(&Seen { code: Ok(None), ..seen(function()) }).findings.is_empty());
        let unread = judge(&Seen { code: Err(Unread::new("s3:GetObject", "AccessDenied: no")), ..seen(function()) });
        assert_eq!(unread.findings[0].severity, Severity::CouldNotCheck);
        assert!(unread.findings[0].remedy.contains("s3:GetObject"));
    }

    #[test]
    fn a_master_function_whose_failed_alerts_go_nowhere_is_found() {
        for destination in [None, Some("arn:other".to_owned())] {
            let sheet = judge(&Seen { destination: Ok(destination), ..seen(function()) });
            assert_eq!(sheet.findings[0].severity, Severity::Failure);
            assert!(sheet.findings[0].remedy.contains("put-function-event-invoke-config"));
        }
    }
}
