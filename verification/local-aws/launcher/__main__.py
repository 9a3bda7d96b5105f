"""Starts the local AWS: see harness/launcher.py."""

from harness.launcher import main

main()
