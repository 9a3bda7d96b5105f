//! `guardrails history`: the events of alerts, of runs and of each of their steps, in order. For programs all of it, written as
//! it is read, so that a run of ten thousand steps takes no more room than one of ten.

use std::io::{BufWriter, Write};

use anyhow::{Context, Result};
use clap::Args;
use guardrails_model::clock::{Clock, SystemClock};
use guardrails_model::ids::{GuardrailName, RunId};
use guardrails_model::ledger::Ledger;
use guardrails_model::record::{Run, Step};
use guardrails_model::report::history::{Entry, Kind};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, civil};

use crate::args::{Format, Global, MOST_RUNS, at_least_one};
use crate::deployment::Deployment;
use crate::exit::Exit;
use crate::follow::{self, LIVELY};
use crate::output;

#[derive(Debug, Args)]
pub(crate) struct History {
    /// Only this guardrail.
    pub(crate) guardrail: Option<GuardrailName>,
    /// Only this run.
    #[arg(long)]
    pub(crate) run: Option<RunId>,
    /// The number of runs and of alerts, the newest first.
    #[arg(long, default_value_t = MOST_RUNS, value_parser = at_least_one)]
    pub(crate) limit: usize,
    /// Only events since then: a moment such as 2026-11-23T01:46:53Z, a day such as 2026-11-23, or so long ago: 24h, 7d, "1 hour ago".
    #[arg(long, value_parser = moment, allow_hyphen_values = true)]
    pub(crate) since: Option<Timestamp>,
}

pub(crate) async fn run(global: &Global, args: &History) -> Result<Exit> {
    let deployment = Deployment::find(global).await?;
    let (mut sources, runs) = match &args.run {
        Some(id) => {
            let run = follow::load(&deployment, id).await?;
            follow::is_of(&run, args.guardrail.as_ref())?;
            let runs = vec![run];
            let mut sources = Vec::new();
            for run in &runs {
                let alert = deployment.ledger.alert(&run.alert).await.context("reading the ledger")?;
                sources.extend(alert.map(|alert| Source::Alert(Box::new(Entry::of_alert(&run.alert, &alert)))));
            }
            (sources, runs)
        }
        None => (alerts(&deployment, args).await?, deployment.newest_runs(args.guardrail.as_ref(), args.limit).await?),
    };
    let ended_before = |run: &Run| {
        let latest = run.events.iter().map(|event| event.repeats.as_ref().map_or(event.at, |repeats| repeats.until)).max();
        !run.state.is_open() && args.since.zip(latest).is_some_and(|(since, latest)| latest < since)
    };
    sources.extend(runs.into_iter().filter(|run| !ended_before(run)).map(|run| Source::Run(Box::new(run))));
    if let Some(name) = args.guardrail.as_ref().filter(|_| sources.is_empty()) {
        // A name that is mistyped must not read as if nothing had happened.
        deployment.guardrail(name).await?;
    }
    sources.sort_by_key(Source::began);
    let since = args.since.map(guardrails_model::ledger::sortable);
    match global.output {
        Format::Json => {
            let out = BufWriter::new(std::io::stdout());
            let array = export(&deployment.ledger, sources, since.as_deref(), out).await?;
            output::unless_closed(array.end().map(|_| ())).context("writing to stdout")?;
        }
        Format::Text => show(global, &deployment, args, sources, since.as_deref()).await?,
    }
    Ok(Exit::Done)
}

/// Where entries come from.
enum Source {
    Alert(Box<Entry>),
    Run(Box<Run>),
}

impl Source {
    /// An alert comes before the run that it begins.
    fn began(&self) -> (String, bool) {
        match self {
            Self::Alert(entry) => (entry.at.clone(), false),
            Self::Run(run) => (guardrails_model::ledger::sortable(run.began), true),
        }
    }
}

/// Writes all that the ledger has, as `history --output json` does. The number of entries.
///
/// # Errors
/// When the ledger cannot be read, or `out` cannot be written.
pub(crate) async fn write_all(ledger: &Ledger, out: impl Write + Send) -> Result<usize> {
    let alerts = ledger.alerts(None, usize::MAX).await.context("reading the ledger")?;
    let alerts = alerts.iter().map(|(digest, alert)| Source::Alert(Box::new(Entry::of_alert(digest, alert))));
    let mut sources: Vec<Source> = alerts.collect();
    let runs = ledger.newest_runs(None, usize::MAX).await.context("reading the ledger")?;
    sources.extend(runs.into_iter().map(|run| Source::Run(Box::new(run))));
    sources.sort_by_key(Source::began);
    export(ledger, sources, None, out).await?.end().context("writing the history")
}

