#!/usr/bin/env bash
# Stands in for rustc in `cargo xtask bench --sdk-crates`: it writes down the CPU seconds of each crate, and has the linker write
# down the origin of each part of the functions' program. GUARDRAILS_WEIGHTS is the folder for both.
name=none
for ((at = 1; at < $#; at++)); do
    if [ "${!at}" = --crate-name ]; then
        ((next = at + 1))
        name=${!next}
    fi
done
map=()
if [ "$name" = guardrails_functions ]; then
    map=(-C "link-arg=-Wl,-Map=$GUARDRAILS_WEIGHTS/map")
fi
TIMEFORMAT="$name %U %S"
exec 3>&2
{ time "$@" "${map[@]}" 2>&3; } 2>>"$GUARDRAILS_WEIGHTS/times"
