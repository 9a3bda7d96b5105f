//! The figures of AWS Budgets are compared with the ledger: an alert may be lost, late or wrong.

use aws_sdk_budgets::types::{Budget, BudgetType, Spend, TimeUnit};
use guardrails_aws::budgets::Standings;
use guardrails_local_aws::ACCOUNT;
use guardrails_local_aws::walkthrough::Role;
use guardrails_model::config::Guardrail;
use guardrails_model::record::RunState;
use guardrails_model::spend::Spending;

use super::lab::{EXAMPLE, Lab, text};

async fn guardrail(lab: &Lab) -> Guardrail {
    lab.ledger.config().await.unwrap().guardrails.into_values().next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn budget_is_read_with_its_alarms_and_update_zeroes_it() {
    let lab = Lab::new().await;
    let client = aws_sdk_budgets::Client::new(&lab.root);
    let standings = Standings { client: client.clone(), account: ACCOUNT.to_owned(), topic: None };
    let guardrail = guardrail(&lab).await;
    // Before any breach every stage is planned, and people are told of targets that would be left alone.
    let said = lab.say(&["reconcile", "--rehearse"]).await;
    assert!(said.contains("100% actual: would change ") && said.contains("would be left alone"), "{said}");
    let (subject, told) = lab.told().await;
    assert!(subject.contains("rehearsal") && told.contains("would be left alone"), "{subject} {told}");
    let kept = lab.ledger.rehearsals().await.unwrap().remove(0);
    assert!(kept.told.is_some() && kept.told == kept.digest() && lab.ledger.runs(None).await.unwrap().is_empty());

    let stands = async || standings.standing(&guardrail).await.unwrap().unwrap();
    let fresh = stands().await;
    assert_eq!((fresh.limit, fresh.actual, fresh.forecast), ("2".parse().unwrap(), "0".parse().unwrap(), None));
    assert!(fresh.updated.is_some() && fresh.alarms.is_empty());

    lab.local.spend("project-beta", "1.99", Some("2.4")).await.unwrap();
    let expected = stands().await;
    assert_eq!((expected.actual, expected.forecast), ("1.99".parse().unwrap(), "2.4".parse().ok()));
    assert_eq!(expected.alarms, ["80% forecasted".parse().unwrap()]);
    lab.local.spend("project-beta", "2.00000000000000000000000000000000001", Some("2.4")).await.unwrap();
    assert_eq!(stands().await.alarms, ["80% forecasted".parse().unwrap(), "100% actual".parse().unwrap()]);
    assert_eq!(fresh.updated, stands().await.updated, "AWS does not say when it computed the spend");

    let limit = Spend::builder().amount("3").unit("USD").build().unwrap();
    let raised = Budget::builder().budget_name("project-beta").budget_type(BudgetType::Cost).time_unit(TimeUnit::Monthly);
    let raised = raised.budget_limit(limit).build().unwrap();
    client.update_budget().account_id(ACCOUNT).new_budget(raised).send().await.unwrap();
    let zeroed = stands().await;
    assert_eq!((zeroed.limit, zeroed.actual), ("3".parse().unwrap(), "0".parse().unwrap()));
    assert!(zeroed.alarms.is_empty() && zeroed.updated > fresh.updated);

    client.delete_budget().account_id(ACCOUNT).budget_name("project-beta").send().await.unwrap();
    assert_eq!(standings.standing(&guardrail).await.unwrap(), None);
    assert!(lab.local.spend("project-beta", "1", None).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_alert_is_enforced_and_started_instances_stop_again() {
    let lab = Lab::with(EXAMPLE, 0.0).await;
    let before = lab.snapshot().await;
    // The alert is sent once, and lost.
    lab.local.spend("project-beta", "2.31", None).await.unwrap();
    let said = lab.say(&["reconcile"]).await;
    assert!(said.contains("project-beta: $2.31 of $2 in ") && said.contains("at 100% actual: its alert never arrived"), "{said}");
    let run = lab.run_when(RunState::Enforced).await;
    let (_, told) = lab.told().await;
    assert!(
        told.contains("No alert of project-beta at 100% actual") && told.contains("AWS Budgets says: $2.31 are spent of $2"),
        "{told}"
    );

    // Nothing changed: nobody is told, and nothing is written of it.
    lab.say(&["reconcile"]).await;
    lab.looked(2).await;
    assert_eq!(lab.run_when(RunState::Enforced).await.events, run.events);

    let mut fleet = lab.world.with_role(Role::Fleet);
    let (again, kept) = (&fleet.next().unwrap().id, &fleet.next().unwrap().id);
    let idle = &lab.world.with_role(Role::AlreadyStopped).next().unwrap().id;
    let ec2 = aws_sdk_ec2::Client::new(&lab.root);
    let tag = aws_sdk_ec2::types::Tag::builder().key("guardrails:release").value("ann").build();
    ec2.create_tags().resources(kept).tags(tag).send().await.unwrap();
    ec2.start_instances().instance_ids(again).instance_ids(kept).instance_ids(idle).send().await.unwrap();
    let said = lab.say(&["reconcile", "--output", "json"]).await;
    assert!(said.contains("looks again at what run"), "{said}");
    lab.looked(3).await;
    let states = lab.snapshot().await.instances;
    assert_eq!([&states[again], &states[idle], &states[kept]], ["stopped", "stopped", "running"]);
    let (_, told) = lab.told().await;
    assert!(told.contains("it carries the tag guardrails:release"), "{told}");

    lab.say(&["rollback", "project-beta", "--yes"]).await;
    let mut expected = before;
    // It ran when the run took it up: so it comes back running.
    expected.instances.insert(idle.clone(), "running".to_owned());
    assert_eq!(lab.snapshot().await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_that_is_gone_fails_the_round_loudly_and_is_named() {
    let lab = Lab::new().await;
    let client = aws_sdk_budgets::Client::new(&lab.root);
    client.delete_budget().account_id(ACCOUNT).budget_name("project-beta").send().await.unwrap();
    let failed = lab.run(&["reconcile"]).await;
    assert_eq!(failed.status.code(), Some(1));
    assert!(text(&failed.stdout).contains("FAILED AWS Budgets has no budget of this name"), "{}", text(&failed.stdout));
    assert!(text(&failed.stderr).contains("Guardrails.Failed"), "{}", text(&failed.stderr));
    let round = lab.ledger.round().await.unwrap().unwrap();
    assert_eq!(round.troubles().len(), 1);
    assert!(round.clean.is_some_and(|clean| clean < round.ended), "the first round, of the deployment, went well");
}

#[tokio::test(flavor = "multi_thread")]
async fn runaway_is_enforced_by_the_price_of_running_instances() {
    let lab = Lab::with(EXAMPLE, 0.0).await;
    // The period may have begun a second ago: a price that explains the figure even then.
    let prices = "date: 2026-11-30\nus-east-1: { t3.micro: 100000000 }\n";
    std::fs::write(lab.folder.path().join("prices.yaml"), prices).unwrap();
    std::fs::write(lab.folder.path().join("guardrails.yaml"), format!("{EXAMPLE}\nprices: prices.yaml\n")).unwrap();
    lab.say(&["deploy", "--yes"]).await;
    let list = guardrails_model::prices::parse("prices", prices).unwrap();
    assert_eq!(lab.ledger.prices().await.unwrap(), Some(list));
    let planned = lab.say(&["plan", "project-beta"]).await;
    assert!(planned.contains("stops costing $"), "{planned}");

    lab.local.spend("project-beta", "40000", None).await.unwrap();
    lab.say(&["reconcile"]).await;
    let run = lab.run_when(RunState::Enforced).await;
    let remarks = run.remarks.join("; ");
    assert!(remarks.contains("$40000 is more than $10000, and the resources that ran in scope could have cost $"), "{remarks}");
    let points = lab.ledger.points(&run.guardrail).await.unwrap();
    assert!(points[0].points.iter().any(|point| point.hourly.is_some_and(|hourly| !hourly.is_zero())), "{points:?}");

    // Taken out of the file, the list is out of use.
    std::fs::write(lab.folder.path().join("guardrails.yaml"), EXAMPLE).unwrap();
    lab.say(&["deploy", "--yes"]).await;
    assert_eq!(lab.ledger.prices().await.unwrap(), None);
}
