//! The keys that are in use on a local AWS, and the logs in which none of them may stand.

use std::fmt::Write as _;

use guardrails_aws::error::Failure;

use crate::{Error, LocalAws};

/// Shorter ones are the local root's, which are no secret.
const SHORTEST: usize = 9;

impl LocalAws {
    /// The credentials that its functions run with, as their processes have them now.
    ///
    /// # Errors
    /// When the processes of this machine cannot be listed.
    pub fn keys_of_functions(&self) -> Result<Vec<String>, Error> {
        let endpoint = format!("AWS_ENDPOINT_URL={}", self.endpoint());
        let mut found = Vec::new();
        for process in std::fs::read_dir("/proc").map_err(Error::io("listing the processes"))?.flatten() {
            // It may have ended meanwhile, or be somebody else's.
            let Ok(environment) = std::fs::read(process.path().join("environ")) else { continue };
            let variables: Vec<String> =
                environment.split(|byte| *byte == 0).map(|one| String::from_utf8_lossy(one).into_owned()).collect();
            if !variables.contains(&endpoint) || !variables.iter().any(|one| one.starts_with("AWS_LAMBDA_FUNCTION_NAME=")) {
                continue;
            }
            let names = ["AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_SESSION_TOKEN="];
            let of = |name: &&str| variables.iter().find_map(|one| one.strip_prefix(*name)).map(str::to_owned);
            found.extend(names.iter().filter_map(of).filter(|value| value.len() >= SHORTEST));
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// Every line of every log group, after the group's name.
    ///
    /// # Errors
    /// When a call is refused.
    pub async fn logged(&self) -> Result<String, Error> {
        let logs = aws_sdk_cloudwatchlogs::Client::new(&self.sdk_config().await?);
        let refused = |message: String| Error::Call { doing: "reading the logs".to_owned(), message };
        let mut all = String::new();
        let mut groups = logs.describe_log_groups().into_paginator().items().send();
        while let Some(group) = groups.next().await {
            let group = group.map_err(|error| refused(Failure::of(&error).message))?;
            let name = group.log_group_name().unwrap_or_default();
            let mut streams = logs.describe_log_streams().log_group_name(name).into_paginator().items().send();
            while let Some(stream) = streams.next().await {
                let stream = stream.map_err(|error| refused(Failure::of(&error).message))?;
                let stream = stream.log_stream_name().unwrap_or_default();
                let call = logs.get_log_events().log_group_name(name).log_stream_name(stream).start_from_head(true);
                let page = call.send().await.map_err(|error| refused(Failure::of(&error).message))?;
                for line in page.events().iter().filter_map(|event| event.message()) {
                    let _ = writeln!(all, "{name}: {line}");
                }
            }
        }
        Ok(all)
    }
}
