#!/usr/bin/env bash
# MiniStack stops the instance when StopInstances is only a dry run.
#
# Runs: StopInstances with DryRun on a running instance.
# Expected: the error DryRunOperation, and the instance runs.
# Seen: no error, and the instance is stopped.
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
    ec2 = client("ec2")
    instance = ec2.run_instances(ImageId="ami-12345678", MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    try:
        ec2.stop_instances(InstanceIds=[instance], DryRun=True)
        answer = "done"
    except ec2.exceptions.ClientError as error:
        answer = error.response["Error"]["Code"]
    state = ec2.describe_instances()["Reservations"][0]["Instances"][0]["State"]["Name"]
finally:
    server.terminate()
    server.wait()
expected = ("DryRunOperation", "running")
seen = (answer, state)
print("expected:", expected)
print("seen:    ", seen)
sys.exit(0 if seen == ("done", "stopped") else "this has changed: update the finding")
PYTHON
