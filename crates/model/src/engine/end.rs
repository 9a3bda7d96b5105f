//! How the work on a lot is left, and when it goes on.

/// How a lot was left.
pub(super) struct End {
    /// Seconds until something of it is to be looked at again; nothing when all of it is over.
    pub(super) due: Option<i64>,
    /// Seconds until the service's limits leave room for more; nothing when they do now.
    pub(super) full: Option<i64>,
}

impl End {
    pub(super) fn over() -> Self {
        Self { due: None, full: None }
    }
}
