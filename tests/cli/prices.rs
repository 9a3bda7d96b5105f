//! `guardrails prices fetch` against a double of AWS's Price List API: answers as AWS gives them, shortened to the fields that count.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ec2::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_async::rt::sleep::{AsyncSleep, Sleep};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use guardrails_cli::{FetchedPrices, PriceQuestion, fetch_prices};
use guardrails_model::ids::Place;
use rust_decimal::Decimal;
use serde_json::{Value as Json, json};

use crate::world::lock;

/// The Price List API: its products, each on a page of its own, and the errors that it answers with before them.
#[derive(Debug, Default)]
struct PriceLists {
    products: Vec<Json>,
    errors: Mutex<Vec<(u16, &'static str)>>,
    calls: Mutex<Vec<(String, Json)>>,
}

impl PriceLists {
    fn answer(&self, host: String, request: &Json) -> (u16, Json) {
        lock(&self.calls).push((host, request.clone()));
        if let Some((status, code)) = lock(&self.errors).pop() {
            return (status, json!({"__type": code, "message": format!("{code} as AWS words it")}));
        }
        let wanted: BTreeMap<&str, &str> = request["Filters"]
            .as_array()
            .unwrap()
            .iter()
            .map(|filter| (filter["Field"].as_str().unwrap(), filter["Value"].as_str().unwrap()))
            .collect();
        let fits = |product: &&Json| wanted.iter().all(|(name, value)| product["product"]["attributes"][name] == *value);
        let found: Vec<&Json> = self.products.iter().filter(fits).collect();
        let at: usize = request["NextToken"].as_str().map_or(0, |token| token.parse().unwrap());
        let page: Vec<String> = found.iter().skip(at).take(1).map(ToString::to_string).collect();
        let next = (at + 1 < found.len()).then(|| (at + 1).to_string());
        (200, json!({"FormatVersion": "aws_v1", "PriceList": page, "NextToken": next}))
    }
}

#[derive(Debug, Clone)]
struct Door(Arc<PriceLists>);

impl HttpClient for Door {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Door {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body: Json = serde_json::from_slice(request.body().bytes().unwrap_or_default()).unwrap_or_default();
        let scope = request.headers().get("authorization").unwrap_or_default().to_owned();
        let (status, answer) = self.0.answer(scope, &body);
        let response = status.try_into().map(|status| HttpResponse::new(status, SdkBody::from(answer.to_string())));
        HttpConnectorFuture::ready(response.map_err(|_| ConnectorError::io(io::Error::other("no status").into())))
    }
}

/// Retries do not wait.
#[derive(Debug)]
struct NoSleep;

impl AsyncSleep for NoSleep {
    fn sleep(&self, _: Duration) -> Sleep {
        Sleep::new(std::future::ready(()))
    }
}

fn sdk(lists: &Arc<PriceLists>, region: &'static str) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region))
        .endpoint_url("http://127.0.0.1:9")
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("AKIDTEST", "test", None, None, "tests")))
        .retry_config(RetryConfig::standard().with_max_attempts(3))
        .sleep_impl(NoSleep)
        .http_client(Door(Arc::clone(lists)))
        .build()
}

/// A product as the API lists it, with one price.
fn product(of_type: &str, operation: &str, tenancy: &str, price: &Json) -> Json {
    json!({
        "product": {"productFamily": "Compute Instance", "sku": "2257YY4K7BWZ4F46", "attributes": {
            "servicecode": "AmazonEC2", "regionCode": "us-east-1", "instanceType": of_type, "operation": operation,
            "tenancy": tenancy, "capacitystatus": "Used", "marketoption": "OnDemand", "operatingSystem": "Linux",
        }},
        "serviceCode": "AmazonEC2",
        "terms": {"OnDemand": {"2257YY4K7BWZ4F46.JRTCKXETXF": {"priceDimensions": {"2257YY4K7BWZ4F46.JRTCKXETXF.6YS6EN2CT7": {
            "unit": "Hrs", "beginRange": "0", "endRange": "Inf", "pricePerUnit": price,
        }}, "offerTermCode": "JRTCKXETXF"}}},
        "publicationDate": "2026-11-20T19:10:27Z",
    })
}

fn usd(price: &str) -> Json {
    json!({"USD": price})
}

fn question(of_type: &str, platform: Option<&str>, operation: &str) -> PriceQuestion {
    PriceQuestion {
        region: "us-east-1".parse().unwrap(),
        of_type: of_type.to_owned(),
        platform: platform.map(str::to_owned),
        operation: operation.to_owned(),
        dedicated: false,
    }
}

async fn ask(lists: &Arc<PriceLists>, questions: &[PriceQuestion]) -> Result<FetchedPrices, String> {
    let questions: BTreeSet<PriceQuestion> = questions.iter().cloned().collect();
    fetch_prices(&sdk(lists, "us-east-1"), &questions).await.map_err(|error| format!("{error:#}"))
}

fn found(fetched: &FetchedPrices) -> BTreeMap<String, Decimal> {
    let region: Place = "us-east-1".parse().unwrap();
    fetched.regions.get(&region).cloned().unwrap_or_default()
}

