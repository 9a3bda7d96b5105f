//! Reads `guardrails.yaml` strictly. Every error has the file, the line, a caret and the expected form.

mod checks;
pub(crate) mod problem;
pub(crate) mod wording;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_saphyr::Spanned;

use self::checks::{
    Asked, apart, check_approval, check_budget, check_meanwhile, check_new, check_operator, check_price_file, check_verify,
};
use self::problem::Problem;
use super::tags::UNQUOTED;
use super::{
    ActionSpec, ApprovalRule, Budget, Config, Demand, Guardrail, Meanwhile, Period, Plausibility, Reconcile, Release, Stage,
    StageAt, Tags,
};
use crate::alert::AlertType;
use crate::ids::{ActionName, FacetId, GuardrailName, Place, Value};
use crate::pace::{Limit, Pace};
use crate::principal::Principal;

/// The most notifications that AWS takes for one budget, and so the most stages.
pub const MOST_STAGES: usize = 10;

/// The actions that a file may ask for: an enum, externally tagged, with a variant for each action.
pub trait Actions: DeserializeOwned + Serialize + JsonSchema {
    /// AWS's limits whose buckets the file may set, by action.
    const LIMITS: &[&[Limit]] = &[];

    /// The actions that this stands for: itself, unless it is a line for several.
    ///
    /// # Errors
    /// When it asks for an action, a set or a key that there is not; in words.
    fn expanded(self) -> Result<Vec<Self>, String> {
        Ok(vec![self])
    }

    /// Is it a line for several actions?
    fn is_several(&self) -> bool {
        false
    }

    /// The facets that the action is known to turn without looking at the account, each with its wanted value. Two guardrails
    /// that wish the opposite of one facet are refused.
    fn desired(&self) -> Vec<(FacetId, Value)>;

    /// The principals that the action takes rights from.
    fn restricts(&self) -> Vec<Principal> {
        Vec::new()
    }

    /// The tags that the action selects its targets by, where it does.
    fn selects(&self) -> Option<&Tags> {
        None
    }

    /// The Regions that the action names to work in; none where it works in all, or in no Region.
    fn regions(&self) -> &[Place] {
        &[]
    }

    /// As which restriction it may be made while a person is asked; nothing where it waits for the answer.
    fn meanwhile(&self) -> Option<Meanwhile> {
        None
    }

    /// Does the action change something that a rollback cannot undo in full?
    fn is_lossy(&self) -> bool {
        false
    }
}

/// The file. `A` knows the actions.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, bound = "A: Actions")]
#[schemars(title = "guardrails.yaml", bound = "A: Actions")]
pub struct File<A> {
    /// The format of this file: 1.
    #[schemars(with = "u32", extend("const" = 1))]
    version: Spanned<u32>,
    /// ARNs of the users and roles that run the guardrails. No guardrail may restrict them.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    operators: Vec<Spanned<String>>,
    /// The share of AWS's request limits that a run takes: half when left out.
    #[schemars(with = "Option<Pace>")]
    pace: Option<Spanned<Pace>>,
    /// The schedule on which AWS Budgets is compared with the ledger: every hour when left out.
    #[schemars(with = "Option<Reconcile>")]
    reconcile: Option<Spanned<Reconcile>>,
    /// A price list, which `guardrails prices fetch` writes: a path from the folder of this file. It is deployed too. Commands then say the
    /// cost an hour, and a large figure is believed when the instances in scope could have cost so much. No prices are known when left
    /// out.
    #[schemars(with = "Option<String>")]
    prices: Option<Spanned<String>>,
    /// The guardrails by name: 1 to 60 lower-case letters, digits and hyphens. The AWS budget gets the same name.
    #[schemars(with = "BTreeMap<String, GuardrailBody<A>>")]
    guardrails: BTreeMap<GuardrailName, GuardrailBody<A>>,
}

