//! guardrails-local-aws
