//! Following a Docker engine for ever: subscribe, then list, then follow; list again now and then;
//! connect again whenever it breaks.
//!
//! [`DockerWatch::step`] does one turn and returns; a thread of the agent calls it in a loop.
//! What to do next is decided by `Plan`, which is pure. Because the subscription comes before the
//! list, nothing falls between the two; because the engine drops subscribers that are slow and
//! keeps only its last 256 events, the list is made again every [`LIST_EVERY`].
//! A crash costs nothing: everything is asked again.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::docker::api::{Docker, DockerEvent, DockerEvents, ListedContainer};
use crate::{AskedNames, Container, Error, HostRoot, Observation, Source, State};

/// How often everything is listed though events arrive (iLogtail's DOCKER_FETCH_ALL_INTERVAL).
pub const LIST_EVERY: Duration = Duration::from_secs(300);

/// How long to wait before connecting again: the first time, and at most.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// How many containers one step looks at, so that a step stays short.
const INSPECTS_PER_STEP: usize = 32;

/// How many events one step takes in before it looks at containers again.
const EVENTS_PER_STEP: usize = 256;

/// A Docker engine that is followed.
pub struct DockerWatch {
    socket: PathBuf,
    host: HostRoot,
    asked: Arc<AskedNames>,
    link: Option<(Docker, DockerEvents)>,
    plan: Plan,
    retry_at: Option<Instant>,
    retry_after: Duration,
}

impl DockerWatch {
    /// Follows the engine behind `socket`; connects at the first step. Of environments and labels
    /// only what is `asked` for is kept.
    pub fn new(socket: &Path, host: &HostRoot, asked: &Arc<AskedNames>) -> DockerWatch {
        DockerWatch {
            socket: socket.into(),
            host: host.clone(),
            asked: asked.clone(),
            link: None,
            plan: Plan::default(),
            retry_at: None,
            retry_after: RETRY_FIRST,
        }
    }

    /// One turn: connects, lists, or waits at most `wait` for an event, and looks at some of the
    /// containers that want it. A request takes at most 15 s, with an engine that hangs.
    pub fn step(&mut self, now: Instant, wait: Duration, out: &mut dyn FnMut(Observation)) {
        if let Err(error) = self.turn(now, wait, out) {
            self.link = None;
            self.retry_at = Some(now + self.retry_after);
            self.retry_after = (self.retry_after * 2).min(RETRY_MAX);
            out(Observation::Trouble(Source::Docker, error));
        }
    }

    /// Whether the engine answers.
    pub fn is_connected(&self) -> bool {
        self.link.is_some()
    }

    fn turn(
        &mut self,
        now: Instant,
        wait: Duration,
        out: &mut dyn FnMut(Observation),
    ) -> Result<(), Error> {
        let (docker, events) = match &mut self.link {
            Some(link) => link,
            None => {
                let left = self.retry_at.map_or(Duration::ZERO, |at| at - now.min(at));
                if !left.is_zero() {
                    std::thread::park_timeout(left.min(wait));
                    return Ok(());
                }
                let docker = Docker::connect(&self.socket, &self.host, &self.asked)?;
                let events = docker.events()?;
                self.plan.connected();
                self.link.insert((docker, events))
            }
        };
        if self.plan.is_list_due(now) {
            self.plan.listed(now, docker.list()?);
            self.retry_after = RETRY_FIRST;
        }
        // Wait for an event only when there is nothing to look at.
        let mut patience = if self.plan.is_idle() { wait } else { Duration::ZERO };
        for _ in 0..EVENTS_PER_STEP {
            let Some(event) = events.next(patience)? else { break };
            patience = Duration::ZERO;
            self.plan.event(event).into_iter().for_each(&mut *out);
        }
        for _ in 0..INSPECTS_PER_STEP {
            let Some(id) = self.plan.next_id() else { break };
            match docker.inspect(&id) {
                Ok(found) => self.plan.inspected(&id, found).into_iter().for_each(&mut *out),
                Err(error @ Error::Request { .. }) => return Err(error),
                // One container that cannot be understood keeps no other waiting.
                Err(error) => {
                    self.plan.failed(&id, now);
                    out(Observation::Unreadable { id, error });
                }
            }
        }
        self.plan.listing_done().into_iter().for_each(out);
        Ok(())
    }
}

