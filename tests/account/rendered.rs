//! The template that the example renders to, and its parts as tests read them.

use guardrails_aws::actions::CATALOG;
use guardrails_template as template;
use serde_json::Value as Json;

pub const OPERATOR: &str = "arn:aws:iam::123456789012:user/finops";

/// The example, with every action besides.
pub fn rendered() -> Json {
    let example = include_str!("../../examples/guardrails.yaml");
    let others = "          - scale-group-to-zero: { tag: { Project: Beta }, members-are-disposable: true }
          - stop-databases: { tag: { Project: Beta } }
          - pause-clusters: { tag: { Project: Beta } }
          - stop-functions: { tag: { Project: Beta } }
          - stop-services: { tag: { Project: Beta } }
          - swap-policy: { user: beta-developer, detach: [AmazonEC2FullAccess] }
          - run-function: { function: pause-queues }
          - deny-actions: { role: beta-deployer, also: [sts:AssumeRole] }\n";
    rendered_of(&format!("{}\n{others}", example.trim_end()))
}

pub fn rendered_of(text: &str) -> Json {
    let config = CATALOG.parse("guardrails.yaml", text).unwrap();
    template::render(&config, "functions.zip").unwrap()
}

/// The example with so many guardrails, each with a tag value and a group of its own.
pub fn many_guardrails(number: usize) -> String {
    let example = include_str!("../../examples/guardrails.yaml");
    let (head, one) = example.split_once("guardrails:\n").unwrap();
    let one = |number: usize| {
        one.replace("project-beta", &format!("project-number-{number:03}"))
            .replace("Project: Beta", &format!("Project: Project-{number:03}"))
            .replace("ProjectBeta", &format!("Team-Of-Project-{number:03}"))
    };
    format!("{head}guardrails:\n{}", (0..number).map(one).collect::<Vec<_>>().join("\n"))
}

pub fn of_type<'a>(template: &'a Json, kind: &'a str) -> impl Iterator<Item = (&'a str, &'a Json)> {
    let resources = template["Resources"].as_object().unwrap().iter();
    resources
        .filter(move |(_, resource)| resource["Type"] == kind)
        .map(|(name, resource)| (name.as_str(), &resource["Properties"]))
}

/// One, or a list of them.
pub fn many(value: &Json) -> Vec<&Json> {
    value.as_array().map_or_else(|| vec![value], |values| values.iter().collect())
}

pub fn texts(value: &Json) -> Vec<&str> {
    many(value).into_iter().filter_map(Json::as_str).collect()
}

/// The statements of a policy, also those under a condition of the template.
pub fn statements(document: &Json) -> Vec<&Json> {
    let all = many(&document["Statement"]).into_iter();
    all.flat_map(|one| one["Fn::If"].as_array().map_or_else(|| vec![one], |branches| vec![&branches[1]])).collect()
}

/// Each role's statements, also those in managed policies that are attached to it.
pub fn granted(template: &Json) -> Vec<(&str, &Json)> {
    let roles = of_type(template, "AWS::IAM::Role");
    let inline = roles.flat_map(|(role, properties)| {
        // Under a company's boundary a role has a policy more, of Denies.
        let policies = many(&properties["Policies"]).into_iter().filter(|policy| policy.get("Fn::If").is_none());
        policies.map(move |policy| (role, &policy["PolicyDocument"]))
    });
    let managed = of_type(template, "AWS::IAM::ManagedPolicy")
        .filter_map(|(_, policy)| Some((policy["Roles"][0]["Ref"].as_str()?, &policy["PolicyDocument"])));
    inline.chain(managed).flat_map(|(role, document)| statements(document).into_iter().map(move |one| (role, one))).collect()
}
