//! Resources by their tags, as AWS's index of tags has them. It knows most services, is asked once for each Region, and may lag behind.

use aws_config::{Region, SdkConfig};
use aws_sdk_resourcegroupstagging::Client;
use aws_sdk_resourcegroupstagging::types::TagFilter;
use futures::StreamExt as _;
use futures::stream;
use guardrails_aws::declared::Noun;
use guardrails_aws::ec2::regions::Regions;
use guardrails_aws::error::{Failure, with_right};
use guardrails_model::config::Tags;
use guardrails_model::ids::Place;

/// Resources on a page of the index.
const PAGE: i32 = 100;
/// Pages of a Region that are read: an account may have any number of resources.
const MOST_PAGES: usize = 50;
/// Regions that are asked at once.
const AT_ONCE: usize = 8;
/// Values of a key that the index takes.
const VALUES: usize = 20;

/// A kind of resource that an action stops.
pub(crate) struct Stoppable {
    /// As the index names it.
    pub(crate) kind: &'static str,
    pub(crate) noun: Noun,
    pub(crate) action: &'static str,
    /// The action's work, in a sentence for a file's comment.
    pub(crate) does: &'static str,
}

const INSTANCES: &str = "Stops EC2 instances. Their disks and addresses stay, and go on costing.";
const DATABASES: &str = "Stops databases of RDS and Aurora. Their storage stays, and goes on costing.";

/// The kinds of resource that the actions stop.
pub(crate) const STOPPABLE: &[Stoppable] = &[
    of("ec2:instance", ("instance", "instances"), "stop-instances", INSTANCES),
    of("rds:db", ("DB instance", "DB instances"), "stop-databases", DATABASES),
    of("rds:cluster", ("DB cluster", "DB clusters"), "stop-databases", DATABASES),
    of("ecs:service", ("ECS service", "ECS services"), "stop-services", "Sets ECS services to 0 tasks."),
    of(
        "redshift:cluster",
        ("Redshift cluster", "Redshift clusters"),
        "pause-clusters",
        "Pauses Redshift clusters. Their storage goes on costing.",
    ),
    of(
        "lambda:function",
        ("Lambda function", "Lambda functions"),
        "stop-functions",
        "Lets Lambda functions take no calls: callers get an error meanwhile.",
    ),
];

const fn of(
    kind: &'static str,
    (one, many): (&'static str, &'static str),
    action: &'static str,
    does: &'static str,
) -> Stoppable {
    Stoppable { kind, noun: Noun { one, many }, action, does }
}

/// A resource of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tagged {
    /// Such as `ec2:instance`.
    pub(crate) kind: String,
    pub(crate) region: Place,
    pub(crate) tags: Vec<(String, String)>,
}

/// The resources that were found, and the reads that failed, in words.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) resources: Vec<Tagged>,
    pub(crate) unread: Vec<String>,
}

/// The Regions that are enabled in the account. Where EC2 does not say, the Region of `sdk` alone, with the reason.
pub(crate) async fn regions(sdk: &SdkConfig) -> (Vec<Place>, Option<String>) {
    match Regions::All.places(&aws_sdk_ec2::Client::new(sdk)).await {
        Ok(regions) => (regions, None),
        Err(error) => {
            let home = sdk.region().and_then(|region| region.as_ref().parse().ok());
            (home.into_iter().collect(), Some(format!("the other Regions: {}", with_right(&error.to_string()))))
        }
    }
}

/// The resources of these kinds in these Regions that carry the tags; of all kinds, or with any tag, where none are given.
pub(crate) async fn list(sdk: &SdkConfig, regions: &[Place], kinds: &[&str], tags: &Tags) -> Found {
    let asked = regions.iter().map(|region| async move { (region, in_region(sdk, region, kinds, tags).await) });
    let mut answers = stream::iter(asked).buffered(AT_ONCE);
    let mut found = Found::default();
    while let Some((region, (resources, trouble))) = answers.next().await {
        found.resources.extend(resources);
        found.unread.extend(trouble.map(|why| format!("tagged resources in {region}: {why}")));
    }
    found
}

/// The resources of one Region, as far as they could be read, and the reason where that was not all.
async fn in_region(sdk: &SdkConfig, region: &Place, kinds: &[&str], tags: &Tags) -> (Vec<Tagged>, Option<String>) {
    let client = Client::new(&sdk.to_builder().region(Region::new(region.to_string())).build());
    let filter = |(key, values): (&str, Vec<&str>)| {
        let named = values.len() <= VALUES;
        let values = values.into_iter().map(str::to_owned).collect();
        TagFilter::builder().key(key).set_values(named.then_some(values)).build()
    };
    let filters: Vec<TagFilter> = tags.iter().map(filter).collect();
    let kinds: Vec<String> = kinds.iter().map(|kind| (*kind).to_owned()).collect();
    let (mut resources, mut next) = (Vec::new(), None);
    for _ in 0..MOST_PAGES {
        let page = client
            .get_resources()
            .resources_per_page(PAGE)
            .set_resource_type_filters((!kinds.is_empty()).then(|| kinds.clone()))
            .set_tag_filters((!filters.is_empty()).then(|| filters.clone()))
            .set_pagination_token(next)
            .send()
            .await;
        let page = match page {
            Ok(page) => page,
            Err(error) => return (resources, Some(format!("tag:GetResources: {}", with_right(&Failure::of(&error).message)))),
        };
        for one in page.resource_tag_mapping_list() {
            let tags = one.tags().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect();
            let kind = one.resource_arn().and_then(kind);
            resources.extend(kind.map(|kind| Tagged { kind, region: region.clone(), tags }));
        }
        next = page.pagination_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return (resources, None);
        }
    }
    let read = resources.len();
    (resources, Some(format!("there are more than the {read} that were read")))
}

/// The kind of resource of an ARN, such as `ec2:instance`; `s3:` where the ARN names no type.
fn kind(arn: &str) -> Option<String> {
    let mut parts = arn.splitn(6, ':').skip(2);
    let (service, resource) = (parts.next()?, parts.nth(2)?);
    let of_type = resource.find(['/', ':']).map_or("", |at| &resource[..at]);
    Some(format!("{service}:{of_type}"))
}

#[cfg(test)]
mod tests {
    use guardrails_aws::actions::CATALOG;

    use super::*;

    #[test]
    fn kind_is_the_service_and_the_type_of_an_arn() {
        for (arn, expected) in [
            ("arn:aws:ec2:us-east-1:123456789012:instance/i-0abc", Some("ec2:instance")),
            ("arn:aws:rds:us-east-1:123456789012:db:orders", Some("rds:db")),
            ("arn:aws:elasticloadbalancing:us-east-1:1:loadbalancer/app/web/1", Some("elasticloadbalancing:loadbalancer")),
            ("arn:aws:s3:::logs", Some("s3:")),
            ("nonsense", None),
        ] {
            assert_eq!(kind(arn).as_deref(), expected, "{arn}");
        }
    }

    /// Else `init` and `plan` would say of its resources that no action stops them.
    #[test]
    fn each_action_of_stop_all_is_offered() {
        for entry in CATALOG.entries().iter().filter(|entry| entry.joins_stop_all.is_some()) {
            assert!(STOPPABLE.iter().any(|one| one.action == entry.name), "{}", entry.name);
        }
    }

    #[test]
    fn each_action_that_is_offered_exists_and_selects_by_tag() {
        for one in STOPPABLE {
            let params = serde_json::json!({"tag": {"Project": "Beta"}});
            let action = CATALOG.find(one.action).unwrap().read(&params).unwrap();
            assert!(action.selects().is_some(), "{}", one.action);
        }
    }
}
