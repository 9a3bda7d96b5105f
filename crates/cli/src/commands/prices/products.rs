//! AWS's Price List API: one question for each Region, type and usage operation, and the price in its answer. A price that is not
//! clear is refused by name. A zero is none: AWS lists it for hosts and for capacity that is paid for elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, anyhow};
use aws_config::{Region, SdkConfig};
use aws_sdk_pricing::Client;
use aws_sdk_pricing::types::{Filter, FilterType};
use guardrails_aws::error::{Failure, FailureKind};
use guardrails_model::ids::Place;
use guardrails_model::prices::OfKinds;
use rust_decimal::Decimal;
use serde_json::Value as Json;

/// The Price List API is in these Regions only: docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/using-price-list-query-api.html.
const HOMES: [(&str, &str); 2] = [("eu-", "eu-central-1"), ("ap-", "ap-south-1")];
const USUAL_HOME: &str = "us-east-1";

/// A price that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Question {
    /// The Region of the instances.
    pub region: Place,
    /// Their type.
    pub of_type: String,
    /// Their platform, as EC2 words it; nothing for Linux.
    pub platform: Option<String>,
    /// Their usage operation.
    pub operation: String,
    /// There are dedicated ones: without a price for these something is missing.
    pub dedicated: bool,
}

/// The prices that were found, and those that were refused.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// By Region.
    pub regions: BTreeMap<Place, OfKinds>,
    /// Why a price was not taken, by Region and kind, such as `us-east-1 m5.large Windows`.
    pub refused: BTreeMap<String, String>,
}

/// Asks AWS for prices.
///
/// # Errors
/// When it does not answer, or the caller may not ask. Earlier answers do not count then.
pub async fn fetched(sdk: &SdkConfig, questions: &BTreeSet<Question>) -> Result<Fetched> {
    let home = sdk.region().map(AsRef::as_ref).unwrap_or_default();
    let home = HOMES.iter().find(|(prefix, _)| home.starts_with(prefix)).map_or(USUAL_HOME, |(_, home)| home);
    let client = Client::new(&sdk.to_builder().region(Region::new(home)).build());
    let mut fetched = Fetched::default();
    for question in questions {
        fetched.take(question, &products(&client, question).await?);
    }
    Ok(fetched)
}

/// All products of a question, page by page.
async fn products(client: &Client, question: &Question) -> Result<Vec<String>> {
    let filters = [
        ("regionCode", question.region.as_str()),
        ("instanceType", &question.of_type),
        ("operation", &question.operation),
        ("capacitystatus", "Used"),
    ];
    let mut request = client.get_products().service_code("AmazonEC2");
    for (field, value) in filters {
        request = request.filters(Filter::builder().r#type(FilterType::TermMatch).field(field).value(value).build()?);
    }
    let mut pages = request.into_paginator().send();
    let mut products = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| {
            let failure = Failure::of(&error);
            let hint = match failure.kind {
                FailureKind::Refused => "it takes the right pricing:GetProducts",
                _ => "run it again in some minutes",
            };
            anyhow!(
                "asking AWS for the price of {} in {}: {}\nnothing was written\nhint: {hint}",
                question.of_type,
                question.region,
                failure.message
            )
        })?;
        products.extend(page.price_list.unwrap_or_default());
    }
    Ok(products)
}

impl Fetched {
    /// Takes in the answer to a question.
    fn take(&mut self, question: &Question, products: &[String]) {
        let read: Vec<Json> = products.iter().map(|text| serde_json::from_str(text).unwrap_or_default()).collect();
        for (tenancy, suffix, needed) in [("Shared", "", true), ("Dedicated", " dedicated", question.dedicated)] {
            let platform = question.platform.as_ref().map(|platform| format!(" {platform}")).unwrap_or_default();
            let key = format!("{}{platform}{suffix}", question.of_type);
            let is_it = |product: &&Json| question.is_answered_by(&product["product"]["attributes"], tenancy);
            let prices: Result<BTreeSet<Decimal>, String> = read.iter().filter(is_it).flat_map(prices).collect();
            let refused = match prices {
                Ok(prices) if prices.len() > 1 => {
                    let prices: Vec<String> = prices.iter().map(|price| format!("${}", price.normalize())).collect();
                    format!("AWS lists {}, and one of them is wrong here", prices.join(" and "))
                }
                Ok(prices) => match prices.first() {
                    Some(price) => {
                        self.regions.entry(question.region.clone()).or_default().insert(key, *price);
                        continue;
                    }
                    None if needed => "AWS lists no price".to_owned(),
                    None => continue,
                },
                Err(why) => why,
            };
            self.refused.insert(format!("{} {key}", question.region), refused);
        }
    }
}

impl Question {
    /// Is it a product that the question is about? The filters say so already; an API that ignores one would make a price wrong.
    fn is_answered_by(&self, attributes: &Json, tenancy: &str) -> bool {
        let has = |name: &str, value: &str| attributes[name] == value;
        // Products of earlier price lists do not say how they are sold.
        let on_demand = attributes["marketoption"].is_null() || has("marketoption", "OnDemand");
        let place = has("regionCode", self.region.as_str()) && has("tenancy", tenancy) && has("capacitystatus", "Used");
        place && on_demand && has("instanceType", &self.of_type) && has("operation", &self.operation)
    }
}

/// The prices of a product: dollars an hour, or why one is none.
fn prices(product: &Json) -> Vec<Result<Decimal, String>> {
    let terms = product["terms"]["OnDemand"].as_object().into_iter().flat_map(serde_json::Map::values);
    let dimensions = terms.flat_map(|term| term["priceDimensions"].as_object().into_iter().flat_map(serde_json::Map::values));
    let prices: Vec<_> = dimensions.map(price).collect();
    if prices.is_empty() { vec![Err("AWS lists it without a price on demand".to_owned())] } else { prices }
}

fn price(dimension: &Json) -> Result<Decimal, String> {
    let unit = dimension["unit"].as_str().unwrap_or_default();
    if unit != "Hrs" {
        return Err(format!("its price is by `{unit}`, and not by the hour"));
    }
    let Some(dollars) = dimension["pricePerUnit"]["USD"].as_str() else {
        let currencies = dimension["pricePerUnit"].as_object().map(|of| of.keys().cloned().collect::<Vec<_>>().join(", "));
        return Err(format!("its price is not in US dollars, but in {}", currencies.unwrap_or_default()));
    };
    match dollars.parse::<Decimal>() {
        Ok(price) if price.is_zero() => Err("its price is zero, and nothing that runs is free".to_owned()),
        Ok(price) if price.is_sign_positive() => Ok(price),
        _ => Err(format!("its price `{dollars}` is no amount")),
    }
}
