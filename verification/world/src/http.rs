//! The door: the server where the SDK's clients would dial.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_iam::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_async::rt::sleep::{AsyncSleep, Sleep};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use guardrails_model::clock::Clock;

use super::World;
use super::lambda;
use super::programs;
use super::wire::{self, Call, Reply, Service};
use super::{Effect, Ending};

/// Never dialled: the HTTP client is the double.
const NOWHERE: &str = "http://127.0.0.1:9";

pub(super) fn config(world: &Arc<World>) -> SdkConfig {
    let credentials = Credentials::new("AKIDTEST", "test", None, None, "tests");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(NOWHERE)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        // The product must bear every fault by itself: a retry of the SDK would hide it.
        .retry_config(RetryConfig::disabled())
        .sleep_impl(NoSleep)
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .http_client(Door(Arc::clone(world)))
        .build()
}

#[derive(Debug, Clone)]
struct Door(Arc<World>);

impl HttpClient for Door {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Door {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let world = Arc::clone(&self.0);
        HttpConnectorFuture::new(async move { world.receive(&request).await })
    }
}

impl World {
    async fn receive(&self, request: &HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let form = request.body().bytes().expect("a body in memory");
        if let Some(length) = request.headers().get("content-length") {
            assert_eq!(length, form.len().to_string(), "a length that is not the body's");
        }
        let (call, id) = (self.read(request, form), self.receive_as(form));
        let (effect, ending) = self.gate.pass(&call.operation, self.clock.now()).await;
        let reply = match effect {
            Effect::Now => Some(self.settled().answer_function(&call, self.clock.now())),
            Effect::At(at) => {
                self.settled().later(at, call.clone());
                None
            }
            Effect::Never => None,
        };
        match (ending, reply) {
            (Ending::Answer, Some(reply)) => {
                let failed = programs::failed(&call, &reply.1);
                let mut response = response(reply, &id);
                if let Some((name, value)) = failed {
                    response.headers_mut().insert(name, value);
                }
                Ok(response)
            }
            (Ending::Throttled, _) => Ok(response(wire::answer(&call, Err(wire::throttled(call.service))), &id)),
            (Ending::Reset, _) => Err(broken(io::ErrorKind::ConnectionReset)),
            (Ending::Answer | Ending::Refused, _) => Err(broken(io::ErrorKind::ConnectionRefused)),
            (Ending::Death, _) => self.gate.die().await,
        }
    }
}

impl World {
    /// The call that a request makes: JSON names its service and operation in a header.
    fn read(&self, request: &HttpRequest, body: &[u8]) -> Call {
        let Some(target) = request.headers().get("x-amz-target") else {
            let uri = url::Url::parse(request.uri()).expect("an address");
            if uri.path() == "/" {
                return Call::read(region(request), body);
            }
            let named = programs::read(request.uri(), region(request), body);
            let account = self.settled();
            let known =
                |call: &Call| account.lambda.functions.keys().any(|(_, name)| call.get("FunctionName") == Some(name.as_str()));
            // A function may be both: one that is stopped, and one that is called.
            let is_called = |call: &Call| {
                let name = call.get("FunctionName").unwrap_or_default();
                let is_of_version = call.operation != "GetFunctionConfiguration" || call.get("Qualifier").is_some();
                account.user_functions.contains_key(name) && is_of_version
            };
            if let Some(call) = named.filter(|call| !known(call) || is_called(call)) {
                return call;
            }
            return lambda::read(region(request), request.method(), uri.path(), uri.query().unwrap_or_default(), body);
        };
        let (service, operation) = target.rsplit_once('.').expect("a service and an operation");
        let known = [
            ("CloudTrail_20131101", Service::CloudTrail),
            ("AWSInsightsIndexService", Service::Costs),
            ("AmazonEC2ContainerServiceV20141113", Service::Ecs),
            ("AnyScaleFrontendService", Service::Ecs),
            ("ResourceGroupsTaggingAPI_20170126", Service::Lambda),
        ];
        if let Some((_, known)) = known.into_iter().find(|(target, _)| service.ends_with(target)) {
            return Call::read_for(known, region(request), operation, body);
        }
        let account = self.settled();
        let told = account.doubles.iter().find(|table| table.target == service);
        let table = told.unwrap_or_else(|| panic!("there is no double of the service {service}"));
        Call::read_json(table, region(request), operation, body)
    }
}

/// The Region that a request was signed for.
fn region(request: &HttpRequest) -> &str {
    let signed = request.headers().get("authorization").unwrap_or_default();
    signed.split('/').nth(2).unwrap_or_else(|| panic!("a request that is not signed: {signed}"))
}

fn response((status, body): Reply, id: &str) -> HttpResponse {
    let mut response = HttpResponse::new(status.try_into().expect("a status"), SdkBody::from(body));
    response.headers_mut().insert("x-amzn-requestid", id.to_owned());
    response
}

fn broken(kind: io::ErrorKind) -> ConnectorError {
    ConnectorError::io(io::Error::from(kind).into())
}

/// Time-outs never come: the caller of a call that hangs is dropped, as a function that is killed is.
#[derive(Debug)]
struct NoSleep;

impl AsyncSleep for NoSleep {
    fn sleep(&self, _: Duration) -> Sleep {
        Sleep::new(std::future::pending())
    }
}
