//! The tests' own AWS, as the real SDK sees it: the product's tests are worth as much as this is like AWS.

mod groups;
mod instances;
mod limits;
mod load_balancers;

use std::sync::Arc;

use aws_config::Region;
use aws_sdk_autoscaling::Client as AutoScaling;
use aws_sdk_ec2::Client as Ec2;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::world::{Account, World};

/// An account, and clients in one of its Regions.
struct Place {
    world: Arc<World>,
    ec2: Ec2,
    auto_scaling: AutoScaling,
}

impl Place {
    fn of(fill: impl FnOnce(&mut Account)) -> Self {
        let world = Arc::new(World::default());
        fill(&mut world.account());
        Self::at("us-east-1", &world)
    }

    fn at(region: &'static str, world: &Arc<World>) -> Self {
        let config = world.config().to_builder().region(Region::new(region)).build();
        Self { world: Arc::clone(world), ec2: Ec2::new(&config), auto_scaling: AutoScaling::new(&config) }
    }

    fn wait(&self, seconds: i64) {
        self.world.clock.advance(seconds);
    }

    async fn stop(&self, ids: &[&str]) -> Result<(), String> {
        self.ec2.stop_instances().set_instance_ids(strings(ids)).send().await.map(|_| ()).map_err(why)
    }

    async fn start(&self, ids: &[&str]) -> Result<(), String> {
        self.ec2.start_instances().set_instance_ids(strings(ids)).send().await.map(|_| ()).map_err(why)
    }

    async fn suspend(&self, group: &str, processes: &[&str]) -> Result<(), String> {
        let call = self.auto_scaling.suspend_processes().auto_scaling_group_name(group);
        call.set_scaling_processes(strings(processes)).send().await.map(|_| ()).map_err(why)
    }

    async fn resume(&self, group: &str, processes: &[&str]) -> Result<(), String> {
        let call = self.auto_scaling.resume_processes().auto_scaling_group_name(group);
        call.set_scaling_processes(strings(processes)).send().await.map(|_| ()).map_err(why)
    }

    async fn set_health(&self, id: &str, health: &str) -> Result<(), String> {
        let call = self.auto_scaling.set_instance_health().instance_id(id).health_status(health);
        call.send().await.map(|_| ()).map_err(why)
    }

    async fn ids(&self) -> Vec<String> {
        let mut ids = Vec::new();
        let mut pages = self.ec2.describe_instances().max_results(1000).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.expect("a page");
            let instances = page.reservations().iter().flat_map(aws_sdk_ec2::types::Reservation::instances);
            ids.extend(instances.filter_map(|instance| instance.instance_id().map(str::to_owned)));
        }
        ids
    }

    /// Such as `i-1 Running`.
    fn snapshot(&self) -> Vec<String> {
        self.world.account().snapshot().into_iter().map(|(name, is)| format!("{name} {is}")).collect()
    }

    fn roll(&self, group: &str) -> Vec<String> {
        self.world.account().scaling(group).roll()
    }

    fn terminated(&self) -> Vec<String> {
        self.world.account().terminated.clone()
    }
}

fn strings(items: &[&str]) -> Option<Vec<String>> {
    (!items.is_empty()).then(|| items.iter().map(|item| (*item).to_owned()).collect())
}

/// Such as `OperationNotPermitted: ...`.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn why<E: ProvideErrorMetadata, R>(error: SdkError<E, R>) -> String {
    format!("{}: {}", error.code().unwrap_or("no code"), error.message().unwrap_or_default())
}
