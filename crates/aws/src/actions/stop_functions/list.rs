//! Functions by their tags. Lambda's own lists have no tags, so the index of all tags names the functions, and each function's own
//! tags confirm it: the index may lag behind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_sdk_applicationautoscaling::types::ScalableTarget;
use aws_sdk_lambda::types::AliasConfiguration;
use aws_sdk_resourcegroupstagging::types::TagFilter;
use guardrails_model::action::ActionError;
use guardrails_model::config::Tags;

use super::kept::Kept;
use super::provisioned::Config;
use crate::actions::scalable_target::{self, Targets};
use crate::context::Context;
use crate::error::Failure;

/// Resources on a page of the index, and mappings on one of Lambda's.
pub(super) const PAGE: i32 = 100;
/// Values of a key that the index takes.
const VALUES: usize = 20;

/// Tags by their keys.
pub(super) type Own = BTreeMap<String, String>;

/// Reads the functions of one Region, for all parts of the action.
pub(super) struct Reader {
    pub(super) lambda: aws_sdk_lambda::Client,
    pub(super) targets: Targets,
    /// The aliases of functions.
    pub(super) aliases: Kept<Vec<AliasConfiguration>>,
    /// The provisioned concurrency of functions, by ids such as `orders:live`.
    pub(super) provisioned: Kept<Vec<(String, Config)>>,
    index: Kept<BTreeSet<String>>,
    own: Kept<Option<Own>>,
    scaled: Kept<BTreeMap<String, ScalableTarget>>,
    tagging: aws_sdk_resourcegroupstagging::Client,
    /// How the ARNs of its functions begin.
    arns: String,
}

impl Reader {
    /// The one that the parts of an action share.
    pub(super) fn shared(context: &Context<'_>) -> Arc<Self> {
        context.shared(|| Self::new(context))
    }

    fn new(context: &Context<'_>) -> Self {
        let account = context.account.as_ref().map_or("", |account| account.id.as_str());
        Self {
            aliases: Kept::default(),
            provisioned: Kept::default(),
            index: Kept::default(),
            own: Kept::default(),
            scaled: Kept::default(),
            lambda: aws_sdk_lambda::Client::new(&context.sdk),
            targets: Targets::new(context, &scalable_target::FUNCTIONS),
            tagging: aws_sdk_resourcegroupstagging::Client::new(&context.sdk),
            arns: format!("arn:{}:lambda:{}:{account}:function:", context.partition(), context.region()),
        }
    }

    /// A plan begins, or ends: its parts share their answers.
    pub(super) fn planning(&self, begins: bool) {
        self.aliases.planning(begins);
        self.provisioned.planning(begins);
        self.index.planning(begins);
        self.own.planning(begins);
        self.scaled.planning(begins);
    }

    /// The names of the functions that carry the tags, by the index.
    pub(super) async fn tagged(&self, tags: &Tags) -> Result<BTreeSet<String>, ActionError> {
        self.index.or(&serde_json::to_string(tags).unwrap_or_default(), self.ask_index(tags)).await
    }

    async fn ask_index(&self, tags: &Tags) -> Result<BTreeSet<String>, ActionError> {
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
            if let Some(own) = self.own.or(name, self.ask_tags(name)).await? {
                all.insert(name.to_owned(), own);
            }
        }
        Ok(all)
    }

    async fn ask_tags(&self, name: &str) -> Result<Option<Own>, ActionError> {
        let answer = self.lambda.list_tags().resource(format!("{}{name}", self.arns)).send().await;
        match answer.map_err(|error| Failure::of(&error)) {
            Err(failure) if failure.is(NOT_FOUND) => Ok(None),
            Err(failure) => Err(failure.reading(&format!("asking for the tags of the function {name}"))),
            Ok(answer) => Ok(Some(answer.tags.unwrap_or_default().into_iter().collect())),
        }
    }

    /// All scalable targets of provisioned concurrency, by ids such as `orders:live`.
    pub(super) async fn scaled(&self) -> Result<BTreeMap<String, ScalableTarget>, ActionError> {
        self.scaled.or("", self.targets.all()).await
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
