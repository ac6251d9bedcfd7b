//! Two clients under random faults, see [`crate::pair::soak`].

use crate::pair::Memory;

#[test]
fn whatever_happens_each_operation_completes_once_with_its_own() {
    crate::pair::soak::soak(100, || Box::new(Memory::default()));
}
