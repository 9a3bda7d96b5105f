//! AWS's own walk-through of Budgets as a world: a group that may do all of EC2, a user in it, a fleet of four. Beside them
//! stand those that a guardrail must not touch: the bystanders.

mod snapshot;
mod tries;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_ec2::types::{InstanceType, ResourceType, Tag, TagSpecification};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use guardrails_aws::error::Failure;
use serde::Serialize;
use serde_json::json;

use crate::{Error, LocalAws};

pub use snapshot::Snapshot;
pub use tries::Access;

use tries::Tries;

/// The group that the guardrail is about.
pub const GROUP: &str = "ProjectBeta";
/// A group that nothing is about.
pub const OTHER_GROUP: &str = "ProjectAlpha";
/// The user in [`GROUP`].
pub const USER: &str = "beta-developer";
/// A role that the user may assume.
pub const ROLE: &str = "beta-deployer";
/// The rights of both groups and of the role.
pub const FULL_ACCESS: &str = "AmazonEC2FullAccess";

const POLICIES: &str = "arn:aws:iam::aws:policy/";
/// The Auto Scaling group of the fleet.
pub const AUTO_SCALING_GROUP: &str = "beta-web";
/// The process of it that somebody had suspended before.
pub const SUSPENDED: &str = "AZRebalance";
const IMAGE: &str = "ami-0123456789abcdef0";
const POLL: Duration = Duration::from_millis(50);
const SETTLE_LIMIT: Duration = Duration::from_mins(1);

/// The world, as it was made.
#[derive(Debug, Clone)]
pub struct Walkthrough {
    /// Every instance, the fleet first.
    pub instances: Vec<Instance>,
    root: SdkConfig,
    tries: Tries,
}

/// An instance of the world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Instance {
    /// Its id.
    pub id: String,
    /// As people know it: its name, or its id where it has none.
    pub name: String,
    /// Its part in the walk-through.
    pub role: Role,
}

/// The part of an instance in the walk-through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Runs, and is tagged: to be stopped and started again.
    Fleet,
    /// Tagged, but stopped before: to be stopped afterwards too.
    AlreadyStopped,
    /// Runs and is tagged, in an Auto Scaling group that would terminate it if it were stopped just so.
    AutoScalingMember,
    /// Runs and is tagged, and exempt by another tag.
    Exempt,
    /// Of another project.
    OtherProject,
    /// Without any tag.
    Untagged,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Fleet => "fleet",
            Self::AlreadyStopped => "fleet, stopped before",
            Self::AutoScalingMember => "fleet, in an Auto Scaling group",
            Self::Exempt => "fleet, exempt",
            Self::OtherProject => "another project",
            Self::Untagged => "untagged",
        })
    }
}

impl Walkthrough {
    /// Makes the world in a local AWS, and waits until it stands.
    ///
    /// # Errors
    /// When a call is refused, such as on a local AWS that has this world already.
    pub async fn seed(local: &LocalAws) -> Result<Self, Error> {
        let root = local.sdk_config().await?;
        let (access_key, secret) = seed_access(&root).await?;
        let instances = seed_instances(&root).await?;
        let fleet = instances.first().map(|instance| instance.id.clone()).ok_or_else(|| missing("an instance"))?;
        let tries = Tries::new(local.sdk_config_as(&access_key, &secret).await?, fleet).await?;
        let world = Self { instances, root, tries };
        world.arrange().await?;
        Ok(world)
    }

    /// The same world in `local`, which began with the state of the one that this world was made in.
    ///
    /// # Errors
    /// When the environment sends a service's calls to an endpoint that is not on this machine.
    pub async fn in_copy(&self, local: &LocalAws) -> Result<Self, Error> {
        let root = local.sdk_config().await?;
        let tries = self.tries.to(local.endpoint());
        Ok(Self { instances: self.instances.clone(), root, tries })
    }

    /// How the world is now.
    ///
    /// # Errors
    /// When a call is refused, but for the user's: the outcomes of those are part of the answer.
    pub async fn snapshot(&self) -> Result<Snapshot, Error> {
        snapshot::take(&self.root, &self.tries).await
    }

