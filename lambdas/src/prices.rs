//! The custom resource that keeps the template's price list in the ledger.

use guardrails_model::prices::PriceList;
use serde_json::Value as Json;

use crate::fault::Fault;
use crate::runtime::Invocation;

/// Puts the price list of a template into the ledger.
///
/// # Errors
/// When the property is no price list, or the ledger cannot be written.
pub async fn keep(properties: &Json, invocation: &Invocation) -> Result<(), Fault> {
    let list = prices_in(properties).map_err(|why| Fault::failed(format!("the property Prices is not a price list: {why}")))?;
    Ok(invocation.ledger()?.save_prices(Some(list)).await?)
}

/// Takes the price list out of the ledger.
///
/// # Errors
/// When the ledger cannot be written.
pub async fn remove(invocation: &Invocation) -> Result<(), Fault> {
    Ok(invocation.ledger()?.save_prices(None).await?)
}

fn prices_in(properties: &Json) -> Result<PriceList, String> {
    let text = properties["Prices"].as_str().ok_or("it is no text")?;
    serde_json::from_str(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn price_list_is_read_from_its_property() {
        let list = guardrails_model::prices::parse("prices", "date: 2026-11-30\nus-east-1: {m5.large: 0.096}\n").unwrap();
        assert_eq!(prices_in(&json!({"Prices": list.deployable().unwrap()})), Ok(list));
        assert!(prices_in(&json!({})).is_err() && prices_in(&json!({"Prices": "nonsense"})).is_err());
    }
}
