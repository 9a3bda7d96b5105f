//! guardrails-cli
