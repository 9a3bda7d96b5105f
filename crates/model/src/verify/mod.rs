//! Who can still launch? After a stage has taken rights from somebody, IAM is asked about their remaining rights. It is asked
//! about each member of a restricted group, each restricted user and role, and, one hop, each role of the account that they can
//! assume. The meaning of its answers stands here; `guardrails_aws::iam_verify` asks.

mod answers;
mod book;
mod change;
mod entry;
mod person;
mod record;
mod trust;
mod work;

pub use answers::{Decision, LAUNCHES, Launch, Launching, Simulated, Way, is_own_deny, launching, policy_words};
pub use book::Book;
pub use change::{Changes, Left};
pub use entry::lets_others_in;
pub use person::{MOST_WAYS, Person, Standing};
pub use record::{Counts, Verification};
pub use trust::{Assumable, Caller, Trust, Trusted, assumable};
pub use work::{Half, RoleAnswer, RolePage, Work};

pub use crate::config::{Demand, Rule};

/// Seconds for which IAM is given time to see a change: it says "a few seconds", and is not held to it.
pub const PROPAGATION: i64 = 60;

/// The source of the answers. [`LIMITS`] has its limits.
pub const BY: &str = "by IAM's policy simulator, which does not know all policies: see `guardrails plan --help`";
/// The limits of every answer, in one line.
pub const LIMITS: &str = "asked of IAM's policy simulator: it knows of no resource control, resource or session policies; one role \
                          further, no chain of roles; rights on named instances or in other Regions' ARNs only \
                          are not looked for";
