#!/usr/bin/env bash
# botocore checks the minimum of a parameter's length, and neither its maximum nor its enum.
#
# Runs: botocore's own validator on a CreateBudget whose parameters break the service model's limits.
# Expected: all of the model's limits are checked before a request is sent, as the minimum is.
# Seen: only the minimum is reported. A budget name of 300 letters and an unknown time unit pass.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check botocore==1.43.106
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import botocore
import botocore.session
from botocore.validate import ParamValidator

print("botocore", botocore.__version__)
model = botocore.session.Session().get_service_model("budgets").operation_model("CreateBudget").input_shape
budget = model.members["Budget"].members
print("the model's limits:", budget["BudgetName"].metadata["max"], budget["TimeUnit"].metadata["enum"])


def passes(name, unit):
    parameters = {"AccountId": "123456789012", "Budget": {"BudgetName": name, "TimeUnit": unit, "BudgetType": "COST"}}
    return not ParamValidator().validate(parameters, model).has_errors()


expected = {"empty name": False, "300 letters": False, "FORTNIGHTLY": False}
seen = {"empty name": passes("", "DAILY"), "300 letters": passes("a" * 300, "DAILY"), "FORTNIGHTLY": passes("a", "FORTNIGHTLY")}
print("expected:", expected)
print("seen:    ", seen)
sys.exit(0 if seen == {"empty name": False, "300 letters": True, "FORTNIGHTLY": True} else "this has changed: update the finding")
PYTHON