/// What is known and what has to be looked at. Pure.
#[derive(Default)]
struct Plan {
    /// What was told of each container.
    known: HashMap<String, State>,
    /// Ids to look at, those with events first, with the name and image of the event.
    queue: VecDeque<Wish>,
    /// Ids of the list that is being worked off, those that came since included.
    listing: Option<BTreeSet<String>>,
    next_list: Option<Instant>,
    /// Told to be gone, or missed: what else is heard of them comes late.
    over: HashSet<String>,
    /// After a new connection: containers that ran may have been restarted unseen.
    is_doubtful: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Wish {
    id: String,
    /// Name and image, where an event asked.
    of_event: Option<(String, String)>,
}

impl Plan {
    fn connected(&mut self) {
        self.next_list = None;
        self.is_doubtful = true;
        self.over.clear();
    }

    fn is_list_due(&self, now: Instant) -> bool {
        self.listing.is_none() && self.next_list.is_none_or(|due| now >= due)
    }

    fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    fn listed(&mut self, now: Instant, list: Vec<ListedContainer>) {
        self.next_list = Some(now + LIST_EVERY);
        let mut ids = BTreeSet::new();
        for ListedContainer { id, state } in list {
            let state = State::from_docker(&state);
            let doubt = self.is_doubtful && state != State::Exited;
            if doubt || self.known.get(&id) != Some(&state) {
                self.wish(Wish { id: id.clone(), of_event: None });
            }
            ids.insert(id);
        }
        self.known.retain(|id, _| ids.contains(id));
        self.is_doubtful = false;
        self.listing = Some(ids);
    }

    /// Takes in an event; a container that is known and destroyed is told at once.
    fn event(&mut self, event: DockerEvent) -> Option<Observation> {
        let DockerEvent { action, id, name, image } = event;
        match action.as_str() {
            "create" | "start" | "restart" | "die" | "rename" => {
                if self.over.contains(&id) {
                    return None;
                }
                self.wish(Wish { id, of_event: Some((name, image)) });
                None
            }
            "destroy" => {
                self.over.remove(&id);
                // One that was never looked at stays wished for: that it was missed is told.
                self.known.remove(&id).map(|_| {
                    self.queue.retain(|wish| wish.id != id);
                    Observation::Gone(Source::Docker, id)
                })
            }
            _ => None,
        }
    }

    fn wish(&mut self, wish: Wish) {
        let waiting = self.queue.iter().position(|other| other.id == wish.id);
        if wish.of_event.is_none() {
            if waiting.is_none() {
                self.queue.push_back(wish);
            }
            return;
        }
        if let Some(at) = waiting {
            self.queue.remove(at);
        }
        // Behind other events, before the list.
        let at = self.queue.iter().take_while(|other| other.of_event.is_some()).count();
        self.queue.insert(at, wish);
    }

    fn next_id(&self) -> Option<String> {
        self.queue.front().map(|wish| wish.id.clone())
    }

    /// Takes in what a look gave; `None` where the container is no longer there.
    fn inspected(&mut self, id: &str, found: Option<Container>) -> Option<Observation> {
        let wish = self.queue.pop_front().filter(|wish| wish.id == id)?;
        match found {
            Some(container) => {
                self.known.insert(wish.id.clone(), container.state);
                if let Some(listing) = &mut self.listing {
                    listing.insert(wish.id);
                }
                Some(Observation::Seen(Box::new(container)))
            }
            None => {
                self.over.insert(wish.id.clone());
                if self.known.remove(id).is_some() {
                    return Some(Observation::Gone(Source::Docker, wish.id));
                }
                let (name, image) = wish.of_event?;
                Some(Observation::Missed { id: wish.id, name, image })
            }
        }
    }

