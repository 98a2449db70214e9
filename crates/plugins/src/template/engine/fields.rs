//! `.A.B` of a value.

use super::value::Value;

/// Follows the names. A method that was not given its argument is no field.
pub(super) fn read<'d>(start: &Value<'d>, names: &[String]) -> Result<Value<'d>, String> {
    let mut value = start.clone();
    for name in names {
        if let Value::Object(object) = &value
            && object.has_method(name)
        {
            return Err(format!("wrong number of args for {name}: want 1 got 0"));
        }
        value = value.field(name)?;
    }
    Ok(value)
}