    /// Each instance's id, and its state as EC2 names it.
    ///
    /// # Errors
    /// When a call is refused.
    pub async fn states(&self) -> Result<BTreeMap<String, String>, Error> {
        snapshot::states(&self.root).await
    }

    /// The secrets of the user's key, and of the session that they have: they stand in no log.
    ///
    /// # Errors
    /// When one of them has none.
    pub async fn secrets(&self) -> Result<Vec<String>, Error> {
        self.tries.secrets().await
    }

    /// The instances that are there for `role`.
    pub fn with_role(&self, role: Role) -> impl Iterator<Item = &Instance> {
        self.instances.iter().filter(move |instance| instance.role == role)
    }

    /// Stops the one that was stopped before, and gives the member its group.
    async fn arrange(&self) -> Result<(), Error> {
        let ec2 = ec2(&self.root);
        for instance in self.with_role(Role::AlreadyStopped) {
            ec2.stop_instances().instance_ids(&instance.id).send().await.map_err(said("stopping an instance"))?;
        }
        let members: Vec<String> = self.with_role(Role::AutoScalingMember).map(|instance| instance.id.clone()).collect();
        seed_auto_scaling(&self.root, members).await?;
        let stand = async {
            while !self.stands(&self.states().await?) {
                tokio::time::sleep(POLL).await;
            }
            Ok(())
        };
        let late = || Error::io("waiting for the instances")(std::io::ErrorKind::TimedOut.into());
        tokio::time::timeout(SETTLE_LIMIT, stand).await.map_err(|_| late())?
    }

    fn stands(&self, states: &BTreeMap<String, String>) -> bool {
        self.instances.iter().all(|instance| {
            let wanted = if instance.role == Role::AlreadyStopped { "stopped" } else { "running" };
            states.get(&instance.id).is_some_and(|state| state == wanted)
        })
    }
}

/// The groups, and the user with an access key.
async fn seed_access(root: &SdkConfig) -> Result<(String, String), Error> {
    let iam = aws_sdk_iam::Client::new(root);
    for group in [GROUP, OTHER_GROUP] {
        iam.create_group().group_name(group).send().await.map_err(said("making a group"))?;
        let policy = format!("{POLICIES}{FULL_ACCESS}");
        let attached = iam.attach_group_policy().group_name(group).policy_arn(policy).send().await;
        attached.map_err(said("attaching a policy to a group"))?;
    }
    iam.create_user().user_name(USER).send().await.map_err(said("making a user"))?;
    let added = iam.add_user_to_group().group_name(GROUP).user_name(USER).send().await;
    added.map_err(said("adding a user to a group"))?;
    seed_other_ways(&iam).await?;
    let made = iam.create_access_key().user_name(USER).send().await.map_err(said("making an access key"))?;
    let key = made.access_key().ok_or_else(|| missing("an access key"))?;
    Ok((key.access_key_id().to_owned(), key.secret_access_key().to_owned()))
}

/// The user's rights beside those of the group: by a policy of their own, and by a role that they assume.
async fn seed_other_ways(iam: &aws_sdk_iam::Client) -> Result<(), Error> {
    let role = tries::role_arn();
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"AWS": format!("arn:aws:iam::{}:root", crate::ACCOUNT)}}]});
    let made = iam.create_role().role_name(ROLE).assume_role_policy_document(trust.to_string()).send().await;
    made.map_err(said("making a role"))?;
    let attached = iam.attach_role_policy().role_name(ROLE).policy_arn(format!("{POLICIES}{FULL_ACCESS}")).send().await;
    attached.map_err(said("attaching a policy to a role"))?;
    let own = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role},
        {"Effect": "Allow", "Action": "ec2:StartInstances", "Resource": "*"}]});
    let put = iam.put_user_policy().user_name(USER).policy_name("own").policy_document(own.to_string()).send().await;
    put.map_err(said("giving a user a policy of their own")).map(|_| ())
}

