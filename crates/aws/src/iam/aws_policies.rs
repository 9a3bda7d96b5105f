//! Names of AWS's own policies that people attach and detach most, to find misspelt ones. The list is not whole: AWS has more than a
//! thousand, so only a name that is one letter away from one of these is doubted.

use guardrails_model::near;

const OF_AWS: &str = ":iam::aws:policy/";
/// A name that is not on the list is misspelt at most so far.
const LETTERS: usize = 1;

const KNOWN: &[&str] = &[
    "AdministratorAccess",
    "AmazonAthenaFullAccess",
    "AmazonBedrockFullAccess",
    "AmazonBedrockReadOnly",
    "AmazonDynamoDBFullAccess",
    "AmazonDynamoDBReadOnlyAccess",
    "AmazonEC2ContainerRegistryReadOnly",
    "AmazonEC2FullAccess",
    "AmazonEC2ReadOnlyAccess",
    "AmazonECS_FullAccess",
    "AmazonElastiCacheFullAccess",
    "AmazonESFullAccess",
    "AmazonESReadOnlyAccess",
    "AmazonOpenSearchServiceFullAccess",
    "AmazonRDSFullAccess",
    "AmazonRDSReadOnlyAccess",
    "AmazonRedshiftFullAccess",
    "AmazonRedshiftReadOnlyAccess",
    "AmazonS3FullAccess",
    "AmazonS3ReadOnlyAccess",
    "AmazonSageMakerFullAccess",
    "AmazonSageMakerReadOnly",
    "AmazonSESFullAccess",
    "AmazonSESReadOnlyAccess",
    "AmazonSNSFullAccess",
    "AmazonSQSFullAccess",
    "AmazonSSMFullAccess",
    "AmazonSSMReadOnlyAccess",
    "AmazonVPCFullAccess",
    "AmazonVPCReadOnlyAccess",
    "AWSBatchFullAccess",
    "AWSCloudFormationFullAccess",
    "AWSCloudFormationReadOnlyAccess",
    "AWSLambda_FullAccess",
    "AWSLambda_ReadOnlyAccess",
    "AutoScalingFullAccess",
    "AutoScalingReadOnlyAccess",
    "CloudWatchFullAccess",
    "CloudWatchReadOnlyAccess",
    "IAMFullAccess",
    "IAMReadOnlyAccess",
    "PowerUserAccess",
    "ReadOnlyAccess",
    "SecurityAudit",
];

/// A doubt about the ARN of a policy of AWS whose name is nearly one of AWS's.
#[must_use]
pub fn doubt(arn: &str) -> Option<String> {
    let name = arn.split_once(OF_AWS)?.1;
    let near = near::nearest_within(LETTERS, name, KNOWN).filter(|near| *near != name)?;
    Some(format!("AWS's policy `{name}` is not known to this version; did you mean `{near}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policy_of_aws_that_is_a_letter_away_is_doubted() {
        for (name, near) in [
            ("AmazonEC2FulAccess", "AmazonEC2FullAccess"),
            ("AmazonEC2ReadonlyAcess", "AmazonEC2ReadOnlyAccess"),
            ("amazonec2fullaccess", "AmazonEC2FullAccess"),
        ] {
            let said = doubt(&format!("arn:aws:iam::aws:policy/{name}")).unwrap();
            assert!(said.ends_with(&format!("did you mean `{near}`?")), "{said}");
        }
    }

    #[test]
    fn other_policies_are_not_doubted() {
        for arn in [
            "arn:aws:iam::aws:policy/AmazonEC2FullAccess",
            "arn:aws:iam::aws:policy/AmazonKinesisFullAccess",
            "arn:aws:iam::aws:policy/job-function/ViewOnlyAccess",
            "arn:aws:iam::123456789012:policy/AmazonEC2FulAccess",
        ] {
            assert_eq!(doubt(arn), None, "{arn}");
        }
    }
}