/// A budget and the stages at its thresholds.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, bound = "A: Actions")]
#[schemars(rename = "Guardrail", bound = "A: Actions")]
struct GuardrailBody<A> {
    /// The budget that AWS Budgets watches.
    #[schemars(with = "Budget")]
    budget: Spanned<Budget>,
    /// The thresholds and their actions: 1 to 10 stages.
    #[schemars(with = "Vec<StageBody<A>>", length(min = 1, max = 10))]
    stages: Vec<Spanned<StageBody<A>>>,
    /// The figures that are believed.
    #[schemars(with = "Option<Plausibility>")]
    plausibility: Option<Spanned<Plausibility>>,
    /// The end of the budget's period. `new-period` rolls held changes back as soon as the spend of the new period is known and below
    /// the threshold. `manual` leaves that to people.
    #[serde(default)]
    release: Release,
}

/// A threshold and its actions.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, bound = "A: Actions")]
#[schemars(rename = "Stage", bound = "A: Actions")]
struct StageBody<A> {
    /// The threshold, such as `80% forecasted` or `100% actual`.
    at: StageAt,
    /// `notify`, actions, and lists of actions that run side by side; one after another. Every stage notifies.
    #[schemars(with = "Vec<Item<A>>")]
    r#do: Vec<Spanned<Item<A>>>,
    /// Ask a person before anything is changed: `approval: {}` for the defaults below. A stage that only notifies takes no `approval`. When
    /// left out, no person is asked.
    #[schemars(with = "Option<ApprovalRule>", extend("default" = null))]
    approval: Option<Spanned<ApprovalRule>>,
    /// While a person is asked, by `approval` or because the figure is not believed, the stage's actions that deny (`deny`) or swap
    /// policies (`swap`) are carried out at once. After a no they are rolled back. The stage must have such an action. When left out,
    /// nothing is done meanwhile.
    #[schemars(with = "Option<Meanwhile>")]
    meanwhile: Option<Spanned<Meanwhile>>,
    /// After a stage that takes rights from people, IAM is asked whether they can still launch. `report` tells people. With `fail` the
    /// run ends as failed when somebody can, or when IAM could not be asked, and its changes stay. A stage that takes rights from nobody
    /// takes no `verify`.
    #[schemars(with = "Option<Demand>", extend("default" = "report"))]
    verify: Option<Spanned<Demand>>,
    /// The outcome when a target in scope is left alone and goes on costing money, or could not be planned. `report` tells people. With `fail`
    /// the run ends as failed, and its changes stay. Exempt targets are not counted.
    #[serde(default, rename = "left-alone")]
    left_alone: Demand,
}

enum Item<A> {
    Notify,
    Action(A),
    Together(Vec<A>),
}

/// An error in a file: its place, and the expected form.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct FileError(String);

/// Reads and checks the file `name` that holds `text`.
///
/// # Errors
/// When anything in it is not as expected; the error shows the place and says what to write instead.
pub fn parse<A: Actions>(name: &str, text: &str) -> Result<Config, FileError> {
    let options = serde_saphyr::options! { strict_booleans: true };
    let file: File<A> = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        if let Some(problem) = unquoted(&error, text) {
            return FileError(problem.render(name, text));
        }
        let (at, what) = wording::words(&error);
        FileError(Problem { at, what }.render(name, text))
    })?;
    check(file).map_err(|problem| FileError(problem.render(name, text)))
}

/// YAML took a tag's value for a number: the value as it is written.
fn unquoted(error: &serde_saphyr::Error, text: &str) -> Option<Problem> {
    let at = error.location().filter(|_| error.to_string().contains(UNQUOTED))?;
    let line = text.lines().nth(usize::try_from(at.line()).ok()?.checked_sub(1)?)?;
    let from = line.chars().skip(usize::try_from(at.column()).ok()?.checked_sub(1)?);
    let written: String = from.take_while(|c| !c.is_whitespace() && !",]}#".contains(*c)).collect();
    let quoted = if written.is_empty() { "it".to_owned() } else { format!("\"{written}\"") };
    Some(Problem::at(at, format!("a tag's value is text: write {quoted} in quotes")))
}

/// The JSON Schema of the file, for editors.
#[must_use]
pub fn schema<A: Actions>() -> Schema {
    schemars::generate::SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<File<A>>()
}