    /// A look at one container gave no answer that can be used: it is tried again with a list that
    /// comes early.
    fn failed(&mut self, id: &str, now: Instant) {
        self.queue.retain(|wish| wish.id != id);
        let early = now + RETRY_MAX;
        self.next_list = Some(self.next_list.map_or(early, |due| due.min(early)));
    }

    /// Once all of a list has been looked at: what there is.
    fn listing_done(&mut self) -> Option<Observation> {
        if !self.queue.is_empty() {
            return None;
        }
        let ids = self.listing.take()?;
        Some(Observation::Listed(Source::Docker, ids))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::docker::transport::tests::{answer, serve};

    #[test]
    fn a_container_that_cannot_be_understood_keeps_no_other_waiting() {
        let (dir, _) = serve(|path, stream| match path {
            "/_ping" => answer(stream, "200 OK", "OK"),
            "/info" => answer(stream, "200 OK", "{}"),
            "/containers/json?all=1" => answer(stream, "200 OK", r#"[{"Id":"a"},{"Id":"b"}]"#),
            "/containers/a/json" => answer(stream, "200 OK", "half"),
            "/containers/b/json" => answer(stream, "200 OK", r#"{"Id":"b"}"#),
            // The events: none.
            _ => {
                let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                stream.write_all(head.as_bytes()).is_ok()
            }
        });
        let mut watch =
            DockerWatch::new(&dir.path().join("socket"), &HostRoot::at("/"), &Arc::default());
        let now = Instant::now();
        let mut said = Vec::new();
        watch.step(now, Duration::ZERO, &mut |observation| said.push(observation));
        let seen = |said: &[Observation]| {
            said.iter()
                .any(|one| matches!(one, Observation::Seen(container) if container.id == "b"))
        };
        assert!(seen(&said), "{said:?}");
        assert!(
            said.iter().any(|one| matches!(one, Observation::Unreadable { id, .. } if id == "a"))
        );
        assert!(
            said.iter().any(|one| matches!(one, Observation::Listed(_, ids) if ids.len() == 2))
        );
        assert!(watch.is_connected());
        assert!(!watch.plan.is_list_due(now) && watch.plan.is_list_due(now + RETRY_MAX));
    }

    fn listed(entries: &[(&str, &str)]) -> Vec<ListedContainer> {
        let entry = |(id, state): &(&str, &str)| ListedContainer {
            id: (*id).into(),
            state: (*state).into(),
        };
        entries.iter().map(entry).collect()
    }

    fn event(action: &str, id: &str) -> DockerEvent {
        DockerEvent {
            action: action.into(),
            id: id.into(),
            name: format!("name-{id}"),
            image: "image".into(),
        }
    }

    fn container(id: &str, state: State) -> Option<Container> {
        Some(Container { id: id.into(), state, ..Container::default() })
    }

    fn ids(plan: &Plan) -> Vec<&str> {
        plan.queue.iter().map(|wish| wish.id.as_str()).collect()
    }

    /// The observation in a word.
    fn word(observation: Option<Observation>) -> String {
        match observation {
            None => "-".into(),
            Some(Observation::Seen(container)) => format!("seen {}", container.id),
            Some(Observation::Gone(_, id)) => format!("gone {id}"),
            Some(Observation::Listed(_, ids)) => {
                format!("listed {}", ids.into_iter().collect::<Vec<_>>().join(","))
            }
            Some(Observation::Missed { id, name, .. }) => format!("missed {id} {name}"),
            Some(other) => format!("{other:?}"),
        }
    }

    #[test]
    fn everything_is_listed_first_and_told_when_it_was_looked_at() {
        let now = Instant::now();
        let mut plan = Plan::default();
        plan.connected();
        assert!(plan.is_list_due(now));
        plan.listed(now, listed(&[("a", "running"), ("b", "exited")]));
        assert!(!plan.is_list_due(now + LIST_EVERY), "one list at a time");
        assert_eq!(word(plan.listing_done()), "-");
        assert_eq!(word(plan.inspected("a", container("a", State::Running))), "seen a");
        assert_eq!(word(plan.inspected("b", container("b", State::Exited))), "seen b");
        assert_eq!(word(plan.listing_done()), "listed a,b");
        assert!(!plan.is_list_due(now + LIST_EVERY - Duration::from_secs(1)));
        assert!(plan.is_list_due(now + LIST_EVERY));
    }

    #[test]
    fn events_go_first_and_once() {
        let mut plan = Plan::default();
        plan.listed(Instant::now(), listed(&[("a", "running"), ("b", "running")]));
        for action in ["create", "attach", "start", "exec_start", "die"] {
            assert_eq!(word(plan.event(event(action, "c"))), "-");
        }
        plan.event(event("start", "b"));
        assert_eq!(ids(&plan), ["c", "b", "a"]);
    }

    #[test]
    fn a_container_made_after_the_list_is_not_forgotten_by_it() {
        let mut plan = Plan::default();
        plan.listed(Instant::now(), listed(&[("a", "running")]));
        plan.event(event("create", "new"));
        assert_eq!(word(plan.inspected("new", container("new", State::Created))), "seen new");
        assert_eq!(word(plan.inspected("a", container("a", State::Running))), "seen a");
        assert_eq!(word(plan.listing_done()), "listed a,new");
    }

    #[test]
    fn a_container_that_is_gone_before_the_look_is_missed_once() {
        let mut plan = Plan::default();
        plan.event(event("create", "x"));
        plan.event(event("start", "x"));
        plan.event(event("die", "x"));
        assert_eq!(word(plan.event(event("destroy", "x"))), "-");
        assert_eq!(ids(&plan), ["x"]);
        assert_eq!(word(plan.inspected("x", None)), "missed x name-x");
        plan.event(event("rename", "x"));
        assert!(plan.is_idle());
        // One that was only listed was somebody else's to miss.
        plan.listed(Instant::now(), listed(&[("y", "running")]));
        assert_eq!(word(plan.inspected("y", None)), "-");
    }

    #[test]
    fn destroyed_is_told_at_once() {
        let mut plan = Plan::default();
        plan.event(event("start", "a"));
        plan.inspected("a", container("a", State::Running));
        plan.event(event("die", "a"));
        assert_eq!(word(plan.event(event("destroy", "a"))), "gone a");
        assert!(plan.is_idle(), "nothing is left to look at");
        // Where the look comes before the events.
        plan.event(event("create", "b"));
        plan.inspected("b", container("b", State::Created));
        plan.event(event("start", "b"));
        assert_eq!(word(plan.inspected("b", None)), "gone b");
        for action in ["die", "destroy"] {
            assert_eq!(word(plan.event(event(action, "b"))), "-");
            assert!(plan.is_idle(), "{action} comes late");
        }
    }

    #[test]
    fn stopped_containers_cost_one_look() {
        let now = Instant::now();
        let mut plan = Plan::default();
        let all = [("a", "running"), ("b", "exited")];
        plan.listed(now, listed(&all));
        plan.inspected("a", container("a", State::Running));
        plan.inspected("b", container("b", State::Exited));
        plan.listing_done();
        plan.listed(now, listed(&all));
        assert!(plan.is_idle(), "nothing changed");
        plan.listing_done();
        plan.listed(now, listed(&[("a", "exited"), ("b", "exited")]));
        assert_eq!(ids(&plan), ["a"]);
        plan.inspected("a", container("a", State::Running));
        plan.listing_done();
        // After a gap what runs may be another process.
        plan.connected();
        plan.listed(now, listed(&all));
        assert_eq!(ids(&plan), ["a"]);
    }

    #[test]
    fn connecting_is_tried_again_ever_more_slowly() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("none.sock");
        let mut watch = DockerWatch::new(&socket, &HostRoot::at("/"), &Arc::default());
        let mut now = Instant::now();
        let mut troubles = 0;
        let mut gaps = Vec::new();
        let mut last = now;
        for _ in 0..200 {
            let before = troubles;
            watch.step(now, Duration::ZERO, &mut |observation| {
                let Observation::Trouble(Source::Docker, error) = observation else {
                    panic!("nothing but trouble: {observation:?}")
                };
                assert!(error.is_transient() && error.to_string().contains("DOCKER_HOST"));
                troubles += 1;
            });
            if troubles > before {
                gaps.push((now - last).as_secs());
                last = now;
            }
            now += Duration::from_secs(1);
        }
        assert_eq!(gaps, [0, 1, 2, 4, 8, 16, 30, 30, 30, 30, 30]);
        assert!(!watch.is_connected());
    }

    /// An engine that does things at random, whose events come late or (over a lost connection)
    /// not at all: once all is quiet and listed, what was told is what there is.
    #[test]
    fn whatever_happens_what_was_told_is_what_there_is() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..2_000 {
            let mut engine = Engine::default();
            let (mut plan, mut inventory) = (Plan::default(), crate::Inventory::new());
            let mut missed = Vec::new();
            let mut now = Instant::now();
            for _ in 0..random.usize(1..60) {
                match random.u32(0..10) {
                    0..4 => engine.act(&mut random),
                    4..6 if !engine.events.is_empty() => {
                        let event = engine.events.remove(0);
                        plan.event(event).iter().for_each(|told| drop(inventory.apply(told)));
                    }
                    6..8 => engine.look(&mut plan, &mut inventory, &mut missed),
                    8 if plan.is_list_due(now) => plan.listed(now, engine.list()),
                    9 if random.u32(0..8) == 0 => {
                        engine.events.clear();
                        plan.connected();
                    }
                    _ => now += LIST_EVERY / 3,
                }
                plan.listing_done().iter().for_each(|told| drop(inventory.apply(told)));
            }
            for event in std::mem::take(&mut engine.events) {
                plan.event(event).iter().for_each(|told| drop(inventory.apply(told)));
            }
            for _ in 0..2 {
                while !plan.is_idle() {
                    engine.look(&mut plan, &mut inventory, &mut missed);
                }
                plan.listing_done().iter().for_each(|told| drop(inventory.apply(told)));
                plan.connected();
                plan.listed(now, engine.list());
            }
            let told: HashMap<_, _> =
                inventory.iter().map(|found| (found.id.clone(), found.state)).collect();
            assert_eq!(told, engine.containers);
            missed.sort();
            let all = missed.len();
            missed.dedup();
            assert_eq!(missed.len(), all, "missed once each");
        }
    }

    #[derive(Default)]
    struct Engine {
        containers: HashMap<String, State>,
        events: Vec<DockerEvent>,
        made: usize,
    }

    impl Engine {
        fn act(&mut self, random: &mut fastrand::Rng) {
            let mut ids: Vec<String> = self.containers.keys().cloned().collect();
            ids.sort();
            if ids.is_empty() || random.u32(0..4) == 0 {
                self.made += 1;
                let id = format!("c{}", self.made);
                self.events.push(event("create", &id));
                self.containers.insert(id, State::Created);
                return;
            }
            let id = ids[random.usize(0..ids.len())].clone();
            let (action, state) = match self.containers[&id] {
                State::Running => ("die", Some(State::Exited)),
                _ if random.bool() => ("start", Some(State::Running)),
                _ => ("destroy", None),
            };
            self.events.push(event(action, &id));
            match state {
                Some(state) => self.containers.insert(id, state),
                None => self.containers.remove(&id),
            };
        }

        fn list(&self) -> Vec<ListedContainer> {
            let word = |(id, state): (&String, &State)| ListedContainer {
                id: id.clone(),
                state: state.as_str().into(),
            };
            self.containers.iter().map(word).collect()
        }

        fn look(
            &self,
            plan: &mut Plan,
            inventory: &mut crate::Inventory,
            missed: &mut Vec<String>,
        ) {
            let Some(id) = plan.next_id() else { return };
            let found = self.containers.get(&id).and_then(|state| container(&id, *state));
            let found = found.map(|found| Container { source: Source::Docker, ..found });
            if let Some(told) = plan.inspected(&id, found) {
                if let Observation::Missed { id, .. } = &told {
                    missed.push(id.clone());
                }
                inventory.apply(&told);
            }
        }
    }
}
