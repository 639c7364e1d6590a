//! The known name that a wrong one was probably meant to be. Pure.

/// The nearest of `known` to `name`, where one is near enough to be meant: the same but for case,
/// or within one edit for every three characters (an edit inserts, drops, replaces, or swaps two
/// neighbours).
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    let allowed = (wanted.chars().count() / 3).clamp(1, 6);
    known
        .into_iter()
        .map(|candidate| (distance(&wanted, &candidate.to_lowercase()), candidate))
        .filter(|&(distance, _)| distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many edits lead from `a` to `b` (optimal string alignment). Names longer than
/// [`NAME_CHARS_MAX`] are near to nothing: the work grows with the product of the lengths.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len() > NAME_CHARS_MAX || b.len() > NAME_CHARS_MAX {
        return usize::MAX;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

/// The longest name that is compared, in characters.
const NAME_CHARS_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_by_table() {
        let known = ["FilePaths", "ExcludeFilePaths", "ExcludeFiles", "TailSizeKB", "Tags"];
        let cases = [
            ("FilePath", Some("FilePaths")),
            ("filepaths", Some("FilePaths")),
            ("FliePaths", Some("FilePaths")),
            ("ExcludeFilePath", Some("ExcludeFilePaths")),
            ("TailSizeKb", Some("TailSizeKB")),
            ("Tag", Some("Tags")),
            ("Compression", None),
            ("x", None),
            ("", None),
        ];
        for (name, expected) in cases {
            assert_eq!(nearest(name, known), expected, "{name}");
        }
    }

    #[test]
    fn a_name_of_a_megabyte_is_near_to_nothing() {
        assert_eq!(nearest(&"x".repeat(1 << 20), ["FilePaths"]), None);
    }
}
