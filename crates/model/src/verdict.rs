//! Yes, no, or: it cannot be told, and why. A policy may depend on keys that only the caller's request has.

/// An answer that may be wanting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    Yes,
    /// It does not.
    No,
    /// It cannot be told, for this reason.
    Unknown(String),
}

impl Verdict {
    /// Both: one that does not hold decides, whatever cannot be told.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Unknown(why), _) | (_, Self::Unknown(why)) => Self::Unknown(why),
            (Self::Yes, Self::Yes) => Self::Yes,
        }
    }

    /// One of them: one that holds decides, whatever cannot be told.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        !(!self).and(!other)
    }
}

impl std::ops::Not for Verdict {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            Self::Unknown(why) => Self::Unknown(why),
        }
    }
}

impl From<bool> for Verdict {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deciding_verdict_wins_over_an_unknown_one() {
        let unknown = || Verdict::Unknown("why".to_owned());
        assert_eq!(unknown().and(Verdict::No), Verdict::No);
        assert_eq!(unknown().or(Verdict::Yes), Verdict::Yes);
        assert_eq!(unknown().and(Verdict::Yes), unknown());
        assert_eq!(unknown().or(Verdict::No), unknown());
        assert_eq!(!unknown(), unknown());
        assert_eq!((Verdict::Yes.and(Verdict::Yes), Verdict::No.or(Verdict::No)), (Verdict::Yes, Verdict::No));
    }
}
