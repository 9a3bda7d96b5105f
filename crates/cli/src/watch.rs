//! `--watch`: shows the same screen again and again, until a person ends it or nobody reads it any more.

use std::io::{self, Write};

use anyhow::{Context, Result};
use console::Term;

/// The least and the most seconds between two looks.
pub(crate) const SECONDS: std::ops::RangeInclusive<u64> = 1..=3600;

/// The place where the screens are shown.
pub(crate) struct Screen<W> {
    pub(crate) out: W,
    /// The lines of the terminal, where each screen takes the place of the one before. Elsewhere they follow one another.
    pub(crate) lines: Option<usize>,
}

impl Screen<io::Stdout> {
    /// Stdout. Where people asked for it, one screen follows another on a terminal too.
    pub(crate) fn stdout() -> Self {
        let terminal = Term::stdout();
        let lines = terminal.size_checked().filter(|_| terminal.is_term()).map(|(rows, _)| usize::from(rows));
        Self { out: io::stdout(), lines }
    }
}

impl<W: Write> Screen<W> {
    /// Shows `text`. A screen that follows another has an empty line before it.
    fn show(&mut self, text: &str, is_first: bool) -> io::Result<()> {
        let text = text.trim_end();
        match self.lines {
            // The cursor goes home, and all below it is cleared.
            Some(lines) => writeln!(self.out, "\u{1b}[H\u{1b}[2J{}", fitted(text, lines))?,
            None if is_first => writeln!(self.out, "{text}")?,
            None => writeln!(self.out, "\n{text}")?,
        }
        self.out.flush()
    }
}

/// As many lines as there is room for, above the one of the cursor.
fn fitted(text: &str, lines: usize) -> String {
    let (all, room) = (text.lines().count(), lines.saturating_sub(1).max(1));
    if all <= room {
        return text.to_owned();
    }
    let shown: Vec<&str> = text.lines().take(room - 1).collect();
    let more = format!("... and {} more lines", all - shown.len());
    shown.into_iter().chain([more.as_str()]).collect::<Vec<_>>().join("\n")
}

/// Shows what `look` sees, again after each `pause`. It ends well when it is `over`, or when the reader went away.
pub(crate) async fn watch<W: Write>(
    screen: &mut Screen<W>,
    over: impl Future<Output = io::Result<()>>,
    pause: impl AsyncFnMut(),
    look: impl AsyncFnMut() -> Result<String>,
) -> Result<()> {
    tokio::select! {
        // A person who ends it does not wait for a look.
        biased;
        ended = over => ended.context("listening for Ctrl-C"),
        shown = show(screen, pause, look) => shown,
    }
}

async fn show<W: Write>(
    screen: &mut Screen<W>,
    mut pause: impl AsyncFnMut(),
    mut look: impl AsyncFnMut() -> Result<String>,
) -> Result<()> {
    let mut is_first = true;
    loop {
        match screen.show(&look().await?, is_first) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            written => written.context("writing to stdout")?,
        }
        is_first = false;
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

    /// The output until Ctrl-C comes in the last of `pauses`, none of which takes any time; and the number of looks.
    async fn seen<W: Write>(out: W, lines: Option<usize>, pauses: usize) -> (Result<()>, W, usize) {
        let (mut screen, mut looks, mut paused) = (Screen { out, lines }, 0, 0);
        let ctrl_c = Notify::new();
        let over = async {
            ctrl_c.notified().await;
            Ok(())
        };
        let pause = async || {
            paused += 1;
            if paused == pauses {
                ctrl_c.notify_one();
                std::future::pending::<()>().await;
            }
        };
        let look = async || {
            looks += 1;
            Ok(format!("look {looks}\nand more\n"))
        };
        let ended = watch(&mut screen, over, pause, look).await;
        (ended, screen.out, looks)
    }

    #[tokio::test]
    async fn plain_screens_follow_one_another_until_ctrl_c() {
        let (ended, out, looks) = seen(Vec::new(), None, 3).await;
        ended.unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "look 1\nand more\n\nlook 2\nand more\n\nlook 3\nand more\n");
        assert_eq!(looks, 3);
    }

    #[tokio::test]
    async fn terminal_is_drawn_anew_and_never_overflows() {
        let (ended, out, _) = seen(Vec::new(), Some(24), 2).await;
        ended.unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "\u{1b}[H\u{1b}[2Jlook 1\nand more\n\u{1b}[H\u{1b}[2Jlook 2\nand more\n");
        assert_eq!(fitted("1\n2\n3\n4", 4), "1\n2\n... and 2 more lines");
        assert_eq!(fitted("1\n2\n3", 4), "1\n2\n3");
    }

    #[tokio::test]
    async fn reader_that_went_away_ends_it_quietly() {
        let (ended, _, looks) = seen(Closed, None, 5).await;
        ended.unwrap();
        assert_eq!(looks, 1);
    }

    #[tokio::test]
    async fn failed_look_ends_it_with_its_error() {
        let mut screen = Screen { out: Vec::new(), lines: None };
        let ended = watch(&mut screen, std::future::pending(), async || (), async || Err(anyhow::anyhow!("no ledger"))).await;
        assert_eq!(ended.unwrap_err().to_string(), "no ledger");
    }
}
