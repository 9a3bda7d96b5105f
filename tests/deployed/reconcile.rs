//! What AWS Budgets says is compared with the ledger: an alert may be lost, late or wrong.

use aws_sdk_budgets::types::{Budget, BudgetType, Spend, TimeUnit};
use guardrails_aws::budgets::Standings;
use guardrails_local_aws::ACCOUNT;
use guardrails_model::config::Guardrail;
use guardrails_model::spend::Spending;

use super::lab::Lab;

async fn guardrail(lab: &Lab) -> Guardrail {
    lab.ledger.config().await.unwrap().guardrails.into_values().next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn how_a_budget_stands_is_read_with_its_alarms_and_an_update_zeroes_it() {
    let lab = Lab::new().await;
    let client = aws_sdk_budgets::Client::new(&lab.root);
    let standings = Standings { client: client.clone(), account: ACCOUNT.to_owned() };
    let guardrail = guardrail(&lab).await;
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
