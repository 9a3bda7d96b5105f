//! guardrails-tests
