#!/usr/bin/env bash
# A timestamp of milliseconds has other nanoseconds in the AWS SDK for Rust than the service sent.
#
# Runs: the time 1606250837.123, as ECS sends a service's createdAt, through the SDK's epoch_seconds parser and through botocore.
# Expected: 123 milliseconds and nothing more. The service sends three digits.
# Seen: botocore reads 123000 microseconds. The SDK goes through a 64-bit float, which at this size has steps of 238 ns, and keeps
# the float's noise: the time is one millisecond less when it is cut to milliseconds, as `to_millis` does. It printed:
#   1606250837 s, 122999906 ns, 1606250837122 ms
# A time of the SDK is rounded before it is kept or compared.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check botocore==1.43.106

mkdir "$folder/src"
cat > "$folder/Cargo.toml" <<'TOML'
[package]
name = "noise"
version = "0.0.0"
edition = "2024"

[dependencies]
aws-smithy-json = "=0.65.1"
aws-smithy-types = "=1.9.3"
TOML
cat > "$folder/src/main.rs" <<'RUST'
use aws_smithy_json::deserialize::json_token_iter;
use aws_smithy_json::deserialize::token::expect_timestamp_or_null;
use aws_smithy_types::date_time::Format;

/// Prints the time as the SDKs of services with JSON read it.
fn main() {
    let mut tokens = json_token_iter(b"1606250837.123");
    let read = expect_timestamp_or_null(tokens.next(), Format::EpochSeconds).expect("it is a time").expect("it is not null");
    let millis = read.to_millis().expect("it fits");
    println!("{} s, {} ns, {millis} ms", read.secs(), read.subsec_nanos());
}
RUST
seen=$(cargo run --quiet --manifest-path "$folder/Cargo.toml")
echo "aws-smithy-json 0.65.1, aws-smithy-types 1.9.3: $seen"
"$folder/venv/bin/python" - <<'PYTHON'
import datetime
import sys

import botocore
from botocore.utils import parse_timestamp

read = parse_timestamp(1606250837.123).astimezone(datetime.timezone.utc)
print("botocore", botocore.__version__, read.isoformat())
sys.exit(0 if read.microsecond == 123000 else "this has changed: update the finding")
PYTHON
[ "$seen" = "1606250837 s, 122999906 ns, 1606250837122 ms" ] || { echo "this has changed: update the finding"; exit 1; }
