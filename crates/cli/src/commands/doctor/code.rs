//! The functions' code: is it the code that was deployed? Somebody who changes it past CloudFormation has the functions' rights.

use std::fmt::Write as _;

use aws_smithy_types::base64;
use guardrails_template::artifacts::hash_in;
use sha2::{Digest, Sha256};

use super::finding::{Read, Sheet, Unread};
use super::site::Site;

/// The code that was deployed.
#[derive(Debug, Clone)]
pub(super) struct Code {
    pub(super) bucket: String,
    pub(super) key: String,
    /// The beginning of its SHA-256, in hexadecimal.
    pub(super) hash: String,
}

/// The code that a function runs.
pub(super) struct Running<'a> {
    pub(super) function: &'a str,
    /// Its SHA-256, as Lambda writes it; none when that could not be read.
    pub(super) sum: Option<&'a str>,
}

/// The code that the stack says was deployed; none for a stack of an earlier version, which does not say.
pub(super) async fn look(site: &Site) -> Read<Option<Code>> {
    let place = site.code.as_deref().and_then(|place| place.split_once('/'));
    let Some((bucket, key)) = place.map(|(bucket, key)| (bucket.to_owned(), key.to_owned())) else { return Ok(None) };
    // The key of an unsigned zip says its content; a signed one has another.
    let hash = match hash_in(&key) {
        Some(hash) => hash.to_owned(),
        None => hash_of_object(site, &bucket, &key).await?,
    };
    Ok(Some(Code { bucket, key, hash }))
}

async fn hash_of_object(site: &Site, bucket: &str, key: &str) -> Read<String> {
    const NEEDS: &str = "s3:GetObject";
    let config = aws_sdk_s3::config::Builder::from(site.sdk()).force_path_style(site.sdk().endpoint_url().is_some());
    let client = aws_sdk_s3::Client::from_conf(config.build());
    let found = client.get_object().bucket(bucket).key(key).expected_bucket_owner(site.account()).send().await;
    let body = found.map_err(Unread::of(NEEDS))?.body.collect().await;
    let bytes = body.map_err(|error| Unread::new(NEEDS, error.to_string()))?.into_bytes();
    Ok(hexadecimal(&Sha256::digest(&bytes)))
}

pub(super) fn judge(sheet: &mut Sheet, code: &Read<Option<Code>>, functions: &[Running<'_>]) {
    let Some(Some(code)) = sheet.read("the functions' code", code) else { return };
    for Running { function: name, sum } in functions {
        let checked = format!("function {name}: its code");
        // A function that could not be read is found elsewhere.
        let Some(sum) = sum else { continue };
        let runs = base64::decode(sum).map(|bytes| hexadecimal(&bytes)).unwrap_or_default();
        if runs.starts_with(&code.hash) && !code.hash.is_empty() {
            sheet.well(checked);
            continue;
        }
        let Code { bucket, key, hash } = code;
        sheet.failure(
            &checked,
            format!("its SHA-256 is {runs}, and that of s3://{bucket}/{key}, which was deployed, is {hash}"),
            "somebody changed it past CloudFormation, and their code has the function's rights",
            format!(
                "find out who (CloudTrail has UpdateFunctionCode), then aws lambda update-function-code --function-name {name} --s3-bucket \
                 {bucket} --s3-key {key}"
            ),
        );
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