async fn seed_instances(root: &SdkConfig) -> Result<Vec<Instance>, Error> {
    let named = |name: &str, project: &str| vec![("Name", name.to_owned()), ("Project", project.to_owned())];
    let mut wanted = Vec::new();
    for number in 1..=4 {
        wanted.push((Role::Fleet, named(&format!("beta-{number}"), "Beta")));
    }
    wanted.push((Role::AlreadyStopped, named("beta-idle", "Beta")));
    wanted.push((Role::AutoScalingMember, named("beta-web", "Beta")));
    let exempt = [("guardrails:exempt", "it takes the backups".to_owned())];
    wanted.push((Role::Exempt, named("beta-backup", "Beta").into_iter().chain(exempt).collect()));
    wanted.push((Role::OtherProject, named("alpha-1", "Alpha")));
    wanted.extend([(Role::Untagged, Vec::new()), (Role::Untagged, Vec::new())]);
    let mut instances = Vec::new();
    for (role, tags) in wanted {
        let id = launch(root, &tags).await?;
        let name = tags.first().map_or_else(|| id.clone(), |(_, name)| name.clone());
        instances.push(Instance { id, name, role });
    }
    Ok(instances)
}

async fn launch(root: &SdkConfig, tags: &[(&str, String)]) -> Result<String, Error> {
    let tags: Vec<Tag> = tags.iter().map(|(key, value)| Tag::builder().key(*key).value(value).build()).collect();
    let mut call = ec2(root).run_instances().image_id(IMAGE).instance_type(InstanceType::T3Micro).min_count(1).max_count(1);
    if !tags.is_empty() {
        let kind = ResourceType::Instance;
        call = call.tag_specifications(TagSpecification::builder().resource_type(kind).set_tags(Some(tags)).build());
    }
    let launched = call.send().await.map_err(said("launching an instance"))?;
    let id = launched.instances().first().and_then(|instance| instance.instance_id());
    id.map(str::to_owned).ok_or_else(|| missing("an instance's id"))
}

async fn seed_auto_scaling(root: &SdkConfig, members: Vec<String>) -> Result<(), Error> {
    let auto_scaling = aws_sdk_autoscaling::Client::new(root);
    let configuration = auto_scaling.create_launch_configuration().launch_configuration_name(AUTO_SCALING_GROUP);
    let made = configuration.image_id(IMAGE).instance_type(InstanceType::T3Micro.as_str()).send().await;
    made.map_err(said("making a launch configuration"))?;
    let group = auto_scaling.create_auto_scaling_group().auto_scaling_group_name(AUTO_SCALING_GROUP);
    let group = group.launch_configuration_name(AUTO_SCALING_GROUP).availability_zones(format!("{}a", crate::REGION));
    // A guardrail may suspend only groups that carry its tag themselves.
    let tag = aws_sdk_autoscaling::types::Tag::builder().key("Project").value("Beta").propagate_at_launch(true).build();
    let made = group.min_size(0).max_size(4).desired_capacity(0).tags(tag).send().await;
    made.map_err(said("making an Auto Scaling group"))?;
    let attach = auto_scaling.attach_instances().auto_scaling_group_name(AUTO_SCALING_GROUP);
    let attached = attach.set_instance_ids(Some(members)).send().await;
    attached.map_err(said("attaching an instance to its Auto Scaling group"))?;
    let suspend = auto_scaling.suspend_processes().auto_scaling_group_name(AUTO_SCALING_GROUP);
    let suspended = suspend.scaling_processes(SUSPENDED).send().await;
    suspended.map_err(said("suspending a process of an Auto Scaling group")).map(|_| ())
}

#[allow(clippy::disallowed_methods, reason = "the configuration is of guardrails_aws::clients")]
fn ec2(config: &SdkConfig) -> aws_sdk_ec2::Client {
    aws_sdk_ec2::Client::new(config)
}

fn missing(what: &str) -> Error {
    Error::Call { doing: format!("asking for {what}"), message: "the answer has none".to_owned() }
}

/// A failed call, as an error.
fn said<E>(doing: &str) -> impl FnOnce(SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let doing = doing.to_owned();
    move |error| Error::Call { doing, message: Failure::of(&error).message }
}