#[tokio::test]
async fn prices_are_keyed_as_a_plan_looks_them_up() {
    let mut unused = product("m5.large", "RunInstances", "Shared", &usd("0.5"));
    unused["product"]["attributes"]["capacitystatus"] = json!("UnusedCapacityReservation");
    let mut block = product("m5.large", "RunInstances", "Shared", &usd("0.0000000000"));
    block["product"]["attributes"]["marketoption"] = json!("CapacityBlock");
    let products = vec![
        product("m5.large", "RunInstances", "Shared", &usd("0.0960000000")),
        product("m5.large", "RunInstances", "Dedicated", &usd("0.1020000000")),
        product("m5.large", "RunInstances", "Host", &usd("0.0000000000")),
        product("m5.large", "RunInstances:0002", "Shared", &usd("0.1880000000")),
        unused,
        block,
    ];
    let lists = Arc::new(PriceLists { products, ..PriceLists::default() });
    let linux = question("m5.large", None, "RunInstances");
    let windows = question("m5.large", Some("Windows"), "RunInstances:0002");
    let fetched = ask(&lists, &[linux, windows]).await.unwrap();
    assert_eq!(fetched.refused, BTreeMap::new());
    let prices = found(&fetched);
    let text = prices.iter().map(|(kind, price)| format!("{kind}: {}", price.normalize())).collect::<Vec<_>>();
    assert_eq!(text, ["m5.large: 0.096", "m5.large Windows: 0.188", "m5.large dedicated: 0.102"]);
    // Each product is on a page of its own: of Linux there are four, with the host's and the block's.
    assert_eq!(lock(&lists.calls).len(), 4 + 1);
}

#[tokio::test]
async fn price_that_is_not_clear_is_refused_by_name() {
    let mut monthly = product("g5.large", "RunInstances", "Shared", &usd("70"));
    monthly["terms"]["OnDemand"]["2257YY4K7BWZ4F46.JRTCKXETXF"]["priceDimensions"]["2257YY4K7BWZ4F46.JRTCKXETXF.6YS6EN2CT7"]["unit"] =
        json!("Mo");
    let mut unpriced = product("r5.large", "RunInstances", "Shared", &usd("1"));
    unpriced["terms"] = json!({});
    let products = vec![
        product("m5.large", "RunInstances", "Shared", &usd("0.0960000000")),
        product("m8g.large", "RunInstances", "Shared", &usd("0.0000000000")),
        product("c5.large", "RunInstances", "Shared", &usd("0.085")),
        product("c5.large", "RunInstances", "Shared", &usd("0.850")),
        product("t3.micro", "RunInstances", "Shared", &json!({"CNY": "0.1"})),
        product("t2.micro", "RunInstances", "Shared", &usd("-0.1")),
        monthly,
        unpriced,
    ];
    let lists = Arc::new(PriceLists { products, ..PriceLists::default() });
    let types = ["m5.large", "m8g.large", "c5.large", "t3.micro", "t2.micro", "g5.large", "r5.large", "x9.huge"];
    let mut questions: Vec<PriceQuestion> = types.iter().map(|of_type| question(of_type, None, "RunInstances")).collect();
    questions[0].dedicated = true;
    let fetched = ask(&lists, &questions).await.unwrap();
    assert_eq!(found(&fetched).keys().collect::<Vec<_>>(), ["m5.large"]);
    for (key, why) in [
        ("us-east-1 m8g.large", "its price is zero"),
        ("us-east-1 c5.large", "AWS lists $0.085 and $0.85"),
        ("us-east-1 t3.micro", "not in US dollars, but in CNY"),
        ("us-east-1 t2.micro", "`-0.1` is no amount"),
        ("us-east-1 g5.large", "by `Mo`, and not by the hour"),
        ("us-east-1 r5.large", "without a price on demand"),
        ("us-east-1 x9.huge", "AWS lists no price"),
        ("us-east-1 m5.large dedicated", "AWS lists no price"),
    ] {
        assert!(fetched.refused[key].contains(why), "{key}: {:?}", fetched.refused);
    }
    assert_eq!(fetched.refused.len(), 8);
}

#[tokio::test]
async fn throttled_question_is_asked_again_and_then_fails_loudly() {
    let products = vec![product("m5.large", "RunInstances", "Shared", &usd("0.096"))];
    let throttled = (400, "ThrottlingException");
    let lists = |errors: Vec<(u16, &'static str)>| {
        Arc::new(PriceLists { products: products.clone(), errors: Mutex::new(errors), ..PriceLists::default() })
    };
    let questions = [question("m5.large", None, "RunInstances")];
    let twice = lists(vec![throttled; 2]);
    assert_eq!(found(&ask(&twice, &questions).await.unwrap()).len(), 1);
    assert_eq!(lock(&twice.calls).len(), 3);
    let always = ask(&lists(vec![throttled; 9]), &questions).await.unwrap_err();
    assert!(always.contains("ThrottlingException") && always.contains("run it again in some minutes"), "{always}");
    let refused = ask(&lists(vec![(400, "AccessDeniedException")]), &questions).await.unwrap_err();
    assert!(refused.contains("the price of m5.large in us-east-1") && refused.contains("pricing:GetProducts"), "{refused}");
    assert!(refused.contains("nothing was written"), "{refused}");
}

#[tokio::test]
async fn question_goes_to_the_nearest_home_of_the_api() {
    for (region, home) in [("eu-west-1", "eu-central-1"), ("ap-southeast-2", "ap-south-1"), ("sa-east-1", "us-east-1")] {
        let lists = Arc::new(PriceLists::default());
        let questions = BTreeSet::from([question("m5.large", None, "RunInstances")]);
        fetch_prices(&sdk(&lists, region), &questions).await.unwrap();
        let calls = lock(&lists.calls);
        assert!(calls[0].0.contains(&format!("/{home}/pricing/")), "{:?}", calls[0].0);
    }
}
