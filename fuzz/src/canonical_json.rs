//! One value, written in two ways, has one canonical form.

use arbitrary::Unstructured;
use tuf::canonical;

use crate::values;

/// Makes a value of `data`, and writes it.
///
/// # Panics
///
/// If its canonical form depends on how it was written, or is not what others make of it.
pub fn run(data: &[u8]) {
    let mut choices = Unstructured::new(data);
    // Without choices there is an empty object.
    let Ok(value) = values::object(&mut choices) else {
        return;
    };
    let expected = fixtures::canonical(&value);
    for _ in 0..2 {
        let Ok(text) = values::spell(&value, &mut choices) else {
            return;
        };
        let form = canonical::encode(text.as_bytes());
        assert_eq!(form.as_ref(), Ok(&expected), "{text}");
    }
    assert_eq!(canonical::encode(&expected), Ok(expected));
}
