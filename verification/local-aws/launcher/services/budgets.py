"""AWS Budgets: spend, and notifications that are in alarm.

MiniStack's budgets never have any spend. Here a test says a budget's spend with a tag that is not kept: `local-aws:spend`. Its
value is the actual and, after a space, the forecast dollars. A notification is in alarm as long as its threshold is exceeded. An
update of the budget zeroes its spend, as on AWS. No alert is sent: a test sends it, or does not. A notification has one topic at
most.
"""

from decimal import Decimal, InvalidOperation

from ministack.services import budgets

from harness.calls import Check

SERVICE = "budgets"


SPEND_TAG = "local-aws:spend"


def install():
    # ours: a test says the spend of a budget with a tag
    budgets._DISPATCH["TagResource"] = _tag_resource
    # upstream: no notification is ever in alarm
    budgets._DISPATCH["DescribeNotificationsForBudget"] = _describe_notifications_for_budget
    # upstream: a notification takes eleven topics; AWS takes one, and ten mail addresses
    budgets._DISPATCH["CreateSubscriber"] = _create_subscriber


def checks(call):
    """Budgets has permissions of its own: one to read, one to change."""
    if "tag" in call.operation.lower() or "BudgetAction" in call.operation:
        named = call.body.get("ResourceARN") or "*"
        return [Check(call.action, named, _resource_tags(named))]
    name = (call.body.get("Budget") or call.body.get("NewBudget") or call.body).get("BudgetName") or "*"
    budget = f"arn:aws:budgets::{call.account}:budget/{name}"
    tags = _resource_tags(budget)
    checks = [Check("budgets:ViewBudget" if call.operation.startswith("Describe") else "budgets:ModifyBudget", budget, tags)]
    if call.body.get("ResourceTags"):
        checks.append(Check("budgets:TagResource", budget))
    return checks


def _resource_tags(budget):
    return {f"aws:ResourceTag/{key}": value for key, value in (budgets._tags.get(budget) or {}).items()}


def _create_subscriber(data):
    entry = budgets._find_notification_entry(data.get("BudgetName"), data.get("Notification") or {})
    wanted = data.get("Subscriber") or {}
    topics = [one["Address"] for one in (entry or {}).get("subscribers", []) if one["SubscriptionType"] == "SNS"]
    if wanted.get("SubscriptionType") == "SNS" and topics and wanted.get("Address") not in topics:
        return budgets._err_limit("A notification can have at most 1 SNS subscriber")
    return budgets._create_subscriber(data)


def _tag_resource(data):
    told = [tag for tag in data.get("ResourceTags") or [] if tag.get("Key") == SPEND_TAG]
    if not told:
        return budgets._tag_resource(data)
    name = budgets._parse_budget_arn(data.get("ResourceARN"))
    if name not in budgets._budgets:
        return budgets._err_notfound(f"Unable to get budget: {name} - the budget doesn't exist.")
    try:
        amounts = [str(Decimal(amount)) for amount in told[0]["Value"].split()]
    except InvalidOperation:
        amounts = []
    if not 1 <= len(amounts) <= 2:
        return budgets._err_invalid(f"{SPEND_TAG} is {told[0]['Value']!r}: expected one or two amounts in dollars")
    kinds = ("ActualSpend", "ForecastedSpend")
    spend = {kind: {"Amount": amount, "Unit": "USD"} for kind, amount in zip(kinds, amounts, strict=False)}
    budgets._budgets[name]["CalculatedSpend"] = spend
    return budgets._json(200, {})


def _describe_notifications_for_budget(data):
    budget = budgets._budgets.get(data.get("BudgetName"))
    for entry in budgets._notification_store.get(data.get("BudgetName"), []) if budget else []:
        entry["notification"]["NotificationState"] = "ALARM" if _is_exceeded(budget, entry["notification"]) else "OK"
    return budgets._describe_notifications_for_budget(data)


def _is_exceeded(budget, notification):
    kind = "ActualSpend" if notification["NotificationType"] == "ACTUAL" else "ForecastedSpend"
    spend = budget["CalculatedSpend"].get(kind)
    threshold = Decimal(str(notification["Threshold"]))
    if notification.get("ThresholdType") != "ABSOLUTE_VALUE":
        threshold *= Decimal(budget["BudgetLimit"]["Amount"]) / 100
    return spend is not None and Decimal(spend["Amount"]) > threshold
