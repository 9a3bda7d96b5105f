//! The steps that `--only`, `--action` and `--in` choose. `--only` takes any name that `plan` and `status` show of a step, and sends the
//! facets: a request in the ledger names nothing else.

use std::collections::BTreeSet;

use anyhow::{Result, anyhow};
use guardrails_model::ids::{ActionName, FacetId, Place, Selector};
use guardrails_model::near;
use guardrails_model::record::{Run, Scope as Steps, Step};

use crate::args::Scope;

/// The most facets of one request: it is one record of the ledger.
const MOST: usize = 1000;

/// A selection, while the steps of runs are read.
pub(crate) struct Chosen<'a> {
    scope: &'a Scope,
    words: Vec<Word<'a>>,
    actions: BTreeSet<ActionName>,
    places: BTreeSet<Place>,
    /// The names that people see, and the facets, to find the near ones.
    shown: BTreeSet<String>,
    facets: BTreeSet<String>,
}

/// A word of `--only`, and the facets that it means.
struct Word<'a> {
    text: &'a str,
    /// The same, where it is a facet or the beginning of some.
    selector: Option<Selector>,
    means: BTreeSet<Selector>,
}

impl<'a> Chosen<'a> {
    pub(crate) fn new(scope: &'a Scope) -> Self {
        let word = |word: &'a String| Word { text: word, selector: word.parse().ok(), means: BTreeSet::new() };
        Self {
            scope,
            words: scope.only.iter().map(word).collect(),
            actions: BTreeSet::new(),
            places: BTreeSet::new(),
            shown: BTreeSet::new(),
            facets: BTreeSet::new(),
        }
    }

    /// Takes in a run whose steps come next.
    pub(crate) fn enter(&mut self, run: &Run) {
        self.actions.extend(run.parts.iter().map(|part| part.action.clone()));
        self.places.extend(run.parts.iter().filter_map(|part| part.place.clone()));
    }

    /// Is this step of `run` chosen?
    pub(crate) fn takes(&mut self, run: &Run, step: &Step) -> bool {
        let mut named = self.words.is_empty();
        for word in &mut self.words {
            named |= word.take(run, step);
        }
        if !self.words.is_empty() {
            self.facets.insert(step.facet.to_string());
            self.shown.extend(names(run, step).into_iter().filter(|name| !name.contains('/')).map(str::to_owned));
        }
        let rest = Steps { only: &[], actions: &self.scope.action, places: &self.scope.within };
        named && rest.covers(run, step)
    }

    /// The facets that `--only` means. `of` begins the sentence about a name that there is not, such as `run r-1 does not have`.
    ///
    /// # Errors
    /// When a name is of nothing, with the near ones; or when it is of too much.
    pub(crate) fn selectors(&self, of: &str) -> Result<Vec<Selector>> {
        for action in &self.scope.action {
            known(of, "action", action.as_str(), &self.actions.iter().map(ActionName::as_str).collect::<Vec<_>>())?;
        }
        for place in &self.scope.within {
            known(of, "place", place.as_str(), &self.places.iter().map(Place::as_str).collect::<Vec<_>>())?;
        }
        if let Some(lost) = self.words.iter().find(|word| word.means.is_empty()) {
            let among = if lost.text.contains('/') { &self.facets } else { &self.shown };
            let among: Vec<&str> = among.iter().map(String::as_str).collect();
            return Err(anyhow!(
                "{of} the facet, target or place `{}`; {}\nhint: --only takes an id, a name, a policy, a Region, a facet, or the beginning \
                 of facets with a slash at its end, such as `instance-power/eu-west-1/`",
                lost.text,
                near::among(lost.text, &among)
            ));
        }
        let all: BTreeSet<&Selector> = self.words.iter().flat_map(|word| &word.means).collect();
        if all.len() > MOST {
            return Err(anyhow!("--only names {} facets: expected at most {MOST}\nhint: --in names a Region whole", all.len()));
        }
        Ok(all.into_iter().cloned().collect())
    }
}

/// The word is one of `names`, or an error with the near ones.
fn known(of: &str, kind: &str, word: &str, names: &[&str]) -> Result<()> {
    if names.contains(&word) {
        return Ok(());
    }
    Err(anyhow!("{of} the {kind} `{word}`; {}", near::among(word, names)))
}

