//! What a record leaves out: serde asks here.

/// Does the value say nothing?
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
