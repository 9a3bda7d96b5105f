//! The ledger outlives its stack, and a later stack may adopt it: a parameter names the table, and none is made then.

use serde_json::{Value as Json, json};

/// The parameter that names the table.
const PARAMETER: &str = "LedgerTable";
/// The condition under which the stack makes one of its own.
const MAKES: &str = "MakesLedger";
const LEDGER: &str = "Ledger";

/// Has everything that uses the stack's ledger use the one that the parameter names, where it names one.
pub(super) fn may_be_adopted(template: &mut Json) {
    for part in ["Resources", "Outputs"] {
        refer(&mut template[part]);
    }
    template["Resources"][LEDGER]["Condition"] = json!(MAKES);
    template["Conditions"][MAKES] = json!({"Fn::Equals": [{"Ref": PARAMETER}, ""]});
    template["Parameters"][PARAMETER] = json!({
        "Type": "String",
        "Default": "",
        "Description": "The table of an earlier stack's ledger, to go on with it. `guardrails deploy --adopt-ledger` looks at it first.",
    });
}

/// A pattern for its ARN that is shorter than that, for a policy with little room.
pub(super) fn pattern() -> Json {
    let table = |name: &str| json!({"Fn::Sub": format!("arn:${{AWS::Partition}}:dynamodb:*:*:table/{name}")});
    let adopted = format!("${{{PARAMETER}}}");
    json!({"Fn::If": [MAKES, table(&format!("${{AWS::StackName}}-{LEDGER}-*")), table(&adopted)]})
}

fn refer(value: &mut Json) {
    let adopted = if *value == json!({"Ref": LEDGER}) {
        json!({"Ref": PARAMETER})
    } else if *value == json!({"Fn::GetAtt": [LEDGER, "Arn"]}) {
        json!({"Fn::Sub": format!("arn:${{AWS::Partition}}:dynamodb:${{AWS::Region}}:${{AWS::AccountId}}:table/${{{PARAMETER}}}")})
    } else {
        match value {
            Json::Array(all) => all.iter_mut().for_each(refer),
            Json::Object(all) => all.values_mut().for_each(refer),
            _ => {}
        }
        return;
    };
    *value = json!({"Fn::If": [MAKES, value.take(), adopted]});
}