fn check<A: Actions>(file: File<A>) -> Result<Config, Problem> {
    if file.version.value != 1 {
        let what = format!("version {} is not known: this program reads version 1", file.version.value);
        return Err(Problem::at(file.version.referenced, what));
    }
    for operator in &file.operators {
        check_operator(&operator.value).map_err(|what| Problem::at(operator.referenced, what))?;
    }
    let pace = file.pace.map_or_else(
        || Ok(Pace::default()),
        |pace| match pace.value.check().and_then(|()| pace.value.check_names(A::LIMITS.iter().copied().flatten())) {
            Ok(()) => Ok(pace.value),
            Err(what) => Err(Problem::at(pace.referenced, what)),
        },
    )?;
    let reconcile = file.reconcile.map_or_else(
        || Ok(Reconcile::default()),
        |reconcile| match reconcile.value.check() {
            Ok(()) => Ok(reconcile.value),
            Err(what) => Err(Problem::at(reconcile.referenced, what)),
        },
    )?;
    let price_file = check_price_file(file.prices)?;
    if file.guardrails.is_empty() {
        return Err(Problem { at: None, what: "`guardrails` is empty: name at least one guardrail".to_owned() });
    }
    let operators: Vec<String> = file.operators.into_iter().map(|operator| operator.value).collect();
    let mut desired = DesiredFacets::default();
    let mut guardrails = BTreeMap::new();
    for (name, body) in file.guardrails {
        let of_budget = body.budget.referenced;
        let guardrail = check_guardrail(name.clone(), body, &mut desired, &operators)?;
        if let Some(other) = guardrails.values().find(|other: &&Guardrail| other.budget_name() == guardrail.budget_name()) {
            let what = format!(
                "`{name}` and `{}` would have one budget, `{}`: alerts would not tell which of them is meant; let one of them have \
                 another",
                other.name,
                guardrail.budget_name()
            );
            return Err(Problem::at(of_budget, what));
        }
        guardrails.insert(name, guardrail);
    }
    Ok(Config { operators, pace, reconcile, price_file, prices: None, guardrails })
}

fn check_guardrail<A: Actions>(
    name: GuardrailName,
    body: GuardrailBody<A>,
    desired: &mut DesiredFacets,
    operators: &[String],
) -> Result<Guardrail, Problem> {
    let budget = body.budget.value;
    check_budget(&budget).map_err(|what| Problem::at(body.budget.referenced, what))?;
    if body.stages.is_empty() || body.stages.len() > MOST_STAGES {
        let what = format!("{} stages: expected 1 to {MOST_STAGES}, as many as AWS notifies of", body.stages.len());
        return Err(Problem::at(body.budget.referenced, what));
    }
    let mut stages: Vec<Stage> = Vec::new();
    for Spanned { value: stage, referenced: place, .. } in body.stages {
        let problem = |what| Problem::at(place, what);
        if budget.period != Period::Monthly && stage.at.alert_type == AlertType::Forecasted {
            let what = "AWS does not forecast daily budgets, and the forecast of a custom period is not known: use `actual`, or a monthly \
                        budget";
            return Err(problem(what.to_owned()));
        }
        apart(&stages, stage.at, budget.amount.dollars()).map_err(problem)?;
        let (mut waves, mut restricted, mut lossy) = (Vec::new(), BTreeSet::new(), false);
        let mut cheap: Vec<(Meanwhile, ActionName)> = Vec::new();
        let mut asked = Asked::default();
        for item in stage.r#do {
            let here = item.referenced;
            let written = match item.value {
                Item::Notify => continue,
                Item::Action(action) => vec![action],
                Item::Together(actions) => actions,
            };
            let mut actions = Vec::new();
            for one in written {
                let several = one.is_several();
                let of_one = one.expanded().and_then(|of_one| asked.add(&of_one, several).map(|()| of_one));
                actions.extend(of_one.map_err(|what| Problem::at(here, what))?);
            }
            for action in &actions {
                desired.add(&name, action).map_err(problem)?;
                check_new(action).map_err(|what| Problem::at(here, what))?;
                restricted.extend(action.restricts());
                lossy |= action.is_lossy();
                if let Some(meanwhile) = action.meanwhile() {
                    cheap.push((meanwhile, spec(action).map_err(problem)?.name));
                }
                spare_operators(&name, action, operators).map_err(|what| Problem::at(here, what))?;
            }
            waves.push(actions.iter().map(spec).collect::<Result<_, _>>().map_err(problem)?);
        }
        let approval = stage.approval.map(|approval| check_approval(&approval, &waves)).transpose()?;
        let verify = check_verify(stage.verify.as_ref(), restricted)?;
        let meanwhile = check_meanwhile(stage.meanwhile.as_ref(), cheap)?;
        stages.push(Stage { at: stage.at, waves, approval, verify, meanwhile, left_alone: stage.left_alone, lossy });
    }
    let plausibility = body.plausibility.map_or_else(
        || Ok(Plausibility::default()),
        |rule| rule.value.check().map(|()| rule.value).map_err(|what| Problem::at(rule.referenced, what)),
    )?;
    Ok(Guardrail { name, budget, stages, plausibility, release: body.release })
}

