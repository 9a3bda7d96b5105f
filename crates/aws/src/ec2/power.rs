//! Stops and starts instances: as many in a call as may be, and one that is refused costs the others nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_sdk_ec2::Client;
use guardrails_model::action::{Allowance, Change, ChangeOutcome};
use guardrails_model::pace::{Limit, Pacer};
use guardrails_model::receipt::Call;
use guardrails_model::record::Direction;

use super::instances::{instance_id, running, stopped};
use super::limits::{DESCRIBE_REQUESTS, START_INSTANCES, START_REQUESTS, STOP_INSTANCES, STOP_REQUESTS};
use crate::calls;
use crate::error::{Codes, Failure, FailureKind};

/// Calls that one batch of changes may need beside its own: looks before and after.
const LOOKS: usize = 4;
/// The meaning of EC2's own codes. The last two say that an instance is not for stopping.
const CODES: Codes = Codes {
    not_now: &["IncorrectInstanceState", "IncorrectState"],
    no_room: &["MaxSpotInstanceCountExceeded", "ReservationCapacityExceeded", "PendingVerification"],
    not_for_it: &["OperationNotPermitted", "UnsupportedOperation"],
};

/// Turns instances on and off, within the pace.
pub struct PowerSwitch {
    /// Of the Region, without retries of its own.
    pub ec2: Client,
    /// Keeps the pace.
    pub pacer: Arc<Pacer>,
}

/// The kind of one call to EC2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    Stop,
    Hibernate,
    Start,
}

impl PowerSwitch {
    /// How many more instances may be turned now.
    #[must_use]
    pub fn allowance(&self, direction: Direction, changes: usize) -> Allowance {
        let (requests, instances) = limits(if direction == Direction::Apply { Turn::Stop } else { Turn::Start });
        let looks = self.pacer.allowance(DESCRIBE_REQUESTS, DESCRIBE_REQUESTS, LOOKS);
        if changes > 0 && looks.changes == 0 {
            return looks;
        }
        self.pacer.allowance(requests, instances, changes)
    }

    /// Turns each instance as its change says; those that `hibernates` names by hibernation.
    pub async fn turn(&self, changes: &[&Change], hibernates: &BTreeSet<String>) -> Vec<ChangeOutcome> {
        let mut answers: Vec<Option<ChangeOutcome>> = vec![None; changes.len()];
        let mut batches: BTreeMap<Turn, Vec<usize>> = BTreeMap::new();
        for (index, change) in changes.iter().enumerate() {
            let turn = match &change.to {
                to if *to == running() => Turn::Start,
                to if *to != stopped() => continue,
                _ if hibernates.contains(instance_id(&change.facet)) => Turn::Hibernate,
                _ => Turn::Stop,
            };
            batches.entry(turn).or_default().push(index);
        }
        let mut pending: Vec<(Turn, Vec<usize>)> = batches.into_iter().collect();
        let mut first = true;
        while let Some((turn, mut batch)) = pending.pop() {
            // A call that is asked again for fewer decided nothing for any of them.
            let note = |batch: &[usize], call: &Call| batch.iter().for_each(|index| changes[*index].receipt.add(call.clone()));
            let answer = if first || self.may_call(turn) {
                first = false;
                let ids = batch.iter().map(|index| instance_id(&changes[*index].facet)).collect();
                let (call, failure) = self.call(turn, ids).await;
                match failure {
                    // One bad instance fails the whole call: it is halved until that one is found.
                    Some(failure) if is_of_one(&failure) && batch.len() > 1 => {
                        if self.may_call(turn) {
                            let second = batch.split_off(batch.len() / 2);
                            pending.extend([(turn, second), (turn, batch)]);
                            continue;
                        }
                        note(&batch, &call);
                        ChangeOutcome::RetryAlone(failure.message)
                    }
                    // EC2 has several reasons, and some of them pass; a plain stop says whether it can be stopped at all.
                    Some(failure) if turn == Turn::Hibernate && failure.kind == FailureKind::Refused => {
                        note(&batch, &call);
                        pending.push((Turn::Stop, batch));
                        continue;
                    }
                    failure => {
                        note(&batch, &call);
                        failure.map_or(ChangeOutcome::Accepted, |failure| answer(turn, failure))
                    }
                }
            } else {
                ChangeOutcome::Retry(
                    "one of those in the same call was refused, and for now there is no room for more calls".to_owned(),
                )
            };
            for index in batch {
                answers[index] = Some(answer.clone());
            }
        }
        let unknown = |change: &&Change| ChangeOutcome::Refused(format!("`{}` is neither running nor stopped", change.to));
        answers.into_iter().zip(changes).map(|(answer, change)| answer.unwrap_or_else(|| unknown(change))).collect()
    }

