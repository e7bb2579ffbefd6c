//! "Did you mean": the nearest of the names that would have been right.

/// A hint that names the nearest of `known`, or lists them if none is near and they are few.
pub(crate) fn hint<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let known: Vec<&str> = known.into_iter().collect();
    if let Some(near) = nearest(written, &known) {
        return Some(format!("did you mean `{near}`?"));
    }
    match known.len() {
        0 => None,
        1..=FEW => Some(format!("known: {}", known.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", "))),
        _ => None,
    }
}

/// The nearest name, if it is near enough to be meant: one edit in three characters, at most three.
pub(crate) fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let length = written.chars().count();
    if length > LONGEST {
        return None;
    }
    let allowed = (length / 3).clamp(1, 3);
    let candidates = known.iter().filter(|k| k.len() <= 4 * LONGEST).map(|k| (distance(written, k), *k));
    candidates.filter(|(d, _)| *d <= allowed).min_by_key(|(d, _)| *d).map(|(_, k)| k)
}

/// Edit distance with swaps of neighbours (optimal string alignment; Damerau 1964), case and `-`/`_` not counted.
fn distance(a: &str, b: &str) -> usize {
    let fold = |s: &str| s.chars().map(|c| if c == '_' { '-' } else { c.to_ascii_lowercase() }).collect::<Vec<_>>();
    let (a, b) = (fold(a), fold(b));
    let (mut before, mut above) = (Vec::new(), (0..=b.len()).collect::<Vec<_>>());
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let mut best = (above[j] + 1).min(row[j - 1] + 1).min(above[j - 1] + usize::from(a[i - 1] != b[j - 1]));
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                let swapped: &Vec<usize> = &before;
                best = best.min(swapped[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

/// So many names are listed if none is near.
const FEW: usize = 16;
/// Longer words are not compared.
const LONGEST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_finger_are_near() {
        assert_eq!(nearest("interecpt", &["intercept", "forward"]), Some("intercept"));
        assert_eq!(nearest("hops-inside", &["hops_inside"]), Some("hops_inside"));
        assert_eq!(nearest("Expsoed", &["exposed", "refused"]), Some("exposed"));
        assert_eq!(nearest("zebra", &["exposed", "refused"]), None);
    }

    #[test]
    fn distances_are_edits() {
        assert_eq!((distance("", "abc"), distance("abc", "acb"), distance("kitten", "sitting")), (3, 1, 3));
    }
}
