//! guardrails-lambdas
