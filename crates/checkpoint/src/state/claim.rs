//! Which keys the pipelines in force go on with: a pure decision over names and inputs.
//! A known name keeps its key. A new one goes on with the key of the one vanished pipeline that
//! has the same inputs (it was renamed); a flusher likewise with that of the one vanished
//! flusher of its type in its pipeline (its target was changed). Where more than one could be
//! meant, nobody guesses.

use std::sync::Arc;

use record::{FlusherKey, NodeId, PipelineKey};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::journal::codec::Claim;
use crate::{Error, PipelineClaim};

/// The claims of all pipelines in `wanted`, in their order. `has_progress` tells whether any
/// file has a cursor of a pipeline: one without is nothing to go on with.
pub(crate) fn assign(
    saved: &[Arc<Claim>],
    wanted: &[PipelineClaim],
    node: NodeId,
    has_progress: impl Fn(PipelineKey) -> bool,
) -> Result<Vec<Claim>, Error> {
    let is_known = |pipeline: &PipelineClaim| saved.iter().any(|s| s.name == pipeline.name);
    let is_vanished = |claim: &Claim| wanted.iter().all(|w| w.name != claim.name);
    let mut taken: Vec<u64> = saved.iter().map(|claim| claim.key.0).collect();
    let mut claims = Vec::with_capacity(wanted.len());
    for pipeline in wanted {
        let before = match saved.iter().find(|claim| claim.name == pipeline.name) {
            Some(known) => Some(known),
            None => {
                let same = |inputs| inputs == pipeline.inputs;
                let rivals = wanted.iter().filter(|w| !is_known(w) && same(w.inputs));
                let vanished = saved.iter().filter(|saved| {
                    is_vanished(saved) && same(saved.inputs) && has_progress(saved.key)
                });
                only_one(rivals.map(|w| &w.name).collect(), vanished.collect(), |c| &c.name)?
            }
        };
        let key = before.map_or_else(|| new_key(node, &pipeline.name, &mut taken), |c| c.key.0);
        claims.push(Claim {
            key: PipelineKey(key),
            name: pipeline.name.clone(),
            inputs: pipeline.inputs,
            flushers: assign_flushers(before.map(Arc::as_ref), pipeline, node, key)?,
        });
    }
    Ok(claims)
}

/// The pipeline's flushers in order, then those that are not in force any more.
fn assign_flushers(
    before: Option<&Claim>,
    pipeline: &PipelineClaim,
    node: NodeId,
    pipeline_key: u64,
) -> Result<Vec<(FlusherKey, String)>, Error> {
    let saved = before.map_or(&[][..], |claim| &claim.flushers);
    let is_known = |name: &String| saved.iter().any(|(_, saved)| saved == name);
    let kind = |name: &str| name.split(' ').next().unwrap_or_default().to_owned();
    let mut taken: Vec<u64> = saved.iter().map(|(key, _)| key.0).collect();
    let mut flushers = Vec::with_capacity(pipeline.flushers.len());
    for name in &pipeline.flushers {
        let before = match saved.iter().find(|(_, saved)| saved == name) {
            Some(known) => Some(known),
            None => {
                let same = |other: &str| kind(other) == kind(name);
                let rivals = pipeline.flushers.iter().filter(|n| !is_known(n) && same(n));
                let vanished = saved
                    .iter()
                    .filter(|(_, saved)| !pipeline.flushers.contains(saved) && same(saved));
                only_one(rivals.collect(), vanished.collect(), |(_, name)| name)?
            }
        };
        let fresh = || new_key(node, &format!("{pipeline_key:016x} {name}"), &mut taken);
        flushers.push((FlusherKey(before.map_or_else(fresh, |(key, _)| key.0)), name.clone()));
    }
    let gone = saved.iter().filter(|(key, _)| flushers.iter().all(|(kept, _)| kept != key));
    let gone: Vec<_> = gone.cloned().collect();
    flushers.extend(gone);
    Ok(flushers)
}

/// The vanished one that a new name stands for, if any.
fn only_one<'a, T>(
    rivals: Vec<&String>,
    vanished: Vec<&'a T>,
    name: impl Fn(&T) -> &String,
) -> Result<Option<&'a T>, Error> {
    match vanished[..] {
        [] => Ok(None),
        [one] if rivals.len() == 1 => Ok(Some(one)),
        _ => Err(Error::AmbiguousName {
            new: rivals.into_iter().cloned().collect(),
            vanished: vanished.into_iter().map(|one| name(one).clone()).collect(),
        }),
    }
}