impl Word<'_> {
    fn take(&mut self, run: &Run, step: &Step) -> bool {
        if let Some(selector) = self.selector.as_ref().filter(|selector| selector.means(&step.facet)) {
            self.means.insert(selector.clone());
            return true;
        }
        if !names(run, step).contains(&self.text) {
            return false;
        }
        self.means.insert(narrowest(self.text, &step.facet));
        true
    }
}

/// The selector that means `word` where it is a name of `facet`. Of a Region, a group or a role it means all of it: a request about ten
/// thousand instances then names one thing.
fn narrowest(word: &str, facet: &FacetId) -> Selector {
    let (kind, target, _) = facet.parts();
    let whole = (target == word).then(|| format!("{kind}/{target}/").parse().ok()).flatten();
    whole.unwrap_or_else(|| facet.clone().into())
}

/// The names by which people see a step, its facet first.
fn names<'a>(run: &'a Run, step: &'a Step) -> Vec<&'a str> {
    let (_, target, switch) = step.facet.parts();
    let mut names = vec![step.facet.as_str(), target, switch, &step.label];
    names.extend(switch.rsplit('/').next().filter(|last| *last != switch));
    // Such as `i-0abc (web-1)`.
    if let Some((id, name)) = step.label.split_once(" (") {
        names.extend([id, name.strip_suffix(')').unwrap_or(name)]);
    }
    names.extend(step.unit.as_ref().map(|unit| unit.name.as_str()));
    names.extend(run.parts.get(step.part).and_then(|part| part.place.as_ref()).map(Place::as_str));
    names
}

/// The one facet among the steps that were read which `word` names.
///
/// # Errors
/// When it names several.
pub(crate) fn only_one<'a>(word: &str, found: impl IntoIterator<Item = &'a FacetId>) -> Result<Option<&'a FacetId>> {
    let found: BTreeSet<&FacetId> = found.into_iter().collect();
    if found.len() > 1 {
        let all: Vec<&str> = found.iter().map(|facet| facet.as_str()).collect();
        return Err(anyhow!("`{word}` is the name of {} facets: expected one; {}", all.len(), near::among(word, &all)));
    }
    Ok(found.into_iter().next())
}

