//! Stable sorting in little code, for what is sorted now and then: each use of the library's sort
//! on a type of its own takes ten times as much of the binary as the code that uses it.
//! Pure. Not here: names of thousands of files, which the library sorts.

/// The numbers below `count` in an order in which none stands after one that it `is_before`; those
/// of which none is before the other stay as they are.
pub(crate) fn order_of(
    count: usize,
    is_before: &mut dyn FnMut(usize, usize) -> bool,
) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    let mut merged = Vec::with_capacity(count);
    let mut width = 1;
    while width < count {
        merged.clear();
        for run in order.chunks(2 * width) {
            let (mut left, mut right) = run.split_at(width.min(run.len()));
            while let ([l, others_left @ ..], [r, others_right @ ..]) = (left, right) {
                if is_before(*r, *l) {
                    merged.push(*r);
                    right = others_right;
                } else {
                    merged.push(*l);
                    left = others_left;
                }
            }
            merged.extend_from_slice(left);
            merged.extend_from_slice(right);
        }
        std::mem::swap(&mut order, &mut merged);
        width *= 2;
    }
    order
}

/// These in such an order.
pub(crate) fn sorted<T>(items: Vec<T>, mut is_before: impl FnMut(&T, &T) -> bool) -> Vec<T> {
    if items.len() < 2 {
        return items;
    }
    let order = order_of(items.len(), &mut |a, b| is_before(&items[a], &items[b]));
    let mut items: Vec<Option<T>> = items.into_iter().map(Some).collect();
    order.into_iter().filter_map(|at| items[at].take()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_order_of_the_stable_sort_of_the_library() {
        let mut random = fastrand::Rng::with_seed(7);
        for count in (0..70).chain([1000]) {
            let items: Vec<(u8, usize)> = (0..count).map(|at| (random.u8(..20), at)).collect();
            let mut expected = items.clone();
            expected.sort_by_key(|item| item.0);
            assert_eq!(sorted(items, |a, b| a.0 < b.0), expected, "{count}");
        }
    }
}
