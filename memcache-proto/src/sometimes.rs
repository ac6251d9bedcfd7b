//! The macro that marks where something rare has happened.

/// Lights the [mark](crate::marks) of this name; with a condition, where that holds.
///
/// A name that is not in the list of marks does not compile. Without the feature `marks` nothing is left
/// of it, and the condition is not evaluated.
#[cfg(feature = "marks")]
macro_rules! sometimes {
    ($name:literal) => {{
        const AT: usize = $crate::marks::place($crate::marks::LIST, $name);
        $crate::marks::MARKS.light(AT);
    }};
    ($name:literal, $when:expr) => {{
        if $when {
            sometimes!($name);
        }
    }};
}

#[cfg(not(feature = "marks"))]
macro_rules! sometimes {
    ($name:literal $(, $when:expr)?) => {};
}