async fn alerts(deployment: &Deployment, args: &History) -> Result<Vec<Source>> {
    let alerts = deployment.ledger.alerts(args.since, args.limit).await.context("reading the ledger")?;
    let asked = alerts.iter().filter(|(_, alert)| args.guardrail.is_none() || alert.guardrail == args.guardrail);
    Ok(asked.map(|(digest, alert)| Source::Alert(Box::new(Entry::of_alert(digest, alert)))).collect())
}

fn of_step(run: &Run, step: &Step) -> Vec<Entry> {
    step.events.iter().map(|event| Entry::of_step(run, step, event)).collect()
}

fn of_run(run: &Run) -> Vec<Entry> {
    run.events.iter().map(|event| Entry::of_run(run, event)).collect()
}

/// An array of entries, each in a line of its own: alerts and runs as they came, and of a run of few steps all in the order of
/// time.
async fn export<'a, W: Write + Send>(
    ledger: &Ledger,
    sources: Vec<Source>,
    since: Option<&'a str>,
    out: W,
) -> Result<Array<'a, W>> {
    let mut array = Array { out, since, written: 0, failed: None };
    for source in sources {
        match source {
            Source::Alert(entry) => array.write(&entry),
            Source::Run(run) => {
                let lively = follow::planned(&run) <= LIVELY;
                let mut entries = of_run(&run);
                if !lively {
                    entries.drain(..).for_each(|entry| array.write(&entry));
                }
                let of_step = |step: Step| {
                    for entry in of_step(&run, &step) {
                        if lively { entries.push(entry) } else { array.write(&entry) }
                    }
                };
                ledger.visit(&run, of_step).await.context("reading the ledger")?;
                entries.sort_by(|a, b| a.at.cmp(&b.at));
                for entry in &entries {
                    array.write(entry);
                }
            }
        }
    }
    Ok(array)
}

/// A JSON array that is written element by element.
struct Array<'a, W: Write> {
    out: W,
    since: Option<&'a str>,
    written: usize,
    failed: Option<std::io::Error>,
}

impl<W: Write> Array<'_, W> {
    fn write(&mut self, entry: &Entry) {
        if self.failed.is_none() && self.since.is_none_or(|since| entry.until.as_str() >= since) {
            self.failed = self.try_write(entry).err();
        }
    }

    fn try_write(&mut self, entry: &Entry) -> std::io::Result<()> {
        self.out.write_all(if self.written == 0 { b"[\n" } else { b",\n" })?;
        self.written += 1;
        serde_json::to_writer(&mut self.out, entry).map_err(Into::into)
    }

    /// The number of its elements.
    fn end(mut self) -> std::io::Result<usize> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.out.write_all(if self.written == 0 { b"[]\n" } else { b"\n]\n" })?;
        self.out.flush()?;
        Ok(self.written)
    }
}

async fn show(global: &Global, deployment: &Deployment, args: &History, sources: Vec<Source>, since: Option<&str>) -> Result<()> {
    let mut entries = Vec::new();
    for source in sources {
        match source {
            Source::Alert(entry) => entries.push(*entry),
            Source::Run(run) => {
                entries.extend(of_run(&run));
                // Among others, a large run would be all that there is to see.
                if args.run.is_none() && follow::planned(&run) > LIVELY {
                    output::tell(&format!("{0}: its {1} steps: guardrails history --run {0}", run.id, follow::planned(&run)));
                    continue;
                }
                let of_step = |step: Step| entries.extend(of_step(&run, &step));
                deployment.ledger.visit(&run, of_step).await.context("reading the ledger")?;
            }
        }
    }
    entries.retain(|entry| since.is_none_or(|since| entry.until.as_str() >= since));
    entries.sort_by(|a, b| a.at.cmp(&b.at));
    let whole = global.wide || !output::on_terminal();
    let text = output::table(global.wide, &["at (UTC)", "run", "what", "by"], entries.iter().map(|entry| row(entry, whole)));
    output::data(text.trim_end())
}

