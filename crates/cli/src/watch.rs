//! `--watch`: looks again and again. A terminal is drawn anew each time; elsewhere only changes are printed. It ends when a person ends
//! it, when it is over, or when nobody reads it any more.

use std::collections::HashSet;
use std::io::{self, Write};

use anyhow::{Context, Result};
use console::{Term, measure_text_width};

/// The least and the most seconds between two looks.
pub(crate) const SECONDS: std::ops::RangeInclusive<u64> = 1..=3600;

/// One look.
pub(crate) struct Look {
    /// The place and the time. Empty in an output for programs.
    pub(crate) head: String,
    pub(crate) text: String,
    /// Nothing more is to come.
    pub(crate) is_over: bool,
}

/// The place where the looks are shown.
pub(crate) struct Screen<W> {
    pub(crate) out: W,
    /// The lines and columns of a terminal.
    pub(crate) size: Option<(u16, u16)>,
    /// The lines of the look before.
    pub(crate) before: HashSet<String>,
}

impl Screen<io::Stdout> {
    /// Stdout. An output for programs is never drawn anew.
    pub(crate) fn stdout(for_people: bool) -> Self {
        let terminal = Term::stdout();
        let size = terminal.size_checked().filter(|_| for_people && terminal.is_term());
        Self { out: io::stdout(), size, before: HashSet::new() }
    }
}

impl<W: Write> Screen<W> {
    fn show(&mut self, look: &Look) -> io::Result<()> {
        match self.size {
            // The cursor goes home, and all below it is cleared.
            Some(size) => writeln!(self.out, "\u{1b}[H\u{1b}[2J{}", fitted(&whole(&look.head, look.text.trim_end()), size))?,
            None => self.show_changes(look)?,
        }
        self.out.flush()
    }

    fn show_changes(&mut self, look: &Look) -> io::Result<()> {
        let lines: Vec<&str> = look.text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        let changed: Vec<&str> = lines.iter().copied().filter(|line| !self.before.contains(*line)).collect();
        if !changed.is_empty() {
            writeln!(self.out, "{}", whole(&look.head, &changed.join("\n")))?;
        }
        self.before = lines.into_iter().map(str::to_owned).collect();
        Ok(())
    }
}

fn whole(head: &str, text: &str) -> String {
    if head.is_empty() { text.to_owned() } else { format!("{head}\n{text}") }
}

/// As many lines as there is room for, above the one of the cursor. A line that is wider than the terminal takes several.
fn fitted(text: &str, (rows, columns): (u16, u16)) -> String {
    let (room, columns) = (usize::from(rows).saturating_sub(1).max(1), usize::from(columns).max(1));
    let taken = |line: &str| measure_text_width(line).div_ceil(columns).max(1);
    if text.lines().map(taken).sum::<usize>() <= room {
        return text.to_owned();
    }
    let (mut shown, mut left) = (Vec::new(), room - 1);
    for line in text.lines() {
        let Some(rest) = left.checked_sub(taken(line)) else { break };
        left = rest;
        shown.push(line.to_owned());
    }
    shown.push(format!("... and {} more lines", text.lines().count() - shown.len()));
    shown.join("\n")
}

/// Shows what `look` sees, again after each `pause`. It ends well when a person ends it, which is `ended`.
pub(crate) async fn watch<W: Write>(
    screen: &mut Screen<W>,
    ended: impl Future<Output = io::Result<()>>,
    pause: impl AsyncFnMut(),
    look: impl AsyncFnMut() -> Result<Look>,
) -> Result<()> {
    tokio::select! {
        // A person who ends it does not wait for a look.
        biased;
        ended = ended => ended.context("listening for Ctrl-C"),
        shown = show(screen, pause, look) => shown,
    }
}

async fn show<W: Write>(
    screen: &mut Screen<W>,
    mut pause: impl AsyncFnMut(),
    mut look: impl AsyncFnMut() -> Result<Look>,
) -> Result<()> {
    loop {
        let seen = look().await?;
        match screen.show(&seen) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            written => written.context("writing to stdout")?,
        }
        if seen.is_over {
            return Ok(());
        }
        pause().await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Notify;

    use super::*;

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The output of looks at these texts, none of which takes any time. Ctrl-C comes in the pause after the last, unless it is over.
    async fn seen<W: Write>(out: W, size: Option<(u16, u16)>, texts: &[&str], is_over: bool) -> (Result<()>, W, usize) {
        let mut screen = Screen { out, size, before: HashSet::new() };
        let (ctrl_c, looks, mut pauses) = (Notify::new(), std::cell::Cell::new(0), 0);
        let ended = async {
            ctrl_c.notified().await;
            Ok(())
        };
        let pause = async || {
            pauses += 1;
            if pauses == texts.len() {
                ctrl_c.notify_one();
                std::future::pending::<()>().await;
            }
        };
        let look = async || {
            let number = looks.get();
            looks.set(number + 1);
            Ok(Look {
                head: format!("at {number}"),
                text: texts[number].to_owned(),
                is_over: is_over && number + 1 == texts.len(),
            })
        };
        let result = watch(&mut screen, ended, pause, look).await;
        (result, screen.out, looks.get())
    }

    #[tokio::test]
    async fn without_a_terminal_only_changes_are_printed() {
        let texts = [
            "run r-1\n  i-1: planned\n  i-2: planned\n",
            "run r-1\n  i-1: planned\n  i-2: planned\n",
            "run r-1\n  i-1: applied\n  i-2: planned\n",
        ];
        let (ended, out, looks) = seen(Vec::new(), None, &texts, false).await;
        ended.unwrap();
        let out = String::from_utf8(out).unwrap();
        assert_eq!(out, "at 0\nrun r-1\n  i-1: planned\n  i-2: planned\nat 2\n  i-1: applied\n");
        assert_eq!(looks, 3);
    }

    #[tokio::test]
    async fn terminal_is_drawn_anew_each_time() {
        let (ended, out, _) = seen(Vec::new(), Some((24, 80)), &["one\n", "one\n"], false).await;
        ended.unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "\u{1b}[H\u{1b}[2Jat 0\none\n\u{1b}[H\u{1b}[2Jat 1\none\n");
    }

    #[test]
    fn screen_never_overflows_its_terminal() {
        assert_eq!(fitted("1\n2\n3\n4", (4, 80)), "1\n2\n... and 2 more lines");
        assert_eq!(fitted("1\n2\n3", (4, 80)), "1\n2\n3");
        assert_eq!(fitted("12345678901\n2\n3", (4, 10)), "12345678901\n... and 2 more lines", "a wide line takes two rows");
    }

    #[tokio::test]
    async fn look_that_is_over_ends_it() {
        let (ended, out, looks) = seen(Vec::new(), None, &["going", "done"], true).await;
        ended.unwrap();
        assert_eq!((String::from_utf8(out).unwrap().as_str(), looks), ("at 0\ngoing\nat 1\ndone\n", 2));
    }

    #[tokio::test]
    async fn reader_that_went_away_ends_it_quietly() {
        let (ended, _, looks) = seen(Closed, None, &["one", "two", "three"], false).await;
        ended.unwrap();
        assert_eq!(looks, 1);
    }

    #[tokio::test]
    async fn failed_look_ends_it_with_its_error() {
        let mut screen = Screen { out: Vec::new(), size: None, before: HashSet::new() };
        let look = async || Err(anyhow::anyhow!("no ledger"));
        let ended = watch(&mut screen, std::future::pending(), async || (), look).await;
        assert_eq!(ended.unwrap_err().to_string(), "no ledger");
    }
}
