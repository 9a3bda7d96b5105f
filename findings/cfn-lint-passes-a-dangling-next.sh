#!/usr/bin/env bash
# cfn-lint passes a state machine whose Next names a state that is not there.
#
# Runs: cfn-lint on a template with such a definition, and asl-validator on the definition alone.
# Expected: both refuse it: cfn-lint has a rule (E3601) that reads definitions.
# Seen: cfn-lint ends with 0 and prints nothing. asl-validator finds the missing state.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/machine.json" <<'JSON'
{"StartAt": "First", "States": {"First": {"Type": "Pass", "Next": "Missing"}, "Last": {"Type": "Succeed"}}}
JSON
cat > "$folder/template.json" <<JSON
{"Resources": {"Machine": {"Type": "AWS::StepFunctions::StateMachine", "Properties": {
    "RoleArn": "arn:aws:iam::123456789012:role/machine", "Definition": $(cat "$folder/machine.json")}}}}
JSON
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check cfn-lint==1.58.0
npm install --silent --no-save --prefix "$folder" asl-validator@4.0.0
"$folder/venv/bin/cfn-lint" --version
echo "asl-validator 4.0.0"

ends() {
    local end=0
    "$@" > "$folder/output" 2>&1 || end=$?
    cat "$folder/output" >&2
    echo "$end"
}
seen="cfn-lint $(ends "$folder/venv/bin/cfn-lint" "$folder/template.json")"
seen+=", asl-validator $(ends "$folder/node_modules/.bin/asl-validator" --json-path "$folder/machine.json")"
echo "expected: both end with an error"
echo "seen:     $seen"
grep --quiet "Missing" "$folder/output" && [ "$seen" = "cfn-lint 0, asl-validator 1" ] || {
    echo "this has changed: update the finding" >&2
    exit 1
}
