//! The rights of the function of `run-function`: to call published versions of the named functions, and to look which there are.

use std::collections::BTreeSet;

use super::params::RunFunction;
use crate::grants::{Grant, Use};
use crate::iam::protected;

const ALWAYS: &[Use] = &[Use::Plan, Use::Apply, Use::Rollback];

/// For all the stages that ask for it.
pub(super) fn all(all: &[&RunFunction]) -> Vec<Grant> {
    let named = |wanted: fn(&RunFunction) -> bool| -> BTreeSet<&str> {
        all.iter().filter(|params| wanted(params)).map(|params| params.function.as_str()).collect()
    };
    let arn = |name: &str| format!("arn:${{AWS::Partition}}:lambda:${{AWS::Region}}:${{AWS::AccountId}}:function:{name}");
    let grant = |sid: &str, uses, actions, resources: Vec<String>| Grant {
        sid: sid.to_owned(),
        uses,
        actions,
        resources,
        // A version's configuration may hold secrets, and a call runs it.
        narrow: true,
        ..Grant::default()
    };
    let functions = named(|_| true);
    // Any version: a run keeps the one that it was planned with, whichever the file names later.
    // Numbers do not begin with 0, and `$LATEST` is none.
    let numbers = |name: &&str| (1..=9).map(|digit| format!("{}:{digit}*", arn(name))).collect::<Vec<_>>();
    let versions: Vec<String> = functions.iter().flat_map(numbers).collect();
    // AWS documents the function as the resource of this call, and a version as an optional one.
    let either = functions.iter().map(|name| arn(name)).chain(versions.iter().cloned()).collect();
    let mut grants = vec![
        grant("CallVersions", ALWAYS, &["lambda:InvokeFunction"], versions),
        grant("ReadVersions", ALWAYS, &["lambda:GetFunctionConfiguration"], either),
    ];
    let newest = named(|params| params.version.is_none() && params.alias.is_none());
    if !newest.is_empty() {
        let functions = newest.into_iter().map(arn).collect();
        grants.push(grant("FindNewestVersion", &[Use::Plan], &["lambda:ListVersionsByFunction"], functions));
    }
    let aliases: BTreeSet<(&str, &str)> =
        all.iter().filter_map(|params| Some((params.function.as_str(), params.alias.as_deref()?))).collect();
    if !aliases.is_empty() {
        // IAM takes the function itself, or the alias, for the resource of this call.
        let functions = aliases.iter().flat_map(|(name, alias)| [arn(name), format!("{}:{alias}", arn(name))]);
        let functions: BTreeSet<String> = functions.collect();
        grants.push(grant("ReadAliases", &[Use::Plan], &["lambda:GetAlias"], functions.into_iter().collect()));
    }
    let principals: Vec<_> = all.iter().flat_map(|params| params.restricts.principals()).collect();
    grants.extend(protected::grants(&principals));
    grants
}
