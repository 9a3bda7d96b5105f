//! Services that are left alone. Each reason is known before anything is called.

use aws_sdk_ecs::types::{
    Deployment, DeploymentController, DeploymentControllerType, DeploymentRolloutState, ResourceManagementType,
    SchedulingStrategy, Service,
};

use super::list::Item;
use super::{Keys, VolumeData};

/// Why the service is left alone, if it is. A deployment is over some time: see [`deploying`].
pub(super) fn reason(item: &Item, keys: Keys) -> Option<String> {
    let service = &item.service;
    if service.scheduling_strategy() == Some(&SchedulingStrategy::Daemon) {
        return Some("it is a DAEMON service, which has no count: its tasks end with their container instances".to_owned());
    }
    if service.resource_management_type() == Some(&ResourceManagementType::Ecs) {
        return Some("it is an ECS Express service, which ECS scales by itself".to_owned());
    }
    let controller = service.deployment_controller().map(DeploymentController::r#type);
    match controller {
        None | Some(DeploymentControllerType::Ecs) => {}
        Some(DeploymentControllerType::CodeDeploy) => {
            return Some("CodeDeploy deploys it, and may set its count to any value".to_owned());
        }
        Some(other) => return Some(format!("its deployments are made by another controller ({})", other.as_str())),
    }
    if primary(service).and_then(Deployment::rollout_state) == Some(&DeploymentRolloutState::Failed) {
        return Some("its last deployment failed, and ECS starts no tasks of such a one: it would not come back".to_owned());
    }
    let has_volumes = service.deployments().iter().any(|deployment| !deployment.volume_configurations().is_empty());
    (has_volumes && keys.volume_data != VolumeData::Lose).then(|| {
        "its tasks have EBS volumes of their own, which are deleted with them (`volume-data: lose` stops it all the same)"
            .to_owned()
    })
}

/// That a deployment of it is under way, if one is.
pub(super) fn deploying(service: &Service) -> Option<String> {
    let under_way = primary(service).and_then(Deployment::rollout_state) == Some(&DeploymentRolloutState::InProgress);
    (under_way || service.deployments().len() > 1).then(|| "a deployment of it is under way".to_owned())
}

/// The deployment that counts.
fn primary(service: &Service) -> Option<&Deployment> {
    service.deployments().iter().find(|deployment| deployment.status() == Some("PRIMARY"))
}
