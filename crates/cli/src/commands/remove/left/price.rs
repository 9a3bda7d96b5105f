//! Prices of storage, to say about how much the things that are left cost.

use rust_decimal::Decimal;

/// The least price of something that has a size.
const LEAST: Decimal = Decimal::from_parts(1, 0, 0, false, 4);

/// US dollars a gigabyte and month, in thousandths: AWS's list prices of us-east-1, of pages that docs/deploying.md names in section
/// 6. Other Regions cost up to twice as much.
pub(super) struct Rate(i64);

impl Rate {
    /// DynamoDB: $0.25 of storage and $0.20 of point-in-time recovery.
    pub(super) const LEDGER: Self = Self(450);
    /// S3 Standard.
    pub(super) const OBJECTS: Self = Self(23);
    /// CloudWatch Logs, as they are stored.
    pub(super) const LOGS: Self = Self(30);

    /// The price of `bytes` a month.
    pub(super) fn of(&self, bytes: i64) -> Decimal {
        let gigabyte = Decimal::from(1_i64 << 30);
        let price = (Decimal::new(self.0, 3) * Decimal::from(bytes) / gigabyte).round_dp(4);
        if bytes > 0 { price.max(LEAST) } else { price }
    }
}

/// For people.
pub(super) fn words(usd: Decimal) -> String {
    let cent = Decimal::new(1, 2);
    if usd.is_zero() {
        "nothing".to_owned()
    } else if usd < cent {
        "less than $0.01".to_owned()
    } else {
        format!("about ${usd:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn price_goes_by_the_size_and_is_said_in_cents() {
        let gigabytes = |number: i64| number << 30;
        assert_eq!(words(Rate::LEDGER.of(gigabytes(2))), "about $0.90");
        assert_eq!(words(Rate::OBJECTS.of(gigabytes(10))), "about $0.23");
        assert_eq!(words(Rate::LOGS.of(gigabytes(1) / 10)), "less than $0.01");
        assert_eq!(words(Rate::LEDGER.of(1)), "less than $0.01");
        assert_eq!(words(Rate::LEDGER.of(0)), "nothing");
    }
}
