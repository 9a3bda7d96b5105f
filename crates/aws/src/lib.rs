//! guardrails-aws