/// A key that nobody has. It follows from the name, so that one that a power loss took before
/// its first sync comes back the same.
fn new_key(node: NodeId, name: &str, taken: &mut Vec<u64>) -> u64 {
    let mut bytes = node.0.to_le_bytes().to_vec();
    bytes.extend_from_slice(name.as_bytes());
    let key = (0..).map(|seed| xxh3_64_with_seed(&bytes, seed)).find(|key| !taken.contains(key));
    let key = key.expect("fewer than 2^64 keys are taken");
    taken.push(key);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: NodeId = NodeId(9);

    fn want(name: &str, inputs: u64, flushers: &[&str]) -> PipelineClaim {
        PipelineClaim {
            name: name.to_owned(),
            inputs,
            flushers: flushers.iter().map(|flusher| (*flusher).to_owned()).collect(),
        }
    }

    fn assigned(saved: &[Claim], wanted: &[PipelineClaim]) -> Result<Vec<Claim>, Error> {
        let saved: Vec<Arc<Claim>> = saved.iter().cloned().map(Arc::new).collect();
        assign(&saved, wanted, NODE, |_| true)
    }

    fn keys(claims: &[Claim]) -> Vec<u64> {
        claims.iter().map(|claim| claim.key.0).collect()
    }

    #[test]
    fn keys_by_table() {
        let before = assigned(&[], &[want("a", 1, &["http x"]), want("b", 2, &[])]).unwrap();
        let (a, b) = (before[0].key.0, before[1].key.0);
        assert_ne!(a, b);
        // (pipelines in force, their keys; 0: a new one)
        let cases: [(&[PipelineClaim], &[u64]); 7] = [
            (&[want("b", 2, &[]), want("a", 1, &[])], &[b, a]),
            (&[want("a", 7, &[])], &[a]),
            (&[want("new", 1, &[])], &[a]),
            (&[want("new", 3, &[])], &[0]),
            (&[want("a", 1, &[]), want("new", 1, &[])], &[a, 0]),
            (&[want("a", 2, &[]), want("new", 2, &[])], &[a, b]),
            (&[want("x", 2, &[]), want("y", 1, &[])], &[b, a]),
        ];
        for (wanted, expected) in cases {
            let found = keys(&assigned(&before, wanted).unwrap());
            for (found, expected) in found.iter().zip(expected) {
                match expected {
                    0 => assert!(![a, b].contains(found), "{wanted:?}"),
                    key => assert_eq!(found, key, "{wanted:?}"),
                }
            }
        }
    }

    #[test]
    fn a_new_key_follows_from_the_name_and_is_nobodys() {
        let first = assigned(&[], &[want("a", 1, &["http x"])]).unwrap();
        assert_eq!(assigned(&[], &[want("a", 1, &["http x"])]).unwrap(), first);
        let renamed = assigned(&first, &[want("b", 1, &["http x"])]).unwrap();
        let both = assigned(&renamed, &[want("b", 1, &[]), want("a", 5, &[])]).unwrap();
        assert_eq!(both[0].key, first[0].key);
        assert_ne!(both[1].key, first[0].key, "the name is free, its old key is not");
    }

    #[test]
    fn where_two_could_be_meant_both_are_named() {
        let before = assigned(&[], &[want("a", 1, &[]), want("b", 1, &[])]).unwrap();
        let cases: [&[PipelineClaim]; 2] =
            [&[want("new", 1, &[])], &[want("b", 1, &[]), want("x", 1, &[]), want("y", 1, &[])]];
        for wanted in cases {
            match assigned(&before, wanted).unwrap_err() {
                error @ Error::AmbiguousName { .. } => {
                    let text = error.to_string();
                    assert!(text.contains('a') && text.contains("rename in two steps"), "{text}");
                }
                other => panic!("{other}"),
            }
        }
        let before: Vec<Arc<Claim>> = before.into_iter().map(Arc::new).collect();
        let with_progress = before[1].key;
        let found = assign(&before, cases[0], NODE, |key| key == with_progress).unwrap();
        assert_eq!(found[0].key, with_progress, "the other one has nothing to go on with");
    }

    #[test]
    fn flushers_by_table() {
        let before = assigned(&[], &[want("a", 1, &["http x", "http y", "file z"])]).unwrap();
        let old: Vec<u64> = before[0].flushers.iter().map(|(key, _)| key.0).collect();
        let [x, y, z] = old[..] else { panic!("three") };
        // (flushers in force, their keys; 0: a new one)
        let cases: [(&[&str], &[u64]); 5] = [
            (&["file z", "http y", "http x"], &[z, y, x]),
            (&["http x", "http new"], &[x, y]),
            (&["http x", "http y", "file new"], &[x, y, z]),
            (&["stdout"], &[0]),
            (&["http x", "http y", "http new"], &[x, y, 0]),
        ];
        for (wanted, expected) in cases {
            let claims = assigned(&before, &[want("a", 1, wanted)]).unwrap();
            let found: Vec<u64> = claims[0].flushers.iter().map(|(key, _)| key.0).collect();
            for (found, expected) in found.iter().zip(expected) {
                match expected {
                    0 => assert!(!old.contains(found), "{wanted:?}"),
                    key => assert_eq!(found, key, "{wanted:?}"),
                }
            }
            let kept = old.iter().all(|key| found.contains(key));
            assert!(kept, "{wanted:?}: what is not in force is remembered");
        }
        assert!(assigned(&before, &[want("a", 1, &["http new"])]).is_err(), "x or y?");
    }
}
