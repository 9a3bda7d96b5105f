//! The names of AWS's Regions. A name of another shape is a mistake. A name that is not known here may be of a Region that is newer than
//! this program.

use crate::near;

/// The Regions of the partition `aws`.
const KNOWN: &[&str] = &[
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

/// Checks the shape of a Region's name.
///
/// # Errors
/// When it is no name of a Region; in words, with the near name.
pub fn check(name: &str) -> Result<(), String> {
    if is_shaped(name) {
        return Ok(());
    }
    let zone = name.strip_suffix(|letter: char| letter.is_ascii_lowercase()).filter(|region| is_shaped(region));
    if let Some(region) = zone {
        return Err(format!("`{name}` is an Availability Zone, and a Region is expected: write `{region}`"));
    }
    let meant = near::nearest(name, KNOWN).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    Err(format!("`{name}` is not the name of a Region: expected one such as `us-east-1`{meant}"))
}

/// A doubt about a name of the right shape that is not known here.
#[must_use]
pub fn doubt(name: &str) -> Option<String> {
    if KNOWN.contains(&name) {
        return None;
    }
    let meant = near::nearest(name, KNOWN).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    Some(format!("the Region `{name}` is not known to this version{meant}"))
}

/// Such as `us-east-1` or `us-gov-west-1`: words of letters, and a number at the end.
fn is_shaped(name: &str) -> bool {
    let parts: Vec<&str> = name.split('-').collect();
    let Some((number, words)) = parts.split_last() else { return false };
    let is_word = |word: &&str| word.len() > 1 && word.bytes().all(|byte| byte.is_ascii_lowercase());
    words.len() >= 2 && words.iter().all(is_word) && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_known_region_has_the_shape_and_no_doubt() {
        for name in KNOWN {
            assert_eq!((check(name), doubt(name)), (Ok(()), None), "{name}");
        }
    }

    #[test]
    fn misspelt_region_is_refused_with_the_near_name() {
        for (name, words) in [
            ("us-east1", "did you mean `us-east-1`?"),
            ("eu-west1", "did you mean `eu-west-1`?"),
            ("useast-1", "did you mean `us-east-1`?"),
            ("us-east-1a", "is an Availability Zone, and a Region is expected: write `us-east-1`"),
            ("nowhere", "expected one such as `us-east-1`"),
            ("all", "is not the name of a Region"),
        ] {
            let said = check(name).unwrap_err();
            assert!(said.contains(words), "{name}: {said}");
        }
    }

    #[test]
    fn unknown_region_of_the_right_shape_is_doubted_and_taken() {
        assert_eq!(check("eu-north-9"), Ok(()));
        let said = doubt("eu-north-9").unwrap();
        assert!(said.ends_with("did you mean `eu-north-1`?"), "{said}");
        assert_eq!((check("us-gov-west-1"), check("us-iso-east-1")), (Ok(()), Ok(())));
        assert!(doubt("xx-central-1").is_some());
    }
}
