//! A stand-in of Lambda's Runtime API, and of an AWS that refuses every call: one start of a function, and one invocation of it.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::sync::mpsc;

const LIMIT: Duration = Duration::from_secs(30);
const NEXT: &str = "GET /2018-06-01/runtime/invocation/next";
const ANSWER: &str = "POST /2018-06-01/runtime/invocation/";
/// Where a custom resource's answer goes.
const STACK: &str = "PUT /stack";

/// The cost of one start.
pub struct Start {
    /// From the start of the process to its first question.
    pub asked: Duration,
    /// The most memory until then, in KiB.
    pub idle: u64,
    /// The most memory until its first invocation was answered, in KiB.
    pub peak: u64,
}

/// One thing that a function does.
enum Heard {
    Asks(Instant),
    Answers,
}

/// Starts `program` as the function `part`, and ends it when it has answered its first invocation.
///
/// # Errors
/// When it does not start, ask and answer.
pub async fn start(program: &Path, part: &str) -> Result<Start> {
    let api = TcpListener::bind("127.0.0.1:0").await.context("listening")?;
    let address = api.local_addr()?.to_string();
    let (says, mut heard) = mpsc::unbounded_channel();
    let event: Arc<str> = event(part, &address).to_string().into();
    let server = tokio::spawn(async move {
        while let Ok((connection, _)) = api.accept().await {
            tokio::spawn(serve(connection, Arc::clone(&event), says.clone()));
        }
    });
    let mut command = Command::new(program);
    command.env_clear().envs(environment(part, &address));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let began = Instant::now();
    let mut function = command.spawn().with_context(|| format!("starting {}", program.display()))?;
    let pid = function.id().context("it ended at once")?;
    let told = async {
        let Some(Heard::Asks(at)) = heard.recv().await else { anyhow::bail!("it did something else first") };
        let (asked, idle) = (at.duration_since(began), most_memory(pid)?);
        // Its first invocation is under way; another question comes when that is answered.
        while !matches!(heard.recv().await, Some(Heard::Answers)) {}
        Ok(Start { asked, idle, peak: most_memory(pid)? })
    };
    let start = tokio::time::timeout(LIMIT, told).await;
    let start = start.with_context(|| format!("`{part}` did not ask and answer within {} s", LIMIT.as_secs()))?;
    server.abort();
    function.kill().await.context("ending the function")?;
    start
}

/// The variables that Lambda and the template set. A function of another version reads those that it knows.
fn environment(part: &str, address: &str) -> Vec<(&'static str, String)> {
    let mut environment = vec![
        ("AWS_LAMBDA_RUNTIME_API", address.to_owned()),
        ("AWS_LAMBDA_FUNCTION_NAME", format!("bench-{part}")),
        ("_HANDLER", part.to_owned()),
        ("AWS_ENDPOINT_URL", format!("http://{address}")),
    ];
    let fixed = [
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "bench"),
        ("AWS_SECRET_ACCESS_KEY", "bench"),
        ("GUARDRAILS_LOCAL_ONLY", "1"),
        ("STACK_NAME", "bench"),
        ("TABLE_NAME", "bench"),
        ("ACCOUNT_ID", "123456789012"),
        ("PARTITION", "aws"),
        ("STATE_MACHINE_ARN", "arn:aws:states:us-east-1:123456789012:stateMachine:bench"),
        ("ALERT_TOPIC_ARN", "arn:aws:sns:us-east-1:123456789012:alerts"),
        ("NOTIFY_TOPIC_ARN", "arn:aws:sns:us-east-1:123456789012:notify"),
    ];
    environment.extend(fixed.map(|(name, value)| (name, value.to_owned())));
    environment
}

/// The first that `part` is asked on AWS. All of these read the ledger first.
fn event(part: &str, address: &str) -> Json {
    let run = "r-20261123-014653-7f3k9q";
    match part {
        "master" => json!({"op": "hear", "run": run, "attempt": 1}),
        "notify" => json!({"run": run, "direction": "apply"}),
        "verify" => json!({"run": run}),
        "reconcile" => json!({}),
        "budget" => json!({
            "RequestType": "Delete",
            "ResourceType": "Custom::NothingIsHeld",
            "ResponseURL": format!("http://{address}/stack"),
            "StackId": "arn:aws:cloudformation:us-east-1:123456789012:stack/bench/1",
            "RequestId": "1",
            "LogicalResourceId": "NothingIsHeld",
            "PhysicalResourceId": "1",
            "ResourceProperties": {},
        }),
        _ => json!({"op": "plan", "run": run, "part": 0}),
    }
}

/// Answers one connection's requests, until it is closed.
async fn serve(mut connection: TcpStream, event: Arc<str>, says: mpsc::UnboundedSender<Heard>) -> Result<()> {
    let mut first = true;
    while let Some(request) = request(&mut connection).await? {
        let at = Instant::now();
        let answer = if request.starts_with(NEXT) {
            if !std::mem::take(&mut first) {
                std::future::pending::<()>().await;
            }
            says.send(Heard::Asks(at))?;
            let headers = "Lambda-Runtime-Aws-Request-Id: 1\r\nLambda-Runtime-Deadline-Ms: 4102444800000\r\n\
                           Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:123456789012:function:bench\r\n";
            format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {}\r\n\r\n{event}", event.len())
        } else if request.starts_with(ANSWER) {
            says.send(Heard::Answers)?;
            "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n".to_owned()
        } else if request.starts_with(STACK) {
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned()
        } else {
            let refused = r#"{"__type":"ValidationException","message":"the bench has no AWS"}"#;
            format!("HTTP/1.1 400 Bad Request\r\nContent-Length: {}\r\n\r\n{refused}", refused.len())
        };
        connection.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}

/// The next request's first line, once its body was read too; none when there is no more.
async fn request(connection: &mut TcpStream) -> Result<Option<String>> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let length = connection.read(&mut chunk).await?;
        if length == 0 {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk[..length]);
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let body = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
        let missing = (end + 4 + body.unwrap_or(0_usize)).saturating_sub(bytes.len());
        ensure!(missing < 1 << 20, "a request of {missing} bytes");
        connection.read_exact(&mut vec![0; missing]).await?;
        return Ok(head.lines().next().map(str::to_owned));
    }
}

/// The most memory that a process had, in KiB.
fn most_memory(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("reading how much memory it had")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
    peak.context("the kernel does not say how much memory it had")
}
