#!/usr/bin/env bash
# MiniStack ignores the Output of a Parallel state in JSONata.
#
# Runs: a state machine whose only Parallel state adds 41 to its branch's result.
# Expected: 42: Output of a Pass state works, and Output of a Parallel state is in the same specification.
# Seen: [1], the branches' results as they came.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check ministack==1.5.33 botocore==1.43.106
FOLDER="$folder" "$folder/venv/bin/python" - <<'PYTHON'
import importlib.metadata
import os
import socket
import subprocess
import sys
import time
import urllib.request

import botocore.session

print("ministack", importlib.metadata.version("ministack"))
folder = os.environ["FOLDER"]
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
url = f"http://127.0.0.1:{port}"
settings = {
    "PATH": os.environ["PATH"],
    "HOME": folder,
    "TMPDIR": folder,
    "STATE_DIR": folder,
    "GATEWAY_PORT": str(port),
    "BIND_HOST": "127.0.0.1",
    "MINISTACK_HOST": "127.0.0.1",
    "AWS_ENDPOINT_URL": url,
    "IOT_MTLS_ENABLED": "0",
    "SFTP_ENABLED": "0",
    "LOG_LEVEL": "ERROR",
}
server = subprocess.Popen([f"{folder}/venv/bin/ministack"], env=settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def client(service):
    session = botocore.session.Session()
    return session.create_client(
        service, region_name="us-east-1", endpoint_url=url, aws_access_key_id="test", aws_secret_access_key="test"
    )


def wait_until(is_true):
    for _ in range(600):
        try:
            if is_true():
                return
        except OSError:
            pass
        time.sleep(0.1)
    sys.exit("waited in vain")


try:
    wait_until(lambda: urllib.request.urlopen(f"{url}/_ministack/health"))
    machines = client("stepfunctions")
    definition = """{"QueryLanguage": "JSONata", "StartAt": "Both", "States": {"Both": {
        "Type": "Parallel", "End": true, "Output": "{% $states.result[0] + 41 %}",
        "Branches": [{"StartAt": "One", "States": {"One": {"Type": "Pass", "Output": 1, "End": true}}}]}}}"""
    role = "arn:aws:iam::000000000000:role/machine"
    machine = machines.create_state_machine(name="machine", roleArn=role, definition=definition)["stateMachineArn"]
    run = machines.start_execution(stateMachineArn=machine)["executionArn"]
    wait_until(lambda: machines.describe_execution(executionArn=run)["status"] != "RUNNING")
    execution = machines.describe_execution(executionArn=run)
finally:
    server.terminate()
    server.wait()
expected = ("SUCCEEDED", "42")
seen = (execution["status"], execution["output"])
print("expected:", expected)
print("seen:    ", seen)
sys.exit(0 if seen == ("SUCCEEDED", "[1]") else "this has changed: update the finding")
PYTHON