/// The file does not list a group's members: they are looked up when it is deployed, planned and applied.
fn spare_operators<A: Actions>(guardrail: &GuardrailName, action: &A, operators: &[String]) -> Result<(), String> {
    let restricted: Vec<Principal> = action.restricts().iter().map(Principal::folded).collect();
    let hit = operators.iter().find(|arn| Principal::of_arn(arn).is_some_and(|operator| restricted.contains(&operator.folded())));
    hit.map_or(Ok(()), |arn| {
        Err(format!("`{guardrail}` would restrict the operator {arn}, who could then not roll back: let it spare them, or name other operators"))
    })
}

fn spec<A: Actions>(action: &A) -> Result<ActionSpec, String> {
    let whole = serde_json::to_value(action).map_err(|error| error.to_string())?;
    let tagged = whole.as_object().and_then(|object| object.iter().next());
    let (name, params) = tagged.ok_or_else(|| format!("an action must be written as `name: {{...}}`, not {whole}"))?;
    Ok(ActionSpec { name: name.parse().map_err(|error| format!("{error}"))?, params: params.clone() })
}

/// The value that every guardrail wants of every facet, to find those that want opposite values; and how principals are written.
#[derive(Default)]
struct DesiredFacets {
    wanted: HashMap<FacetId, (Value, GuardrailName)>,
    written: HashMap<Principal, Principal>,
}

impl DesiredFacets {
    fn add<A: Actions>(&mut self, guardrail: &GuardrailName, action: &A) -> Result<(), String> {
        // Written in two ways, one attachment would be two facets.
        for principal in action.restricts() {
            let first = self.written.entry(principal.folded()).or_insert_with(|| principal.clone());
            if *first != principal {
                return Err(format!(
                    "`{principal}` is written `{first}` elsewhere, and IAM knows only one such: write it as IAM does"
                ));
            }
        }
        for (facet, wanted) in action.desired() {
            let first = self.wanted.entry(facet.clone()).or_insert_with(|| (wanted.clone(), guardrail.clone()));
            if first.0 != wanted {
                return Err(format!(
                    "`{guardrail}` wants `{facet}` {wanted}, but `{}` wants it {}: opposite wishes cannot both be \
                    held; let one of them go",
                    first.1, first.0
                ));
            }
        }
        Ok(())
    }
}

impl<'de, A: Actions> Deserialize<'de> for Item<A> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ItemVisitor<A>(PhantomData<A>);

        impl<'de, A: Actions> Visitor<'de> for ItemVisitor<A> {
            type Value = Item<A>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "`notify`, an action with its parameters such as `stop-instances: {tag: {Project: Beta}}`, or a \
                    list of actions that run side by side",
                )
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Item<A>, E> {
                if word == "notify" { Ok(Item::Notify) } else { Err(E::invalid_value(de::Unexpected::Str(word), &self)) }
            }

            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Item<A>, M::Error> {
                A::deserialize(MapAccessDeserializer::new(map)).map(Item::Action)
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut sequence: S) -> Result<Item<A>, S::Error> {
                let mut actions = Vec::new();
                while let Some(action) = sequence.next_element()? {
                    actions.push(action);
                }
                if actions.is_empty() { Err(de::Error::invalid_length(0, &self)) } else { Ok(Item::Together(actions)) }
            }
        }

        deserializer.deserialize_any(ItemVisitor(PhantomData))
    }
}

impl<A: Actions> JsonSchema for Item<A> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Do".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let action = generator.subschema_for::<A>();
        json_schema!({
            "description": "`notify`, an action, or a list of actions that run side by side.",
            "anyOf": [{"const": "notify"}, action, {"type": "array", "minItems": 1, "items": action}]
        })
    }
}