    /// Is there room for one more call?
    fn may_call(&self, turn: Turn) -> bool {
        let (requests, _) = limits(turn);
        self.pacer.allowance(requests, requests, 1).changes > 0
    }

    async fn call(&self, turn: Turn, ids: BTreeSet<&str>) -> (Call, Option<Failure>) {
        let (requests, instances) = limits(turn);
        self.pacer.spend(requests, 1);
        self.pacer.spend(instances, ids.len());
        let ids = Some(ids.into_iter().map(str::to_owned).collect());
        let (call, failure) = match turn {
            Turn::Stop | Turn::Hibernate => {
                let call = self.ec2.stop_instances().set_instance_ids(ids);
                let call = if turn == Turn::Hibernate { call.hibernate(true) } else { call };
                let (call, result) = calls::ask("ec2:StopInstances", call.send()).await;
                (call, result.err())
            }
            Turn::Start => {
                let call = self.ec2.start_instances().set_instance_ids(ids).send();
                let (call, result) = calls::ask("ec2:StartInstances", call).await;
                (call, result.err())
            }
        };
        let failure = failure.map(|failure| judged(failure, turn));
        // EC2 does not say which of the two was empty.
        if failure.as_ref().is_some_and(Failure::is_throttling) {
            self.pacer.empty(requests);
            self.pacer.empty(instances);
        }
        (call, failure)
    }
}

/// Codes of want come in two families, of which EC2 has had new ones each year: `Insufficient...`, and quotas, `...LimitExceeded`. Throttling
/// is among neither: it was told apart before.
fn judged(failure: Failure, turn: Turn) -> Failure {
    let failure = failure.judged(&CODES);
    let is_want = |code: &str| code.starts_with("Insufficient") || code.ends_with("LimitExceeded");
    let wants = turn == Turn::Start && failure.code.as_deref().is_some_and(is_want) && !failure.is_throttling();
    if wants { Failure { kind: FailureKind::NoRoom, ..failure } } else { failure }
}

fn limits(turn: Turn) -> (Limit, Limit) {
    match turn {
        Turn::Stop | Turn::Hibernate => (STOP_REQUESTS, STOP_INSTANCES),
        Turn::Start => (START_REQUESTS, START_INSTANCES),
    }
}

fn answer(turn: Turn, failure: Failure) -> ChangeOutcome {
    let stop = matches!(turn, Turn::Stop | Turn::Hibernate);
    if stop && CODES.is_for_another(&failure) {
        return ChangeOutcome::Skipped(failure.message);
    }
    failure.answer()
}

/// May the failure be of one instance of the call alone? Throttling is of the call.
fn is_of_one(failure: &Failure) -> bool {
    failure.kind == FailureKind::Refused || failure.kind == FailureKind::NoRoom || failure.is("IncorrectInstanceState")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_starting_are_judged_as_kinds() {
        let kind = |code: &str, turn| {
            let failure = Failure { code: Some(code.to_owned()), message: String::new(), kind: FailureKind::Refused };
            judged(failure, turn).kind
        };
        for code in [
            "InsufficientInstanceCapacity",
            "InsufficientHostCapacity",
            "InsufficientReservedInstanceCapacity",
            "InsufficientFreeAddressesInSubnet",
            "InstanceLimitExceeded",
            "VcpuLimitExceeded",
            "MaxSpotInstanceCountExceeded",
        ] {
            assert_eq!(
                (kind(code, Turn::Start), kind(code, Turn::Stop) == FailureKind::NoRoom),
                (FailureKind::NoRoom, code.starts_with("Max"))
            );
        }
        assert_eq!(kind("IncorrectInstanceState", Turn::Start), FailureKind::Later);
        for code in ["UnauthorizedOperation", "OperationNotPermitted", "InvalidInstanceID.NotFound", "InvalidParameterValue"] {
            assert_eq!(kind(code, Turn::Start), FailureKind::Refused, "{code}");
        }
    }
}
