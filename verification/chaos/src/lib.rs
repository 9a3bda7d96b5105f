//! Chaos on the deployed stack: alerts arrive while calls are throttled, refused, slow, lost or done with the answer lost, and
//! functions are killed. Each time it is enforced or loudly failed, and once the fault is lifted, one rollback puts everything
//! back. A scenario follows from its seed, so one that was not survived can be tried again alone.

mod history;
mod proxy;
mod scenario;
pub mod soak;
mod stack;
mod trial;

pub use history::History;
pub use proxy::{Aim, Call, Fault, Kind};
pub use scenario::{Catalogue, Scenario, Shape};
pub use stack::Stack;
pub use trial::{Failed, Survived, record, survive};
