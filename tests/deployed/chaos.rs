//! A few scenarios of chaos, each sort of fault among them: `cargo xtask soak` tries many more of them.

use std::time::Duration;

use guardrails_chaos::{Aim, Call, Fault, Kind, Scenario, Shape, Stack, survive};

use super::guardrails;

/// A fault at the first of its calls.
fn fault(kind: Kind, call: &str, times: Option<u32>) -> Fault {
    let words: Vec<&str> = call.split(' ').collect();
    let [function, service, operation] = words.as_slice() else { panic!("{call}") };
    let call = Call { function: (*function).to_owned(), service: (*service).to_owned(), operation: (*operation).to_owned() };
    Fault { kind, aim: Aim::At(call), from: 1, times }
}

fn once(kind: Kind, call: &str) -> Fault {
    fault(kind, call, Some(1))
}

fn scenario(shape: Shape, apply: Vec<Fault>, rollback: Vec<Fault>) -> Scenario {
    let simulated = shape != Shape::Beside;
    Scenario { seed: 0, shape, simulated, again: false, impatient: false, apply, rollback }
}

/// All of them are survived, every fault happened, and the alerts had the expected outcome.
async fn survived(scenarios: Vec<(Scenario, &str)>) {
    let stack = Box::pin(Stack::deploy(&guardrails())).await.expect("a stack is deployed");
    for (scenario, outcome) in scenarios {
        let survived = Box::pin(survive(&stack, &scenario)).await.unwrap_or_else(|failed| panic!("{scenario}: {failed}"));
        assert_eq!(survived.outcome, outcome, "{scenario}");
        for (_, fault, times) in survived.injected {
            assert!(times > 0, "{scenario}: it never came to {fault}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn run_with_faults_enforces_or_fails_loudly_and_rolls_back_once() {
    let ledger_away = Fault { kind: Kind::Failed, aim: Aim::Service("dynamodb"), from: 3, times: Some(8) };
    let again = |scenario: Scenario| Scenario { again: true, ..scenario };
    survived(vec![
        (
            scenario(
                Shape::First(4),
                vec![
                    once(Kind::KilledAfter, "master states StartExecution"),
                    fault(Kind::Throttled, "swap-group-policy iam AttachGroupPolicy", Some(3)),
                    once(Kind::AnswerLost, "stop-instances dynamodb TransactWriteItems"),
                ],
                Vec::new(),
            ),
            "enforced",
        ),
        (
            again(scenario(
                Shape::Beside,
                vec![
                    fault(Kind::Refused, "stop-instances ec2 StopInstances", None),
                    once(Kind::Slow(Duration::from_millis(500)), "swap-group-policy iam DetachGroupPolicy"),
                ],
                Vec::new(),
            )),
            "failed loudly",
        ),
        (scenario(Shape::First(1), vec![ledger_away], Vec::new()), "enforced"),
        (scenario(Shape::Unknown, vec![fault(Kind::KilledBefore, "master sns Publish", Some(3))], Vec::new()), "dead letter"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rollback_with_faults_is_completed_by_one_more_rollback() {
    survived(vec![
        (
            scenario(
                Shape::Both { reordered: true, at_once: true },
                vec![once(Kind::Refused, "notify sns Publish")],
                vec![
                    once(Kind::LandsLate(Duration::from_millis(700)), "stop-instances ec2 StartInstances"),
                    once(Kind::Reset, "swap-group-policy iam AttachGroupPolicy"),
                    once(Kind::AnswerLost, "scale-group-to-zero autoscaling UpdateAutoScalingGroup"),
                ],
            ),
            "enforced",
        ),
        (
            scenario(
                Shape::First(1),
                Vec::new(),
                vec![
                    fault(Kind::Refused, "swap-group-policy iam DetachGroupPolicy", None),
                    once(Kind::KilledAfter, "stop-instances autoscaling ResumeProcesses"),
                    once(Kind::Hangs, "master dynamodb PutItem"),
                ],
            ),
            "enforced",
        ),
    ])
    .await;
}
