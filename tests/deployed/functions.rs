//! Lambda functions in the deployed loop: a function is refused, its queue waits, and all of its settings come back.

use std::io::Write;

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{DeadLetterConfig, FunctionCode, Runtime};
use aws_sdk_sqs::types::QueueAttributeName;
use guardrails_local_aws::{ACCOUNT, REGION};
use guardrails_model::phase::Phase;
use guardrails_model::record::RunState;
use serde_json::json;

use super::lab::{EXAMPLE, Lab, real_alert};

#[tokio::test(flavor = "multi_thread")]
async fn function_with_a_queue_is_refused_and_comes_back() {
    let stop = "- stop-instances: { tag: { Project: Beta }, watch-health: 1s }";
    assert!(EXAMPLE.contains(stop));
    let lab = Lab::with(&EXAMPLE.replace(stop, "- stop-functions: { tag: { Project: Beta } }"), 0.2).await;
    let account = Box::pin(Account::new(&lab)).await;
    let before = account.all().await;
    assert_eq!(account.invoke("orders").await, 200);

    lab.publish(&real_alert(), &[]).await;
    let run = lab.run_when(RunState::Enforced).await;
    let steps = lab.steps(&run).await;
    let held = ["mailer reserved Some(0)", "hooks reserved None", "orders reserved Some(0)", "other reserved Some(9)"];
    let held: Vec<String> =
        held.into_iter().chain(["orders:live provisioned None", "orders Disabled"]).map(str::to_owned).collect();
    assert_eq!(account.all().await, held, "{steps:?}");
    assert_eq!([account.invoke("orders").await, account.invoke("mailer").await, account.invoke("other").await], [429, 429, 200]);
    let left: Vec<_> = steps.iter().filter(|step| step.phase == Phase::Skipped).map(|step| step.label.as_str()).collect();
    assert_eq!(left, ["function hooks"], "its asynchronous events would be lost: {steps:?}");
    account.send().await;
    assert_eq!(account.waiting().await, "1", "nothing polls the queue");

    lab.say(&["rollback", "project-beta", "--yes"]).await;
    assert_eq!(account.all().await, before);
    assert_eq!([account.invoke("orders").await, account.invoke("mailer").await], [200, 200]);
    lab.eventually("the message that waited", || async { (account.waiting().await == "0").then_some(()) }).await;
}

struct Account {
    lambda: aws_sdk_lambda::Client,
    sqs: aws_sdk_sqs::Client,
    queue: String,
    mapping: String,
}

impl Account {
    /// One with a queue, an alias and all kinds of concurrency, one with none, one whose events would be lost, and one of another project.
    async fn new(lab: &Lab) -> Self {
        let (lambda, sqs) = (aws_sdk_lambda::Client::new(&lab.root), aws_sdk_sqs::Client::new(&lab.root));
        let iam = aws_sdk_iam::Client::new(&lab.root);
        let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
            "Principal": {"Service": "lambda.amazonaws.com"}}]});
        let made = iam.create_role().role_name("works").assume_role_policy_document(trust.to_string()).send().await.unwrap();
        let role = made.role.unwrap().arn;
        let may = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}]});
        iam.put_role_policy().role_name("works").policy_name("queues").policy_document(may.to_string()).send().await.unwrap();
        let queue = sqs.create_queue().queue_name("orders").send().await.unwrap().queue_url.unwrap();
        sqs.create_queue().queue_name("dead").send().await.unwrap();
        let account = Self { lambda, sqs, queue, mapping: String::new() };
        for (name, project, dead) in
            [("orders", "Beta", true), ("mailer", "Beta", true), ("hooks", "Beta", false), ("other", "Alpha", true)]
        {
            Box::pin(account.function(name, &role, project, dead)).await;
        }
        let lambda = &account.lambda;
        let version = lambda.publish_version().function_name("orders").send().await.unwrap().version.unwrap();
        lambda.create_alias().function_name("orders").name("live").function_version(version).send().await.unwrap();
        for (name, reserved) in [("orders", 7), ("other", 9)] {
            let put = lambda.put_function_concurrency().function_name(name).reserved_concurrent_executions(reserved);
            put.send().await.unwrap();
        }
        let put = lambda.put_provisioned_concurrency_config().function_name("orders").qualifier("live");
        put.provisioned_concurrent_executions(2).send().await.unwrap();
        let mapping = lambda.create_event_source_mapping().function_name("orders:live");
        let mapping = mapping.event_source_arn(arn("orders")).batch_size(1).send().await.unwrap();
        Self { mapping: mapping.uuid.unwrap(), ..account }
    }

    async fn function(&self, name: &str, role: &str, project: &str, dead: bool) {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        zip.start_file("index.py", zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(b"def handler(event, context):\n    return 'done'\n").unwrap();
        let code = FunctionCode::builder().zip_file(Blob::new(zip.finish().unwrap().into_inner())).build();
        let call = self.lambda.create_function().function_name(name).role(role).runtime(Runtime::Python312);
        let call = call.handler("index.handler").code(code).tags("Project", project);
        let queue = DeadLetterConfig::builder().target_arn(arn("dead")).build();
        call.set_dead_letter_config(dead.then_some(queue)).send().await.unwrap();
    }

    /// The status of an invocation.
    async fn invoke(&self, name: &str) -> u16 {
        match self.lambda.invoke().function_name(name).send().await {
            Ok(answer) => answer.status_code.try_into().unwrap(),
            Err(error) => error.raw_response().map(|response| response.status().as_u16()).unwrap(),
        }
    }

    async fn send(&self) {
        self.sqs.send_message().queue_url(&self.queue).message_body("one").send().await.unwrap();
    }

    /// How many messages are in the queue, also those that are being worked on.
    async fn waiting(&self) -> String {
        let all = self.sqs.get_queue_attributes().queue_url(&self.queue).attribute_names(QueueAttributeName::All);
        let all = all.send().await.unwrap().attributes.unwrap();
        let number = |name| all.get(&name).map_or(0, |number| number.parse::<u32>().unwrap());
        let names = [QueueAttributeName::ApproximateNumberOfMessages, QueueAttributeName::ApproximateNumberOfMessagesNotVisible];
        names.map(number).iter().sum::<u32>().to_string()
    }

    /// All settings that a run could change.
    async fn all(&self) -> Vec<String> {
        let mut all = Vec::new();
        for name in ["mailer", "hooks", "orders", "other"] {
            let reserved = self.lambda.get_function_concurrency().function_name(name).send().await.unwrap();
            all.push(format!("{name} reserved {:?}", reserved.reserved_concurrent_executions));
        }
        let provisioned = self.lambda.get_provisioned_concurrency_config().function_name("orders").qualifier("live").send().await;
        let number = provisioned.ok().and_then(|config| config.requested_provisioned_concurrent_executions);
        all.push(format!("orders:live provisioned {number:?}"));
        let mapping = self.lambda.get_event_source_mapping().uuid(&self.mapping).send().await.unwrap();
        all.push(format!("orders {}", mapping.state.unwrap()));
        all
    }
}

fn arn(queue: &str) -> String {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}")
}