/// A row of the table. The ids of requests to AWS and of a function's call are for a search in a log: they are shown where there is room.
fn row(entry: &Entry, whole: bool) -> Vec<String> {
    let simulated = if entry.simulated == Some(true) { " [simulated]" } else { "" };
    let run = match entry.kind {
        Kind::Alert => "alert".to_owned(),
        Kind::Run | Kind::Step => format!("{}{simulated}", entry.run.as_deref().unwrap_or_default()),
    };
    let seen = match (&entry.before, &entry.after) {
        (Some(before), Some(after)) => format!("; {before} -> {after}"),
        (Some(before), None) => format!("; it is {before}"),
        (None, Some(after)) => format!("; it is {after}"),
        (None, None) => String::new(),
    };
    let request = |request: &guardrails_model::report::history::Request| {
        let error = request.error.as_ref().map(|error| format!(" {error}")).unwrap_or_default();
        let id = request.request_id.as_deref().filter(|_| whole).map(|id| format!(" {id}")).unwrap_or_default();
        format!("; {}{error}{id}", request.operation)
    };
    let requests: String = entry.requests.iter().map(request).collect();
    let again = if entry.times == 1 { String::new() } else { format!("; {} times, until {}", entry.times, shown(&entry.until)) };
    let what = format!("{}{seen}{requests}{again}", entry.what);
    let by = entry.by.as_deref().unwrap_or_default();
    let by = if whole { by } else { by.split(' ').next().unwrap_or_default() };
    vec![shown(&entry.at), run, what, by.to_owned()]
}

/// To the second.
fn shown(at: &str) -> String {
    at.parse::<Timestamp>().map_or_else(|_| at.to_owned(), |at| at.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// A moment, a day (in UTC), or so long ago.
fn moment(words: &str) -> Result<Timestamp, String> {
    since(words, SystemClock.now())
}

/// The same with the time of now. A length of time is always one that is over, with or without `ago` and with any sign.
fn since(words: &str, now: Timestamp) -> Result<Timestamp, String> {
    let now_here = now.to_zoned(TimeZone::UTC);
    let ago = |span: Span| now_here.checked_sub(span.abs()).ok().map(|at| at.timestamp());
    let civil = |at: civil::DateTime| at.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp());
    let words = words.trim();
    let at = match words.to_ascii_lowercase().as_str() {
        "now" => Some(now),
        "today" => civil(now_here.date().into()),
        "yesterday" => now_here.date().yesterday().ok().and_then(|day| civil(day.into())),
        _ => words.parse().ok().or_else(|| words.parse().ok().and_then(civil)).or_else(|| words.parse().ok().and_then(ago)),
    };
    at.ok_or_else(|| {
        "expected a moment such as 2026-11-23T01:46:53Z, a day such as 2026-11-23, or so long ago: 24h, 7d, \"1 hour ago\""
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(at: &str) -> Entry {
        let alert = serde_json::json!({"format": 1, "at": at, "text": "a", "decision": "report"});
        Entry::of_alert("digest", &serde_json::from_value(alert).unwrap())
    }

    fn written(entries: &[&str], since: Option<&str>) -> serde_json::Value {
        let mut out = Vec::new();
        let mut array = Array { out: &mut out, since, written: 0, failed: None };
        for at in entries {
            array.write(&entry(at));
        }
        array.end().unwrap();
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn since_takes_every_form_that_people_type() {
        let now: Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
        let at = |words: &str| since(words, now).map(|at| at.to_string());
        for hour in ["1h", "-1h", "1h ago", "1 hour ago", "1 hour", "60 minutes ago", "PT1H", "-PT1H", "2026-11-30T11:00:00Z"] {
            assert_eq!(at(hour).as_deref(), Ok("2026-11-30T11:00:00Z"), "{hour}");
        }
        for day in ["1d", "1 day ago", "24h", "2026-11-29 12:00", "2026-11-29T12:00:00+00:00"] {
            assert_eq!(at(day).as_deref(), Ok("2026-11-29T12:00:00Z"), "{day}");
        }
        for midnight in ["yesterday", "2026-11-29", "Yesterday "] {
            assert_eq!(at(midnight).as_deref(), Ok("2026-11-29T00:00:00Z"), "{midnight}");
        }
        assert_eq!(at("1 week ago").as_deref(), Ok("2026-11-23T12:00:00Z"));
        assert_eq!(at("2026-12-01").as_deref(), Ok("2026-12-01T00:00:00Z"), "a day is taken as it is written");
        for wrong in ["", "soon", "1x", "2026-13-01"] {
            assert!(at(wrong).unwrap_err().contains("expected a moment"), "{wrong}");
        }
    }

    #[test]
    fn entries_written_one_by_one_are_an_array_of_any_length() {
        assert_eq!(written(&[], None), serde_json::json!([]));
        let two = ["2026-11-23T01:02:03Z", "2026-11-23T01:02:03.5Z"];
        let times: Vec<String> = written(&two, None).as_array().unwrap().iter().map(|entry| entry["at"].to_string()).collect();
        assert_eq!(times, ["\"2026-11-23T01:02:03.000000Z\"", "\"2026-11-23T01:02:03.500000Z\""]);
        assert_eq!(written(&two, Some("2026-11-23T01:02:03.100000Z")).as_array().unwrap().len(), 1);
    }
}
