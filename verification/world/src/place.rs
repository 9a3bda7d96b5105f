//! Where things are.

/// The Region in which everything is of which nothing else is said.
pub const HOME: &str = "us-east-1";

/// The name of a thing: with its Region, unless it is at home.
pub(crate) fn place(region: &str, name: &str) -> String {
    if region == HOME { name.to_owned() } else { format!("{region}/{name}") }
}
