//! Internationalised names as they travel: A-labels (RFC 5890), encoded with Punycode (RFC 3492).
//!
//! Lower-casing and encoding only: the mapping tables of UTS #46 are not here. A scenario that needs an odd spelling
//! writes the A-label itself.

/// A host name with every non-ASCII label as its A-label, in lower case. None if a label overflows.
pub(super) fn to_ascii(name: &str) -> Option<String> {
    let labels: Option<Vec<String>> = name.to_lowercase().split(['.', '\u{3002}']).map(label).collect();
    Some(labels?.join("."))
}

fn label(label: &str) -> Option<String> {
    if label.is_ascii() { Some(label.to_owned()) } else { Some(format!("xn--{}", encode(label)?)) }
}

/// RFC 3492 section 6.3.
fn encode(label: &str) -> Option<String> {
    let mut made: String = label.chars().filter(char::is_ascii).collect();
    let basic = u32::try_from(made.len()).ok()?;
    if basic > 0 {
        made.push('-');
    }
    let (mut n, mut delta, mut bias, mut handled) = (INITIAL_N, 0u32, INITIAL_BIAS, basic);
    let total = u32::try_from(label.chars().count()).ok()?;
    while handled < total {
        let next = label.chars().map(u32::from).filter(|&c| c >= n).min()?;
        delta = delta.checked_add((next - n).checked_mul(handled + 1)?)?;
        n = next;
        for c in label.chars().map(u32::from) {
            if c < n {
                delta = delta.checked_add(1)?;
            } else if c == n {
                push_integer(&mut made, delta, bias);
                bias = adapt(delta, handled + 1, handled == basic);
                delta = 0;
                handled += 1;
            }
        }
        delta = delta.checked_add(1)?;
        n += 1;
    }
    Some(made)
}

/// A generalised variable-length integer (RFC 3492 section 3.3).
fn push_integer(made: &mut String, delta: u32, bias: u32) {
    let mut q = delta;
    for k in (BASE..).step_by(BASE as usize) {
        let t = k.saturating_sub(bias).clamp(T_MIN, T_MAX);
        if q < t {
            break;
        }
        made.push(digit(t + (q - t) % (BASE - t)));
        q = (q - t) / (BASE - t);
    }
    made.push(digit(q));
}

/// RFC 3492 section 6.1.
fn adapt(delta: u32, points: u32, first: bool) -> u32 {
    let mut delta = if first { delta / DAMP } else { delta / 2 };
    delta += delta / points;
    let mut k = 0;
    while delta > ((BASE - T_MIN) * T_MAX) / 2 {
        delta /= BASE - T_MIN;
        k += BASE;
    }
    k + (BASE - T_MIN + 1) * delta / (delta + SKEW)
}

fn digit(value: u32) -> char {
    let value = u8::try_from(value).unwrap_or(0);
    char::from(if value < 26 { b'a' + value } else { b'0' + value - 26 })
}

// Parameters of Punycode, RFC 3492 section 5.
const BASE: u32 = 36;
const T_MIN: u32 = 1;
const T_MAX: u32 = 26;
const SKEW: u32 = 38;
const DAMP: u32 = 700;
const INITIAL_BIAS: u32 = 72;
const INITIAL_N: u32 = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_several_scripts() {
        for (unicode, ascii) in [
            ("bücher.example", "xn--bcher-kva.example"),
            ("мысал.қаз", "xn--80awbu3c.xn--80ao21a"),
            ("Пример.TEST", "xn--e1afmkfd.test"),
            ("plain.example", "plain.example"),
            ("例え.jp", "xn--r8jz45g.jp"),
        ] {
            assert_eq!(to_ascii(unicode).as_deref(), Some(ascii));
        }
    }
}
