//! The rights of the action's function, held against the calls of a whole life. `cargo xtask rights` has a foreign evaluator judge the
//! same calls.

use super::{fill, stop};
use crate::actions::worked_example::recorded::{judge, keeps_to_its_regions};
use crate::story::Story;
use crate::world::Database;

#[tokio::test]
async fn each_call_is_granted_and_each_grant_is_used() {
    let story = Story::of(|account| {
        fill(account);
        account
            .database(Database { global: Some("world".to_owned()), ..Database::cluster("far", "aurora-mysql", "Project=Beta") });
        account.database(Database::instance("far-1", "aurora-mysql", "Project=Beta").member_of("far"));
        account.global_clusters.insert("world".to_owned(), vec!["arn:aws:rds:us-east-1:123456789012:cluster:far".to_owned()]);
    });
    let run = stop(&story).await;
    story.put_back(&run).await;
    judge("stop-databases", &story);
}

#[test]
fn rights_are_of_the_stage_s_regions_alone() {
    keeps_to_its_regions("stop-databases");
}
