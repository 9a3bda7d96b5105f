//! The services beside the fleet: a database, an ECS service that scales by itself, and a Lambda function, all of the same project.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};

use anyhow::{Context, Result, anyhow};
use aws_sdk_applicationautoscaling::types::{ScalableDimension, ServiceNamespace};
use aws_sdk_ecs::types::{ContainerDefinition, SchedulingStrategy};
use aws_sdk_lambda::config::retry::RetryConfig;
use aws_sdk_lambda::error::SdkError;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{DeadLetterConfig, FunctionCode, Runtime};
use guardrails_aws::error::Failure;
use guardrails_local_aws::{ACCOUNT, LocalAws, REGION};
use serde_json::json;

/// The database, as the table has it.
pub const DATABASE: &str = "beta-orders (database)";
/// The ECS service.
pub const SERVICE: &str = "beta-shop (ECS service)";
/// Its scalable target.
pub const SCALING: &str = "scaling of beta-shop";
/// The Lambda function.
pub const FUNCTION: &str = "beta-hook (function)";
/// Its reserved concurrency.
pub const RESERVED: &str = "concurrency of beta-hook";

/// Each of them, and its state.
pub type States = BTreeMap<&'static str, String>;

const CLUSTER: &str = "beta";
const DEAD: &str = "beta-dead";
const TASKS: i32 = 3;
const PROGRAM: &str = "def handler(event, context):\n    return 'done'\n";
/// Lambda's answer to an invocation beyond a function's concurrency. The local AWS gives it too.
const TOO_MANY: u16 = 429;

/// Their clients.
pub struct Services {
    rds: aws_sdk_rds::Client,
    ecs: aws_sdk_ecs::Client,
    scaling: aws_sdk_applicationautoscaling::Client,
    lambda: aws_sdk_lambda::Client,
}

impl Services {
    /// Makes them in a local AWS.
    pub async fn seed(local: &LocalAws) -> Result<Self> {
        let root = local.sdk_config().await?;
        // A refused call is an answer here: to ask again takes seconds.
        let once = aws_sdk_lambda::config::Builder::from(&root).retry_config(RetryConfig::disabled()).build();
        let services = Self {
            rds: aws_sdk_rds::Client::new(&root),
            ecs: aws_sdk_ecs::Client::new(&root),
            scaling: aws_sdk_applicationautoscaling::Client::new(&root),
            lambda: aws_sdk_lambda::Client::from_conf(once),
        };
        services.seed_database().await.context("making a database")?;
        services.seed_service().await.context("making an ECS service")?;
        let (iam, sqs) = (aws_sdk_iam::Client::new(&root), aws_sdk_sqs::Client::new(&root));
        services.seed_function(&iam, &sqs).await.context("making a Lambda function")?;
        Ok(services)
    }

    /// How they are now.
    pub async fn states(&self) -> Result<States> {
        let (tasks, scaling) = self.service().await.context("looking at an ECS service")?;
        let (answer, reserved) = self.function().await.context("looking at a Lambda function")?;
        let database = self.database().await.context("looking at a database")?;
        Ok([(DATABASE, database), (SERVICE, tasks), (SCALING, scaling), (FUNCTION, answer), (RESERVED, reserved)].into())
    }

    async fn seed_database(&self) -> Result<()> {
        let tag = aws_sdk_rds::types::Tag::builder().key("Project").value("Beta").build();
        let call = self.rds.create_db_instance().db_instance_identifier("beta-orders").db_instance_class("db.t3.micro");
        let call = call.engine("postgres").allocated_storage(20).master_username("beta").master_user_password("not-a-secret");
        call.tags(tag).send().await.map(|_| ()).map_err(said)
    }

    async fn seed_service(&self) -> Result<()> {
        self.ecs.create_cluster().cluster_name(CLUSTER).send().await.map_err(said)?;
        let container = ContainerDefinition::builder().name("shop").image("example").build();
        let task = self.ecs.register_task_definition().family("beta-shop").container_definitions(container);
        task.send().await.map_err(said)?;
        let tag = aws_sdk_ecs::types::Tag::builder().key("Project").value("Beta").build();
        let call = self.ecs.create_service().cluster(CLUSTER).service_name("beta-shop").task_definition("beta-shop").tags(tag);
        call.scheduling_strategy(SchedulingStrategy::Replica).desired_count(TASKS).send().await.map_err(said)?;
        let call = self.scaling.register_scalable_target().service_namespace(ServiceNamespace::Ecs).resource_id(target());
        let call = call.scalable_dimension(ScalableDimension::EcsServiceDesiredCount).min_capacity(2).max_capacity(6);
        call.send().await.map(|_| ()).map_err(said)
    }

