"""The frame: it starts MiniStack, authorizes its requests, records them, and injects faults."""
