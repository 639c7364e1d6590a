//! A destination: it takes, refuses, is down, or takes and does not say so.
//! A destination of class request-id stores a key once, whatever comes under it again; a plain
//! one stores whatever comes. To either, one key has one body for ever.
//! It is another machine: no crash of the agent's touches it.
//! Not here: whether a record may come again (`ledger.rs`).

use std::collections::BTreeMap;

use record::RequestKey;

use crate::request::Request;

/// What a destination can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Nothing.
    Plain,
    /// Requests, by their keys.
    RequestId,
}

/// How it feels about the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Willing,
    /// Takes it, and the answer is lost.
    Mute,
    /// Does not take it as a whole; smaller ones perhaps.
    TooLong,
    /// Takes none of it, ever.
    Averse,
}

/// What the sender hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Taken,
    Retry,
    Refused { splittable: bool },
}

/// One destination.
#[derive(Clone)]
pub(crate) struct Destination {
    pub class: Class,
    pub is_down: bool,
    bodies: BTreeMap<RequestKey, u128>,
    stored: BTreeMap<RequestKey, u32>,
}

impl Destination {
    pub(crate) fn new(class: Class) -> Destination {
        Destination { class, is_down: false, bodies: BTreeMap::new(), stored: BTreeMap::new() }
    }

    /// Takes a request or not; the answer, and whether its records were stored now.
    pub(crate) fn send(
        &mut self,
        key: RequestKey,
        request: &Request,
        mood: Mood,
    ) -> (Verdict, bool) {
        let body = request.body();
        let known = *self.bodies.entry(key).or_insert(body);
        assert_eq!(known, body, "two bodies came under the key {key}");
        if self.is_down {
            return (Verdict::Retry, false);
        }
        let is_known = self.stored.contains_key(&key) && self.class == Class::RequestId;
        let verdict = match mood {
            Mood::Mute => Verdict::Retry,
            Mood::TooLong if !is_known => return (Verdict::Refused { splittable: true }, false),
            Mood::Averse if !is_known => return (Verdict::Refused { splittable: false }, false),
            _ => Verdict::Taken,
        };
        *self.stored.entry(key).or_default() += 1;
        (verdict, !is_known)
    }

    /// Whether it has stored what came under this key.
    pub(crate) fn has(&self, key: RequestKey) -> bool {
        self.stored.contains_key(&key)
    }
}