    /// With a dead-letter queue: without one its events would be lost while it is refused, and it would be left alone.
    async fn seed_function(&self, iam: &aws_sdk_iam::Client, sqs: &aws_sdk_sqs::Client) -> Result<()> {
        let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
            "Principal": {"Service": "lambda.amazonaws.com"}}]});
        let made = iam.create_role().role_name("beta-hook").assume_role_policy_document(trust.to_string()).send().await;
        let role = made.map_err(said)?.role.context("the answer has no role")?.arn;
        sqs.create_queue().queue_name(DEAD).send().await.map_err(said)?;
        let dead = DeadLetterConfig::builder().target_arn(format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{DEAD}")).build();
        let code = FunctionCode::builder().zip_file(Blob::new(packed()?)).build();
        let call = self.lambda.create_function().function_name("beta-hook").role(role).runtime(Runtime::Python312);
        let call = call.handler("index.handler").code(code).dead_letter_config(dead).tags("Project", "Beta");
        call.send().await.map(|_| ()).map_err(said)
    }

    async fn database(&self) -> Result<String> {
        let found = self.rds.describe_db_instances().db_instance_identifier("beta-orders").send().await.map_err(said)?;
        Ok(found.db_instances().first().and_then(|one| one.db_instance_status()).unwrap_or("gone").to_owned())
    }

    /// The number of tasks, and the scalable target.
    async fn service(&self) -> Result<(String, String)> {
        let found = self.ecs.describe_services().cluster(CLUSTER).services("beta-shop").send().await.map_err(said)?;
        let service = found.services().first().context("it is gone")?;
        let targets = self.scaling.describe_scalable_targets().service_namespace(ServiceNamespace::Ecs).resource_ids(target());
        let targets = targets.send().await.map_err(said)?;
        let target = targets.scalable_targets().first().context("its scalable target is gone")?;
        let is_suspended = target.suspended_state().is_some_and(|state| {
            [state.dynamic_scaling_in_suspended(), state.dynamic_scaling_out_suspended(), state.scheduled_scaling_suspended()]
                .contains(&Some(true))
        });
        let bounds = format!("{} to {}", target.min_capacity(), target.max_capacity());
        Ok((tasks(service.desired_count()), if is_suspended { "suspended".to_owned() } else { bounds }))
    }

    /// Whether it answers, and its reserved concurrency.
    async fn function(&self) -> Result<(String, String)> {
        let answer = match self.lambda.invoke().function_name("beta-hook").send().await {
            Ok(answer) if answer.function_error().is_none() => "answers",
            Ok(_) => return Err(anyhow!("its program failed")),
            Err(SdkError::ServiceError(error)) if error.raw().status().as_u16() == TOO_MANY => "refuses",
            Err(error) => return Err(said(error)),
        };
        let reserved = self.lambda.get_function_concurrency().function_name("beta-hook").send().await.map_err(said)?;
        let reserved = reserved.reserved_concurrent_executions.map_or_else(|| "free".to_owned(), |number| number.to_string());
        Ok((answer.to_owned(), reserved))
    }
}

fn target() -> String {
    format!("service/{CLUSTER}/beta-shop")
}

fn tasks(count: i32) -> String {
    if count == 0 { "no tasks".to_owned() } else { format!("{count} tasks") }
}

/// The function's program, as Lambda takes it.
fn packed() -> Result<Vec<u8>> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("index.py", zip::write::SimpleFileOptions::default()).context("packing the program")?;
    zip.write_all(PROGRAM.as_bytes()).context("packing the program")?;
    Ok(zip.finish().context("packing the program")?.into_inner())
}

/// A failed call, as an error.
#[expect(clippy::needless_pass_by_value, reason = "`map_err` gives it away")]
fn said<E>(error: SdkError<E>) -> anyhow::Error
where
    E: aws_sdk_lambda::error::ProvideErrorMetadata + std::error::Error + 'static,
{
    anyhow!(Failure::of(&error).message)
}
