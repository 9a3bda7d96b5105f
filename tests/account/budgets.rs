//! Budgets in AWS, those of the stack and those that people had before: on the local AWS, without a stack.

use aws_sdk_budgets::Client;
use aws_sdk_budgets::types::{
    Budget, BudgetType, ComparisonOperator, Notification, NotificationType, Spend, Subscriber, SubscriptionType, ThresholdType,
    TimeUnit,
};
use guardrails_aws::actions::CATALOG;
use guardrails_aws::budgets::{BudgetError, Budgets, Misdirected, STACK_TAG, Standings};
use guardrails_local_aws::{ACCOUNT, LocalAws, Options};
use guardrails_model::config::Guardrail;
use guardrails_model::spend::Spending;
use tokio::sync::OnceCell;

const STACK: &str = "arn:aws:cloudformation:us-east-1:123456789012:stack/budget-guardrails/1";
const OURS: &str = "arn:aws:sns:us-east-1:123456789012:alerts";
const THEIRS: &str = "arn:aws:sns:us-east-1:123456789012:their-chat";

/// Each test has budgets of its own on it.
async fn local() -> &'static LocalAws {
    static LOCAL: OnceCell<LocalAws> = OnceCell::const_new();
    LOCAL.get_or_init(async || LocalAws::start(Options::default()).await.expect("the local AWS starts")).await
}

async fn budgets() -> Budgets {
    let client = Client::new(&local().await.sdk_config().await.unwrap());
    let of = |text: &str| text.to_owned();
    Budgets { client, account: of(ACCOUNT), partition: of("aws"), stack: of(STACK), topic: of(OURS) }
}

/// A guardrail that stops at these thresholds, with these lines in its budget.
fn guardrail(name: &str, budget: &str, stages: &[&str]) -> Guardrail {
    let stages: Vec<String> = stages.iter().map(|at| format!("{{ at: {at}, do: [notify] }}")).collect();
    let stages = stages.join(", ");
    let text = format!("version: 1\nguardrails:\n  {name}:\n    budget: {{ {budget} }}\n    stages: [{stages}]\n");
    CATALOG.parse("test", &text).unwrap().guardrails.into_values().next().unwrap()
}

fn notification(percent: f64) -> Notification {
    let of = Notification::builder().notification_type(NotificationType::Actual).threshold(percent);
    of.comparison_operator(ComparisonOperator::GreaterThan).threshold_type(ThresholdType::Percentage).build().unwrap()
}

fn mail(address: &str) -> Subscriber {
    Subscriber::builder().subscription_type(SubscriptionType::Email).address(address).build().unwrap()
}

fn topic(arn: &str) -> Subscriber {
    Subscriber::builder().subscription_type(SubscriptionType::Sns).address(arn).build().unwrap()
}

impl Seen {
    async fn of(budgets: &Budgets, name: &str) -> Self {
        let (client, account) = (&budgets.client, &budgets.account);
        let there = client.describe_notifications_for_budget().account_id(account).budget_name(name).send().await.unwrap();
        let mut notifications = Vec::new();
        for one in there.notifications.unwrap_or_default() {
            let call = client.describe_subscribers_for_notification().account_id(account).budget_name(name);
            let found = call.notification(one.clone()).send().await.unwrap().subscribers.unwrap_or_default();
            let mut addresses: Vec<String> = found.into_iter().map(|one| one.address).collect();
            addresses.sort();
            notifications.push(format!("{}: {}", one.threshold(), addresses.join(" ")));
        }
        notifications.sort();
        Self { notifications, budget: described(budgets, name).await.unwrap() }
    }
}

/// A budget with its notifications, such as `100: arn:... ann@example.com`.
struct Seen {
    notifications: Vec<String>,
    budget: Budget,
}

async fn described(budgets: &Budgets, name: &str) -> Option<Budget> {
    budgets.client.describe_budget().account_id(ACCOUNT).budget_name(name).send().await.ok()?.budget
}

/// Somebody had this budget before.
async fn theirs(budgets: &Budgets, name: &str, amount: &str) {
    let limit = Spend::builder().amount(amount).unit("USD").build().unwrap();
    let budget = Budget::builder().budget_name(name).budget_type(BudgetType::Cost).time_unit(TimeUnit::Monthly);
    let budget = budget.budget_limit(limit).build().unwrap();
    budgets.client.create_budget().account_id(ACCOUNT).budget(budget).send().await.unwrap();
}

