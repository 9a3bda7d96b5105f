#!/usr/bin/env bash
# A JSONata filter answers an array, one value or nothing, by how many items match.
#
# Runs: one filter over two items, of which none, one and both match. Step Functions evaluates the same language.
# Expected: [], ["a"] and ["a","b"].
# Seen: undefined, "a" and ["a","b"]. With `[]` after the path the single value is an array, and no match is still undefined.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-save --prefix "$folder" jsonata@2.2.2
cd "$folder"
node - <<'JAVASCRIPT'
const jsonata = require("jsonata");
const { version } = require("jsonata/package.json");

async function main() {
    console.log("jsonata", version);
    const matches = async (path, count) => {
        const items = ["a", "b"].map((id, at) => ({ id, on: at < count }));
        return JSON.stringify(await jsonata(path).evaluate({ items }));
    };
    const seen = [];
    for (const path of ["items[on].id", "items[on].id[]"]) {
        for (const count of [0, 1, 2]) seen.push(`${await matches(path, count)}`);
    }
    console.log("expected:", "[]", '["a"]', '["a","b"]', "of both paths");
    console.log("seen:    ", ...seen);
    const now = ["undefined", '"a"', '["a","b"]', "undefined", '["a"]', '["a","b"]'];
    if (seen.join() !== now.join()) {
        console.error("this has changed: update the finding");
        process.exitCode = 1;
    }
}

main();
JAVASCRIPT