/// Is `word` a name of this step?
pub(crate) fn is_named(word: &str, run: &Run, step: &Step) -> bool {
    names(run, step).contains(&word)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use serde_json::json;

    use super::*;

    #[derive(clap::Parser)]
    struct Options {
        #[command(flatten)]
        scope: Scope,
    }

    fn scope(arguments: &[&str]) -> Scope {
        Options::parse_from(["test"].iter().chain(arguments)).scope
    }

    fn run() -> Run {
        let part = |action: &str, place: Option<&str>| json!({"group": 0, "action": action, "params": {}, "place": place, "plan": {"is": "missing"}});
        serde_json::from_value(json!({
            "format": 1, "id": "r-1", "guardrail": "beta", "stage": "100% actual", "period": "2026-11", "simulated": false,
            "alert": "a", "budget": {"amount": "2 USD", "period": "monthly"}, "state": "Enforced", "direction": "apply", "began": "2026-11-23T01:46:53Z", "operators": [],
            "tries": {"apply": 1, "rollback": 0}, "attempts": {"apply": 1, "rollback": 0}, "token": "t", "events": [],
            "parts": [part("swap-group-policy", None), part("stop-instances", Some("eu-west-1"))],
        }))
        .unwrap()
    }

    fn step(part: usize, facet: &str, label: &str, unit: Option<&str>) -> Step {
        let unit = unit.map(|name| json!({"name": name, "forward": 1, "back": 0}));
        serde_json::from_value(json!({
            "format": 1, "run": "r-1", "part": part, "token": "t", "facet": facet, "label": label, "unit": unit, "present": "running",
            "wanted": "stopped", "phase": "Applied", "since": "2026-11-23T01:46:53Z", "events": [],
        }))
        .unwrap()
    }

    fn steps() -> Vec<Step> {
        vec![
            step(
                0,
                "group-policy/ProjectBeta/arn:aws:iam::aws:policy/AmazonEC2FullAccess",
                "AmazonEC2FullAccess of group ProjectBeta",
                None,
            ),
            step(0, "group-policy/ProjectBeta/arn:aws:iam::1:policy/own", "own of group ProjectBeta", None),
            step(1, "instance-power/eu-west-1/i-1", "i-1 (web-1)", Some("web")),
            step(1, "instance-power/eu-west-1/i-2", "i-2", None),
        ]
    }

    /// The chosen steps, and the selectors that are sent.
    fn chosen(arguments: &[&str]) -> Result<(Vec<usize>, Vec<String>)> {
        let (scope, run, steps) = (scope(arguments), run(), steps());
        let mut chosen = Chosen::new(&scope);
        chosen.enter(&run);
        let taken: Vec<usize> = (0..steps.len()).filter(|index| chosen.takes(&run, &steps[*index])).collect();
        let selectors = chosen.selectors("run r-1 does not have")?;
        // The functions go by the selectors alone: they choose the same.
        let sent = Steps { only: &selectors, actions: &scope.action, places: &scope.within };
        assert_eq!(
            taken,
            (0..steps.len()).filter(|index| sent.covers(&run, &steps[*index])).collect::<Vec<_>>(),
            "{arguments:?}"
        );
        Ok((taken, selectors.iter().map(ToString::to_string).collect()))
    }

    #[test]
    fn every_name_that_is_shown_chooses_its_steps() {
        for (word, indices) in [
            ("i-1", &[2][..]),
            ("web-1", &[2]),
            ("i-1 (web-1)", &[2]),
            ("web", &[2]),
            ("ProjectBeta", &[0, 1]),
            ("AmazonEC2FullAccess", &[0]),
            ("arn:aws:iam::1:policy/own", &[1]),
            ("own of group ProjectBeta", &[1]),
            ("eu-west-1", &[2, 3]),
            ("instance-power/eu-west-1/i-2", &[3]),
            ("instance-power/", &[2, 3]),
        ] {
            assert_eq!(chosen(&["--only", word]).unwrap().0, indices, "{word}");
        }
        assert_eq!(chosen(&["--only", "ProjectBeta", "--only", "i-2"]).unwrap().0, [0, 1, 3]);
        assert_eq!(chosen(&["--only", "i-2", "--action", "swap-group-policy"]).unwrap().0, [0_usize; 0]);
        assert_eq!(chosen(&[]).unwrap(), (vec![0, 1, 2, 3], Vec::new()));
    }

    #[test]
    fn region_or_group_is_sent_as_one_selector() {
        assert_eq!(chosen(&["--only", "eu-west-1"]).unwrap().1, ["instance-power/eu-west-1/"]);
        assert_eq!(chosen(&["--only", "ProjectBeta"]).unwrap().1, ["group-policy/ProjectBeta/"]);
    }

    #[test]
    fn unknown_name_is_an_error_with_the_near_one() {
        for (arguments, words) in [
            (["--only", "ProjctBeta"], "does not have the facet, target or place `ProjctBeta`; did you mean `ProjectBeta`?"),
            (["--only", "instance-power/eu-west-1/i-3"], "did you mean `instance-power/eu-west-1/i-"),
            (["--action", "stop-instance"], "does not have the action `stop-instance`; did you mean `stop-instances`?"),
            (["--in", "eu-west-2"], "does not have the place `eu-west-2`; did you mean `eu-west-1`?"),
        ] {
            let said = chosen(&arguments).unwrap_err().to_string();
            assert!(said.contains(words), "{said}");
        }
    }

    #[test]
    fn name_of_several_facets_is_no_single_one() {
        let all: Vec<FacetId> = steps().into_iter().map(|step| step.facet).collect();
        assert!(only_one("ProjectBeta", &all[..2]).unwrap_err().to_string().contains("is the name of 2 facets: expected one"));
        assert_eq!(only_one("i-1", [&all[2], &all[2]]).unwrap(), Some(&all[2]), "of two runs");
        assert_eq!(only_one("i-9", []).unwrap(), None);
    }
}