async fn notify(budgets: &Budgets, name: &str, percent: f64, to: Subscriber) {
    let call = budgets.client.create_notification().account_id(ACCOUNT).budget_name(name);
    call.notification(notification(percent)).subscribers(to).send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn notification_at_another_topic_is_given_back_to_ours() {
    let (budgets, beta) = (budgets().await, guardrail("pointed", "amount: 2 USD, period: monthly", &["100% actual"]));
    budgets.ensure(&beta).await.unwrap();
    let call = budgets.client.update_subscriber().account_id(ACCOUNT).budget_name("pointed").notification(notification(100.0));
    call.old_subscriber(topic(OURS)).new_subscriber(topic(THEIRS)).send().await.unwrap();

    let found = budgets.inspect(&beta).await.unwrap().unwrap().misdirected;
    assert_eq!(found, [Misdirected { at: "100% actual".parse().unwrap(), topic: Some(THEIRS.to_owned()) }]);
    assert!(found[0].words().contains(THEIRS), "{}", found[0].words());
    let before = Seen::of(&budgets, "pointed").await.budget;
    budgets.ensure(&beta).await.unwrap();
    let after = Seen::of(&budgets, "pointed").await;
    assert_eq!(after.notifications, [format!("100: {OURS}")]);
    assert_eq!(after.budget.last_updated_time(), before.last_updated_time(), "an update would zero the spend");
}

#[tokio::test(flavor = "multi_thread")]
async fn notifications_of_people_outlive_a_change_of_stages() {
    let budgets = budgets().await;
    budgets.ensure(&guardrail("finance", "amount: 2 USD, period: monthly", &["80% actual", "100% actual"])).await.unwrap();
    notify(&budgets, "finance", 90.0, mail("cfo@example.com")).await;
    let call = budgets.client.create_subscriber().account_id(ACCOUNT).budget_name("finance").notification(notification(80.0));
    call.subscriber(mail("ann@example.com")).send().await.unwrap();

    budgets.ensure(&guardrail("finance", "amount: 3 USD, period: monthly", &["100% actual", "120% actual"])).await.unwrap();
    let seen = Seen::of(&budgets, "finance").await;
    let wanted = [format!("100: {OURS}"), format!("120: {OURS}"), "80: ann@example.com".into(), "90: cfo@example.com".into()];
    assert_eq!(seen.notifications, wanted);
    assert_eq!(seen.budget.budget_limit().unwrap().amount(), "3");
}

#[tokio::test(flavor = "multi_thread")]
async fn budget_without_room_for_a_notification_is_refused_in_words() {
    let budgets = budgets().await;
    budgets.ensure(&guardrail("full", "amount: 2 USD, period: monthly", &["100% actual"])).await.unwrap();
    for percent in 1_u32..10 {
        notify(&budgets, "full", f64::from(percent), mail("ann@example.com")).await;
    }
    let more = guardrail("full", "amount: 2 USD, period: monthly", &["100% actual", "120% actual"]);
    let why = budgets.ensure(&more).await.unwrap_err();
    assert!(matches!(why, BudgetError::NoRoom { .. }) && why.to_string().contains("at 120% actual: AWS takes ten"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
#[allow(deprecated, reason = "cost filters are how the product filters")]
async fn filter_values_in_another_order_are_the_same_filter() {
    let (budgets, client) = (budgets().await, budgets().await.client);
    let of =
        |values: &str| guardrail("order", &format!("amount: 2 USD, period: monthly, tag: {{ P: [{values}] }}"), &["100% actual"]);
    budgets.ensure(&of("b, a")).await.unwrap();
    let first = described(&budgets, "order").await.unwrap();
    assert_eq!(first.cost_filters().unwrap()["TagKeyValue"], ["user:P$b", "user:P$a"]);
    budgets.ensure(&of("a, b")).await.unwrap();
    assert_eq!(described(&budgets, "order").await.unwrap().last_updated_time(), first.last_updated_time());
    // A switch that AWS leaves out of its answer stands at its default.
    let mut costs = first.cost_types().unwrap().clone();
    (costs.use_blended, costs.include_tax, costs.use_amortized) = (None, None, None);
    let limit = first.budget_limit.clone();
    let less = Budget::builder().budget_name("order").budget_type(BudgetType::Cost).time_unit(TimeUnit::Monthly);
    let less = less.set_budget_limit(limit).set_cost_filters(first.cost_filters.clone()).cost_types(costs).build().unwrap();
    client.update_budget().account_id(ACCOUNT).new_budget(less).send().await.unwrap();
    assert_eq!(budgets.inspect(&of("a, b")).await.unwrap().unwrap().differences, Vec::<String>::new());
    assert_eq!(budgets.inspect(&of("a, c")).await.unwrap().unwrap().differences.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
#[allow(deprecated, reason = "cost types are how the product says which costs count")]
async fn costs_that_count_and_tags_of_aws_follow_the_file() {
    let budgets = budgets().await;
    let lines = "amount: 2 USD, period: monthly, tag: { \"aws:cloudformation:stack-name\": web }, counts: { costs: amortized, support: \
                 false, credits: true }";
    budgets.ensure(&guardrail("costs", lines, &["100% actual"])).await.unwrap();
    let budget = described(&budgets, "costs").await.unwrap();
    let costs = budget.cost_types().unwrap();
    assert_eq!((costs.use_amortized(), costs.include_support(), costs.include_credit()), (Some(true), Some(false), Some(true)));
    assert_eq!((costs.include_upfront(), costs.include_tax(), costs.include_refund()), (Some(true), Some(true), Some(false)));
    assert_eq!(budget.cost_filters().unwrap()["TagKeyValue"], ["aws:cloudformation:stack-name$web"]);
    let plain = guardrail("costs", "amount: 2 USD, period: monthly", &["100% actual"]);
    let found = budgets.inspect(&plain).await.unwrap().unwrap().differences;
    let counts = "counts: amortized costs without support, refunds, not unblended costs without credits, refunds";
    assert!(found.iter().any(|one| one == counts), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn adopted_budget_stays_with_all_that_was_people_s() {
    let budgets = budgets().await;
    theirs(&budgets, "My Monthly Budget", "70.0").await;
    notify(&budgets, "My Monthly Budget", 100.0, mail("ann@example.com")).await;
    notify(&budgets, "My Monthly Budget", 50.0, topic(THEIRS)).await;
    let lines = "amount: 70 USD, period: monthly, adopt: My Monthly Budget, counts: { credits: true, refunds: true }";
    let beta = guardrail("adopting", lines, &["80% actual", "100% actual"]);
    let before = described(&budgets, "My Monthly Budget").await.unwrap();
    for _ in 0..2 {
        budgets.ensure(&beta).await.unwrap();
        assert_eq!(
            Seen::of(&budgets, "My Monthly Budget").await.notifications,
            [format!("100: ann@example.com {OURS}"), format!("50: {THEIRS}"), format!("80: {OURS}")]
        );
    }
    assert_eq!(described(&budgets, "My Monthly Budget").await.unwrap(), before, "it is used as it is");
    assert!(budgets.inspect(&beta).await.unwrap().unwrap().ours);

    // Another stack neither takes it nor deletes it.
    let other = Budgets { stack: format!("{STACK}2"), ..self::budgets().await };
    assert!(matches!(other.ensure(&beta).await.unwrap_err(), BudgetError::OfAnother { .. }));
    other.remove("My Monthly Budget").await.unwrap();
    assert!(budgets.inspect(&beta).await.unwrap().unwrap().ours);

    // Once adopted it follows the file, as any does.
    let raised = guardrail("adopting", &lines.replace("70 USD", "90 USD"), &["80% actual", "100% actual"]);
    budgets.ensure(&raised).await.unwrap();
    assert_eq!(described(&budgets, "My Monthly Budget").await.unwrap().budget_limit().unwrap().amount(), "90");

    for _ in 0..2 {
        budgets.remove("My Monthly Budget").await.unwrap();
        let left = Seen::of(&budgets, "My Monthly Budget").await;
        assert_eq!(left.notifications, ["100: ann@example.com".to_owned(), format!("50: {THEIRS}")]);
        let arn = format!("arn:aws:budgets::{ACCOUNT}:budget/My Monthly Budget");
        let tags = budgets.client.list_tags_for_resource().resource_arn(arn).send().await.unwrap();
        assert!(!tags.resource_tags().iter().any(|tag| tag.key() == STACK_TAG), "{tags:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn adoption_that_would_change_or_hide_something_is_refused() {
    let budgets = budgets().await;
    let lines = "amount: 2 USD, period: monthly, adopt: Theirs";
    let why = budgets.ensure(&guardrail("taking", lines, &["100% actual"])).await.unwrap_err();
    assert!(matches!(why, BudgetError::NoneToAdopt { .. }), "{why}");
    theirs(&budgets, "Theirs", "70").await;
    notify(&budgets, "Theirs", 100.0, topic(THEIRS)).await;
    let why = budgets.ensure(&guardrail("taking", lines, &["100% actual"])).await.unwrap_err().to_string();
    for words in ["amount: 70 USD, not 2 USD", "counts: unblended costs, not unblended costs without credits, refunds"] {
        assert!(why.contains(words), "{words}: {why}");
    }
    let alike = "amount: 70 USD, period: monthly, adopt: Theirs, counts: { credits: true, refunds: true }";
    let why = budgets.ensure(&guardrail("taking", alike, &["100% actual"])).await.unwrap_err();
    assert!(matches!(why, BudgetError::Taken { .. }) && why.to_string().contains(THEIRS), "{why}");
    assert_eq!(Seen::of(&budgets, "Theirs").await.notifications, [format!("100: {THEIRS}")]);
    // Without `adopt` it is not ours, and the way to adopt it is said.
    theirs(&budgets, "taken", "2").await;
    let why =
        budgets.ensure(&guardrail("taken", "amount: 2 USD, period: monthly", &["100% actual"])).await.unwrap_err().to_string();
    assert!(why.contains("not of this stack") && why.contains("adopt: taken"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn custom_period_has_its_first_and_its_last_day() {
    let budgets = budgets().await;
    let project = guardrail("project", "amount: 2 USD, period: 2026-11-01..2027-02-28", &["100% actual"]);
    for _ in 0..2 {
        budgets.ensure(&project).await.unwrap();
        let budget = described(&budgets, "project").await.unwrap();
        let period = budget.time_period().unwrap();
        let seconds = (period.start().unwrap().secs(), period.end().unwrap().secs());
        assert_eq!((budget.time_unit(), seconds), (&TimeUnit::Custom, (1_793_491_200, 1_803_859_200)));
    }
    assert_eq!(budgets.inspect(&project).await.unwrap().unwrap().differences, Vec::<String>::new());
    let longer = guardrail("project", "amount: 2 USD, period: 2026-11-01..2027-03-31", &["100% actual"]);
    let found = budgets.inspect(&longer).await.unwrap().unwrap().differences;
    assert_eq!(
        found,
        ["period: CUSTOM 2026-11-01T00:00:00Z to 2027-03-01T00:00:00Z, not CUSTOM 2026-11-01T00:00:00Z to 2027-04-01T00:00:00Z"]
    );
}

#[tokio::test(flavor = "multi_thread")]
#[allow(deprecated, reason = "cost filters are how the product filters")]
async fn standing_names_each_way_in_which_others_changed_a_budget() {
    let budgets = budgets().await;
    let watched = guardrail("watched", "amount: 2 USD, period: monthly, tag: { P: a }", &["100% actual", "120% actual"]);
    budgets.ensure(&watched).await.unwrap();
    let standings = Standings { client: budgets.client.clone(), account: ACCOUNT.to_owned(), topic: Some(OURS.to_owned()) };
    let differences = async || standings.standing(&watched).await.unwrap().unwrap().differences;
    assert_eq!(differences().await, [""; 0]);

    let (client, account, name) = (&budgets.client, ACCOUNT, "watched");
    let call = client.update_subscriber().account_id(account).budget_name(name).notification(notification(100.0));
    call.old_subscriber(topic(OURS)).new_subscriber(topic(THEIRS)).send().await.unwrap();
    let call = client.delete_notification().account_id(account).budget_name(name);
    call.notification(notification(120.0)).send().await.unwrap();
    let mut other = described(&budgets, name).await.unwrap();
    other.cost_filters = None;
    client.update_budget().account_id(account).new_budget(other).send().await.unwrap();
    let found = differences().await;
    assert_eq!(found.len(), 3, "{found:?}");
    for words in ["its budget is not as it was deployed (watches: everything", THEIRS, "no notification at 120% actual"] {
        assert!(found.iter().any(|one| one.contains(words)), "no {words:?} in {found:?}");
    }
}
