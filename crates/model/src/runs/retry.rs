//! Writers that meet: who comes second reads anew, and tries again.

use super::RunError;
use crate::ledger::LedgerError;

/// Makes `attempt` until nobody else has written one of its records between its reading and its writing. It reads anew each time.
pub(super) async fn retry_conflicts<T, F>(mut attempt: impl FnMut() -> F) -> Result<T, RunError>
where
    F: Future<Output = Result<T, RunError>>,
{
    loop {
        match attempt().await {
            Err(RunError::Ledger(LedgerError::Conflict)) => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;

    use super::*;

    #[test]
    fn a_conflict_is_tried_again_and_any_other_end_is_the_end() {
        for last in [Ok(7), Err("gone")] {
            let mut tries = 0;
            let ended = block_on(retry_conflicts(|| {
                tries += 1;
                let conflict = Err(RunError::Ledger(LedgerError::Conflict));
                let end = last.map_err(|why| RunError::Ledger(LedgerError::Unavailable(why.into())));
                std::future::ready(if tries < 3 { conflict } else { end })
            }));
            assert_eq!((ended.map_err(|error| error.is_retryable()), tries), (last.map_err(|_| true), 3));
        }
    }
}
