//! Functions by their tags. Lambda's own lists have no tags, so the index of all tags names the functions, and each function's own
//! tags confirm it: the index may lag behind.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_resourcegroupstagging::types::TagFilter;
use guardrails_model::action::ActionError;
use guardrails_model::config::Tags;

use crate::actions::scalable_target::{self, Targets};
use crate::context::Context;
use crate::error::Failure;

/// Resources on a page of the index, and mappings on one of Lambda's.
pub(super) const PAGE: i32 = 100;
/// Values of a key that the index takes.
const VALUES: usize = 20;

/// Tags by their keys.
pub(super) type Own = BTreeMap<String, String>;

/// Reads the functions of one Region.
pub(super) struct Reader {
    pub(super) lambda: aws_sdk_lambda::Client,
    pub(super) targets: Targets,
    tagging: aws_sdk_resourcegroupstagging::Client,
    /// How the ARNs of its functions begin.
    arns: String,
}

impl Reader {
    pub(super) fn new(context: &Context<'_>) -> Self {
        let account = context.account.as_ref().map_or("", |account| account.id.as_str());
        Self {
            lambda: aws_sdk_lambda::Client::new(&context.sdk),
            targets: Targets::new(context, &scalable_target::FUNCTIONS),
            tagging: aws_sdk_resourcegroupstagging::Client::new(&context.sdk),
            arns: format!("arn:{}:lambda:{}:{account}:function:", context.partition(), context.region()),
        }
    }

    /// The names of the functions that carry the tags, by the index.
    pub(super) async fn tagged(&self, tags: &Tags) -> Result<BTreeSet<String>, ActionError> {
        let filter = |(key, values): (&str, Vec<&str>)| {
            let values: Vec<String> = values.into_iter().map(str::to_owned).collect();
            // The functions' own tags decide in the end.
            TagFilter::builder().key(key).set_values((values.len() <= VALUES).then_some(values)).build()
        };
        let filters: Vec<TagFilter> = tags.iter().map(filter).collect();
        let (mut names, mut next) = (BTreeSet::new(), None);
        loop {
            let asked = self.tagging.get_resources().resource_type_filters("lambda:function").resources_per_page(PAGE);
            let page = asked.set_tag_filters(Some(filters.clone())).set_pagination_token(next).send().await;
            let page = page.map_err(|error| Failure::of(&error).reading("asking for the functions that carry the tags"))?;
            let arns = page.resource_tag_mapping_list().iter().filter_map(|one| one.resource_arn());
            names.extend(arns.map(|arn| named(arn).0.to_owned()));
            next = page.pagination_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(names);
            }
        }
    }

    /// The own tags of these functions, without those that are not there any more.
    pub(super) async fn tags(&self, names: impl IntoIterator<Item = &str>) -> Result<BTreeMap<String, Own>, ActionError> {
        let names: BTreeSet<&str> = names.into_iter().collect();
        let mut all = BTreeMap::new();
        for name in names {
            let answer = self.lambda.list_tags().resource(format!("{}{name}", self.arns)).send().await;
            match answer.map_err(|error| Failure::of(&error)) {
                Err(failure) if failure.is(NOT_FOUND) => {}
                Err(failure) => return Err(failure.reading(&format!("asking for the tags of the function {name}"))),
                Ok(answer) => {
                    all.insert(name.to_owned(), answer.tags.unwrap_or_default().into_iter().collect());
                }
            }
        }
        Ok(all)
    }
}

/// The code by which Lambda says that there is no such thing.
pub(super) const NOT_FOUND: &str = "ResourceNotFoundException";

/// The name of the function that an ARN is of, and its version or alias.
pub(super) fn named(arn: &str) -> (&str, Option<&str>) {
    let mut parts = arn.splitn(8, ':').skip(6);
    (parts.next().unwrap_or_default(), parts.next())
}

/// The function, and the version or alias, of an id such as `orders:live`.
pub(super) fn split(id: &str) -> (&str, &str) {
    id.split_once(':').unwrap_or((id, ""))
}
