//! The rules by which an event of AWS begins a round.

use guardrails_lambdas::reconcile;
use guardrails_model::wire::RoundOrder;
use serde_json::{Value as Json, json};

use super::rendered::{of_type, rendered, rendered_of};

#[test]
fn restart_of_database_by_rds_begins_a_round() {
    let template = rendered();
    let (name, rule) = of_type(&template, "AWS::Events::Rule").next().unwrap();
    assert_eq!(rule["EventPattern"]["source"], json!(["aws.rds"]));
    assert_eq!(rule["EventPattern"]["detail"]["EventID"], json!(["RDS-EVENT-0153", "RDS-EVENT-0154"]));
    let targets = rule["Targets"].as_array().unwrap();
    assert_eq!((targets.len(), &targets[0]["Arn"]), (1, &json!({"Fn::GetAtt": ["ReconcileFunction", "Arn"]})));
    // No other rule may begin one.
    let mut permissions = of_type(&template, "AWS::Lambda::Permission");
    let (_, permission) = permissions.find(|(_, one)| one["Principal"] == "events.amazonaws.com").unwrap();
    assert_eq!(permission["SourceArn"], json!({"Fn::GetAtt": [name, "Arn"]}));
    assert_eq!(permission["FunctionName"], json!({"Ref": "ReconcileFunction"}));
    let input: Json = serde_json::from_str(targets[0]["Input"].as_str().unwrap()).unwrap();
    assert_eq!(reconcile::order(input).unwrap(), RoundOrder::default(), "a round, and nothing is rehearsed");
}

#[test]
fn stack_without_databases_has_no_rule() {
    let template = rendered_of(include_str!("../../examples/guardrails.yaml"));
    assert_eq!(of_type(&template, "AWS::Events::Rule").count(), 0);
}
