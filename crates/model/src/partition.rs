//! AWS's partitions: where AWS Budgets is, and sends alerts that are understood. Elsewhere a guardrail would look like one and protect nobody.

/// The partition that is supported.
pub const SUPPORTED: &str = "aws";

/// Refuses to work in `partition` where that is not supported.
///
/// # Errors
/// When it is not; with why.
pub fn check(partition: &str) -> Result<(), String> {
    let why = match partition {
        SUPPORTED => return Ok(()),
        "aws-us-gov" => "AWS has no budgets there, since AWS GovCloud (US) is billed to an account of the partition `aws`",
        "aws-cn" => "AWS bills in yuan there, and budgets and alerts are understood in US dollars only",
        _ => "whether it has AWS Budgets, and what its alerts look like, is not known",
    };
    Err(format!(
        "AWS's partition `{partition}` is not supported: {why}; expected an account and ARNs of the partition `{SUPPORTED}`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_partitions_with_understood_alerts_are_supported() {
        assert_eq!(check("aws"), Ok(()));
        for (partition, why) in
            [("aws-us-gov", "has no budgets there"), ("aws-cn", "in yuan"), ("aws-eusc", "is not known"), ("", "``")]
        {
            assert!(check(partition).unwrap_err().contains(why), "{partition}");
        }
    }
}
