#!/usr/bin/env bash
# apache-libcloud has a price of 0.0 for instance types that are not free.
#
# Runs: get_size_price for m8g.large in us-east-1 from the price file that is in the package, without a network.
# Expected: a price, or an error where none is known.
# Seen: 0.0. It is so for about one in six of the prices.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check apache-libcloud==3.9.1
HOME="$folder" "$folder/venv/bin/python" - <<'PYTHON'
import sys

import libcloud
from libcloud.pricing import get_pricing, get_size_price

print("apache-libcloud", libcloud.__version__)
price = get_size_price("compute", "ec2_linux", "m8g.large", region="us-east-1")
sizes = [regions for regions in get_pricing("compute", "ec2_linux").values() if isinstance(regions, dict)]
prices = [float(price) for regions in sizes for price in regions.values()]
print(f"{prices.count(0)} of {len(prices)} prices are 0.0")
expected = "a price above zero"
seen = price
print("expected:", expected)
print("seen:    ", seen)
sys.exit(0 if seen == 0.0 else "this has changed: update the finding")
PYTHON
