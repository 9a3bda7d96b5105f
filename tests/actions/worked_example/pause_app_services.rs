//! `pause-app-services`: pauses the App Runner services that carry the tags, and resumes those that it paused. A paused
//! service loses its memory.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_apprunner::Client;
use aws_sdk_apprunner::types::Service;
use guardrails_aws::context::Context;
use guardrails_aws::declared::{About, Counted, Noun, Priced};
use guardrails_aws::error::{Codes, Failure};
use guardrails_aws::switch::{Calling, Found, NoOptions, Resource, States, Switch, Switched, Which};
use guardrails_model::action::{ActionError, Patience};
use guardrails_model::ids::Value;
use guardrails_model::pace::Limit;

/// The action.
pub type PauseAppServices = Switched<AppServices>;

/// Every other state is on its way to one of these.
const STATES: States = States { settled: &[("RUNNING", "running"), ("PAUSED", "paused")], ended: &["DELETED", "DELETE_FAILED"] };
/// App Runner documents no figures: two calls a second at the most.
const CALLS: Limit = Limit::new("app-runner-requests", 10.0, 2.0);

const EACH: &str = "a list has no tags, so each service is looked at";

/// App Runner's services, in one Region.
pub struct AppServices {
    reads: Client,
    changes: Client,
}

/// A service with its tags, which App Runner tells apart.
pub struct Described {
    service: Service,
    tags: BTreeMap<String, String>,
}

#[async_trait]
impl Switch for AppServices {
    const ABOUT: About = About {
        limits: &[CALLS],
        ..About::new(
            "pause-app-services",
            "pauses the App Runner services that carry the tags, in all Regions",
            "resumes just the services that it paused",
        )
    };
    const TARGET: Counted = Counted {
        facet: "app-service",
        noun: Noun { one: "App Runner service", many: "App Runner services" },
        doing: ("pausing", "resuming"),
        limits: Some((CALLS, CALLS)),
        price: Priced::ByKind,
    };
    const RESOURCE: Resource = Resource {
        service: "apprunner",
        arn: "service/*",
        lists: &["apprunner:ListServices"],
        reads: &["apprunner:DescribeService", "apprunner:ListTagsForResource"],
        wide: &[("apprunner:DescribeService", EACH), ("apprunner:ListTagsForResource", EACH)],
        turns: &["apprunner:PauseService", "apprunner:ResumeService"],
    };
    // It is in another state: looked at again before it is asked again.
    const CODES: Codes = Codes { not_now: &["InvalidStateException"], ..Codes::NONE };
    const PATIENCE: Patience = Patience { poll: 10, limit: 1800, give_up: 3600 };
    type Options = NoOptions;
    type Item = Described;

    fn new(context: &Context<'_>, _: &NoOptions) -> Self {
        Self { reads: Client::new(&context.sdk), changes: Client::new(&context.sdk_for_changes()) }
    }

    async fn list(&self, which: &Which<'_>) -> Result<Vec<Described>, ActionError> {
        let arns = match which {
            Which::Tagged(_) => self.all().await?,
            Which::Ids(arns) => arns.iter().cloned().collect(),
        };
        let mut described = Vec::new();
        for arn in arns {
            described.extend(self.describe(&arn).await?);
        }
        Ok(described)
    }

    fn found(&self, Described { service, tags }: &Described) -> Found {
        let (label, state) = (format!("service {}", service.service_name()), service.status().as_str());
        let size = service.instance_configuration().and_then(|size| Some(format!("{} CPU {} MB", size.cpu()?, size.memory()?)));
        Found {
            tags: tags.clone(),
            kind: size,
            note: Some("what it keeps in memory will be gone".to_owned()),
            left_alone: (state == "CREATE_FAILED").then(|| "it was never made".to_owned()),
            ending: STATES.ending(state),
            ..Found::new(service.service_arn(), label, STATES.seen(state), Value::new("paused"))
        }
    }

    async fn set(&self, arn: &str, to: &Value, calling: &Calling<'_>) -> Result<(), Failure> {
        if to.as_str() == "paused" {
            let call = self.changes.pause_service().service_arn(arn).send();
            return calling.make("apprunner:PauseService", call).await.map(drop);
        }
        calling.make("apprunner:ResumeService", self.changes.resume_service().service_arn(arn).send()).await.map(drop)
    }
}

impl AppServices {
    async fn all(&self) -> Result<Vec<String>, ActionError> {
        let (mut arns, mut next) = (Vec::new(), None);
        loop {
            let page = self.reads.list_services().set_next_token(next).send().await;
            let page = page.map_err(|error| Failure::of(&error).reading("listing App Runner's services"))?;
            arns.extend(page.service_summary_list().iter().filter_map(|one| one.service_arn().map(str::to_owned)));
            next = page.next_token;
            if next.is_none() {
                return Ok(arns);
            }
        }
    }

    /// Nothing when App Runner says that there is none.
    async fn describe(&self, arn: &str) -> Result<Option<Described>, ActionError> {
        let answer = self.reads.describe_service().service_arn(arn).send().await.map_err(|error| Failure::of(&error));
        let service = match answer {
            Err(failure) if failure.is("ResourceNotFoundException") => return Ok(None),
            other => other.map_err(|failure| failure.reading("describing a service"))?.service,
        };
        let answer = self.reads.list_tags_for_resource().resource_arn(arn).send().await;
        let answer = answer.map_err(|error| Failure::of(&error).reading("asking for a service's tags"))?;
        let tags = answer.tags().iter().filter_map(|tag| Some((tag.key()?.to_owned(), tag.value()?.to_owned()))).collect();
        Ok(service.map(|service| Described { service, tags }))
    }
}
