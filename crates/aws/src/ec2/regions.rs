//! The Regions in which an action works.

use aws_sdk_ec2::Client;
use guardrails_model::action::ActionError;
use guardrails_model::ids::Place;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::error::Failure;

/// `all`, or names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
pub enum Regions {
    /// Every Region that is enabled in the account: a budget counts the spend in any of them.
    #[default]
    All,
    /// These.
    Named(Vec<Place>),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Raw {
    Word(String),
    Named(Vec<Place>),
}

impl TryFrom<Raw> for Regions {
    type Error = String;

    fn try_from(raw: Raw) -> Result<Self, String> {
        match raw {
            Raw::Word(word) if word == "all" => Ok(Self::All),
            Raw::Named(named) if !named.is_empty() => Ok(Self::Named(named)),
            Raw::Word(_) | Raw::Named(_) => {
                Err("expected `all`, or a list of Regions such as `[us-east-1, eu-west-1]`".to_owned())
            }
        }
    }
}

impl From<Regions> for Raw {
    fn from(regions: Regions) -> Self {
        match regions {
            Regions::All => Self::Word("all".to_owned()),
            Regions::Named(named) => Self::Named(named),
        }
    }
}

impl JsonSchema for Regions {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Regions".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "`all` that are enabled in the account, or a list of Regions.",
            "default": "all",
            "anyOf": [{"const": "all"}, {"type": "array", "minItems": 1, "items": {"type": "string", "pattern": "^[a-z0-9-]+$"}}]
        })
    }
}

impl Regions {
    /// The Regions that are named; none where all are meant.
    #[must_use]
    pub fn named(&self) -> &[Place] {
        match self {
            Self::All => &[],
            Self::Named(named) => named,
        }
    }

    /// The Regions by name.
    ///
    /// # Errors
    /// When EC2 does not say which are enabled.
    pub async fn places(&self, ec2: &Client) -> Result<Vec<Place>, ActionError> {
        let named = match self {
            Self::Named(named) => named.clone(),
            Self::All => {
                let answer = ec2.describe_regions().all_regions(false).send().await;
                let answer = answer.map_err(|error| Failure::of(&error).reading("asking for the enabled Regions"))?;
                let names = answer.regions().iter().filter_map(|region| region.region_name()?.parse().ok());
                names.collect()
            }
        };
        let mut distinct = named;
        distinct.sort();
        distinct.dedup();
        if distinct.is_empty() {
            return Err(ActionError::Refused("EC2 names no enabled Region".to_owned()));
        }
        Ok(distinct)
    }

    /// ARNs of all resources `of_kind`, such as `instance/*`, in these Regions.
    #[must_use]
    pub fn arns(&self, service: &str, of_kind: &str) -> Vec<String> {
        self.arns_of("${AWS::AccountId}", service, of_kind)
    }

    /// The same of any account, for resources that others share.
    #[must_use]
    pub fn arns_anywhere(&self, service: &str, of_kind: &str) -> Vec<String> {
        self.arns_of("*", service, of_kind)
    }

    fn arns_of(&self, account: &str, service: &str, of_kind: &str) -> Vec<String> {
        let arn = |region: &str| format!("arn:${{AWS::Partition}}:{service}:{region}:{account}:{of_kind}");
        match self {
            Self::All => vec![arn("*")],
            Self::Named(named) => named.iter().map(|region| arn(region.as_str())).collect(),
        }
    }
}
