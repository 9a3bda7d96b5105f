//! The rights of the action's function, held against the calls of a whole life. `cargo xtask rights` has a foreign evaluator judge the
//! same calls.

use super::{fill, pause};
use crate::actions::worked_example::recorded::{judge, keeps_to_its_regions};
use crate::story::Story;

#[tokio::test]
async fn each_call_is_granted_and_each_grant_is_used() {
    let story = Story::of(fill);
    let run = pause(&story).await;
    story.put_back(&run).await;
    judge("pause-clusters", &story);
}

#[test]
fn rights_are_of_the_stage_s_regions_alone() {
    keeps_to_its_regions("pause-clusters");
}
