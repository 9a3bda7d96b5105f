//! The things that a deleted stack left behind, by its own events and parameters.

use std::collections::BTreeSet;

use anyhow::Result;
use aws_sdk_cloudformation::types::{ResourceStatus, StackEvent};

use super::stack::{self, Stacks};

const TABLE: &str = "AWS::DynamoDB::Table";
const QUEUE: &str = "AWS::SQS::Queue";
const LOG_GROUP: &str = "AWS::Logs::LogGroup";
const KEY: &str = "AWS::KMS::Key";

/// The things that may be left, by their ids.
#[derive(Debug, Default)]
pub(super) struct Remains {
    /// Ledgers: those that the stack made, and the one that it adopted.
    pub(super) tables: BTreeSet<String>,
    /// The addresses of the queues of dead letters.
    pub(super) queues: BTreeSet<String>,
    /// Other resources that were kept, with their types.
    pub(super) others: BTreeSet<(String, String)>,
    /// Log groups that the stack had. A function that ended late could have written once more.
    pub(super) log_groups: BTreeSet<String>,
    /// Keys that AWS deletes after its waiting time.
    pub(super) keys: BTreeSet<String>,
    /// The buckets with the functions' code.
    pub(super) buckets: BTreeSet<String>,
}

impl Remains {
    /// Those of the deleted stack with that id.
    pub(super) async fn of(stacks: &Stacks<'_>, id: &str) -> Result<Self> {
        let mut remains = Self::default();
        for event in stacks.events(id).await? {
            remains.take(&event);
        }
        if let Some(stack) = stacks.with_id(id).await? {
            remains.tables.extend(stack::adopted_ledger(&stack));
            remains.buckets.extend(stack::parameter(&stack, "ArtifactBucket"));
        }
        Ok(remains)
    }

    fn take(&mut self, event: &StackEvent) {
        let (Some(kind), Some(id)) = (event.resource_type(), event.physical_resource_id().filter(|id| !id.is_empty())) else {
            return;
        };
        let kept = event.resource_status() == Some(&ResourceStatus::DeleteSkipped);
        let set = match kind {
            TABLE if kept => &mut self.tables,
            QUEUE if kept => &mut self.queues,
            LOG_GROUP => &mut self.log_groups,
            KEY if event.resource_status() == Some(&ResourceStatus::DeleteComplete) => &mut self.keys,
            _ => {
                if kept {
                    self.others.insert((kind.to_owned(), id.to_owned()));
                }
                return;
            }
        };
        set.insert(id.to_owned());
    }

    /// Those of another stack too.
    pub(super) fn add(&mut self, other: Self) {
        self.tables.extend(other.tables);
        self.queues.extend(other.queues);
        self.others.extend(other.others);
        self.log_groups.extend(other.log_groups);
        self.keys.extend(other.keys);
        self.buckets.extend(other.buckets);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str, id: &str, status: ResourceStatus) -> StackEvent {
        StackEvent::builder().resource_type(kind).physical_resource_id(id).resource_status(status).build()
    }

    #[test]
    fn kept_resources_are_left_and_deleted_ones_are_not() {
        let mut remains = Remains::default();
        for (kind, id, status) in [
            (TABLE, "ledger", ResourceStatus::DeleteSkipped),
            (TABLE, "gone", ResourceStatus::DeleteComplete),
            (QUEUE, "letters", ResourceStatus::DeleteSkipped),
            (KEY, "key", ResourceStatus::DeleteComplete),
            ("AWS::IAM::ManagedPolicy", "policy", ResourceStatus::DeleteSkipped),
            ("AWS::Lambda::Function", "function", ResourceStatus::DeleteComplete),
            (LOG_GROUP, "log", ResourceStatus::DeleteComplete),
        ] {
            remains.take(&event(kind, id, status));
        }
        let of = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(" ");
        assert_eq!(
            [&remains.tables, &remains.queues, &remains.keys, &remains.log_groups].map(of),
            ["ledger", "letters", "key", "log"]
        );
        assert_eq!(remains.others.into_iter().map(|(_, id)| id).collect::<Vec<_>>(), ["policy"]);
    }
}
