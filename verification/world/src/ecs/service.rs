//! A service of ECS: its count, and the tasks that follow it in their own time.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value as Json, json};

use super::Key;
use crate::place::HOME;

/// A cluster.
#[derive(Debug, Clone, Default)]
pub struct Cluster {
    /// How many container instances are registered in it.
    pub instances: usize,
    /// Its capacity providers: name, Auto Scaling group, and whether ECS scales the group.
    pub providers: Vec<(&'static str, &'static str, bool)>,
}

/// A deployment of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// `PRIMARY` or `ACTIVE`.
    pub status: &'static str,
    /// `COMPLETED`, `IN_PROGRESS` or `FAILED`.
    pub rollout: &'static str,
}

/// A service.
#[derive(Debug, Clone)]
pub struct EcsService {
    /// Its Region.
    pub region: String,
    /// Its cluster's name.
    pub cluster: String,
    /// Its name.
    pub name: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// `ACTIVE`, `DRAINING` or `INACTIVE`.
    pub status: &'static str,
    /// How many tasks it wants.
    pub desired: usize,
    /// `REPLICA` or `DAEMON`.
    pub strategy: &'static str,
    /// `ECS`, `CODE_DEPLOY` or `EXTERNAL`.
    pub controller: &'static str,
    /// Is it an Express service, which ECS manages?
    pub express: bool,
    /// `FARGATE` or `EC2`.
    pub launch: &'static str,
    /// Does it have volumes that end with its tasks?
    pub volumes: bool,
    /// Its deployments.
    pub deployments: Vec<Deployment>,
    /// How many of its tasks are protected from scale-in.
    pub protected: usize,
    /// How many tasks there is room for.
    pub room: usize,
    /// How many tasks its alarm asks for, while it is in alarm.
    pub alarm: Option<usize>,
    /// How many seconds its tasks take to start and to stop.
    pub takes: i64,
    /// When it was made.
    pub created: Timestamp,
    /// How many tasks ran when its count was set last.
    pub running: usize,
    /// When its count was set last.
    pub since: Timestamp,
}

impl EcsService {
    /// A service in the home Region, such as `beta/web` with the tags `Project=Beta Stage=dev`, whose tasks all run.
    ///
    /// # Panics
    /// When the name has no cluster.
    #[must_use]
    pub fn new(name: &str, desired: usize, tags: &str) -> Self {
        let (cluster, name) = name.split_once('/').expect("a cluster and a name");
        let tags = tags.split_whitespace().filter_map(|tag| tag.split_once('='));
        Self {
            region: HOME.to_owned(),
            cluster: cluster.to_owned(),
            name: name.to_owned(),
            tags: tags.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            status: "ACTIVE",
            desired,
            strategy: "REPLICA",
            controller: "ECS",
            express: false,
            launch: "FARGATE",
            volumes: false,
            deployments: vec![Deployment { status: "PRIMARY", rollout: "COMPLETED" }],
            protected: 0,
            room: usize::MAX,
            alarm: None,
            takes: 30,
            created: Timestamp::UNIX_EPOCH,
            running: desired,
            since: Timestamp::UNIX_EPOCH - SignedDuration::from_hours(24),
        }
    }

    /// In another Region.
    #[must_use]
    pub fn region(self, region: &str) -> Self {
        Self { region: region.to_owned(), ..self }
    }

    /// Running on EC2.
    #[must_use]
    pub fn on_ec2(self) -> Self {
        Self { launch: "EC2", ..self }
    }

    pub(super) fn key(&self) -> Key {
        (self.region.clone(), self.cluster.clone(), self.name.clone())
    }

    pub(super) fn arn(&self) -> String {
        format!("arn:aws:ecs:{}:123456789012:service/{}/{}", self.region, self.cluster, self.name)
    }

    /// Somebody, or AWS, sets the count at `now`.
    pub fn set(&mut self, desired: usize, now: Timestamp) {
        if self.desired != desired {
            (self.running, self.since, self.desired) = (self.counts(now).0, now, desired);
        }
    }

    /// How many tasks it has that it is not stopping.
    pub(super) fn kept(&self, at: Timestamp) -> usize {
        if self.desired < self.running { self.desired.max(self.protected.min(self.running)) } else { self.counts(at).0 }
    }

    /// How many tasks run and how many are pending. Those that are protected are not stopped, and those without room not started.
    #[must_use]
    pub fn counts(&self, at: Timestamp) -> (usize, usize) {
        let goal = if self.desired < self.running {
            self.desired.max(self.protected.min(self.running))
        } else {
            self.desired.min(self.room.max(self.running))
        };
        if at >= self.since + SignedDuration::from_secs(self.takes) {
            return (goal, 0);
        }
        (self.running, goal.saturating_sub(self.running))
    }

    /// The service as `DescribeServices` shows it.
    pub(super) fn shown(&self, at: Timestamp) -> Json {
        let (running, pending) = self.counts(at);
        let deployment = |(index, deployment): (usize, &Deployment)| {
            let volumes = if self.volumes { json!([{"name": "data"}]) } else { json!([]) };
            let rollout = if self.controller == "ECS" { json!(deployment.rollout) } else { Json::Null };
            json!({"id": format!("ecs-svc/{index}"), "status": deployment.status, "rolloutState": rollout,
                "desiredCount": self.desired, "runningCount": running, "volumeConfigurations": volumes})
        };
        // ECS omits the deployments of services whose task sets others make.
        let is_own = self.controller == "ECS";
        let deployments: Vec<Json> = self.deployments.iter().enumerate().filter(|_| is_own).map(deployment).collect();
        let tags = self.tags.iter().map(|(key, value)| json!({"key": key, "value": value}));
        json!({
            "serviceArn": self.arn(),
            "serviceName": self.name,
            "clusterArn": format!("arn:aws:ecs:{}:123456789012:cluster/{}", self.region, self.cluster),
            "status": self.status,
            "desiredCount": self.desired,
            "runningCount": running,
            "pendingCount": pending,
            "launchType": self.launch,
            "schedulingStrategy": self.strategy,
            "deploymentController": {"type": self.controller},
            "resourceManagementType": if self.express { "ECS" } else { "CUSTOMER" },
            "deployments": deployments,
            "events": self.events(at),
            "createdAt": self.created.as_duration().as_secs_f64(),
            "tags": tags.collect::<Vec<_>>(),
        })
    }

    /// Its last events, the newest first.
    fn events(&self, at: Timestamp) -> Vec<Json> {
        let event = |number: usize, at: Timestamp, message: &str| json!({"id": number.to_string(), "createdAt": at.as_second(), "message": format!("(service {}) {message}", self.name)});
        let settled = self.since + SignedDuration::from_secs(self.takes);
        let before = event(1, self.since, "has reached a steady state.");
        if at < settled {
            return vec![event(2, self.since, "has begun to follow its count."), before];
        }
        if self.counts(at).0 < self.desired {
            let why = "was unable to place a task. Reason: Capacity is unavailable at this time. Please try again later or in a \
                       different availability zone.";
            return vec![event(2, settled, why), before];
        }
        vec![event(2, settled, "has reached a steady state."), before]
    }
}
