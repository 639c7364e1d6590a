//! Which lines continue a stack trace, for languages whose traces are known. Pure, a line at a time.
//!
//! Any line begins a record; the lines of a trace belong to the record of the line before them
//! (Java, .NET) or to the trace's own first line (Python, Go), as Fluent Bit's parsers and Google's
//! `fluent-plugin-detect-exceptions` have it.

/// A language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preset {
    Java,
    Python,
    Go,
    Dotnet,
}

/// How far a trace is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Progress {
    /// In no trace.
    #[default]
    None,
    /// After the first line.
    Head,
    /// Among the frames.
    Frames,
    /// After the line that ends a trace.
    Tail,
    /// After an empty line behind it.
    Gap,
}

impl Progress {
    const ALL: [Self; 5] = [Self::None, Self::Head, Self::Frames, Self::Tail, Self::Gap];
}

impl Preset {
    /// By the name that configurations use.
    pub(crate) fn by_name(name: &str) -> Option<Preset> {
        Some(match name {
            "java" => Preset::Java,
            "python" => Preset::Python,
            "go" => Preset::Go,
            "dotnet" => Preset::Dotnet,
            _ => return None,
        })
    }

    /// How far a trace is after a line that begins a record.
    pub(crate) fn begin(self, line: &[u8]) -> Progress {
        let begins = |heads: &[&[u8]]| heads.iter().any(|head| line.starts_with(head));
        let is_head = match self {
            Preset::Python => begins(&[b"Traceback (most recent call last)"]),
            Preset::Go => {
                begins(&[b"panic: ", b"fatal error: ", b"goroutine "]) || {
                    memchr::memmem::find(line, b"http: panic serving").is_some()
                }
            }
            Preset::Java | Preset::Dotnet => false,
        };
        if is_head { Progress::Head } else { Progress::None }
    }

    /// How far a trace is after a line that continues the record; `None`: it does not.
    pub(crate) fn go_on(self, progress: Progress, line: &[u8]) -> Option<Progress> {
        match self {
            Preset::Java => java(line).then_some(Progress::None),
            Preset::Dotnet => dotnet(line).then_some(Progress::None),
            Preset::Python => python(progress, line),
            Preset::Go => go(progress, line),
        }
    }

    /// Whether there are lines that this one continues.
    pub(crate) fn may_go_on(self, line: &[u8]) -> bool {
        match self {
            Preset::Java | Preset::Dotnet => self.go_on(Progress::None, line).is_some(),
            Preset::Python | Preset::Go => {
                Progress::ALL.iter().any(|progress| self.go_on(*progress, line).is_some())
            }
        }
    }
}

fn starts_with_any(line: &[u8], heads: &[&[u8]]) -> bool {
    heads.iter().any(|head| line.starts_with(head))
}

/// A line without the blanks before it, and whether there were any.
fn indented(line: &[u8]) -> (&[u8], bool) {
    let rest = line.trim_ascii_start();
    (rest, rest.len() < line.len())
}

fn java(line: &[u8]) -> bool {
    // Nearly every line is decided by its first byte.
    match line.first() {
        Some(b' ' | b'\t') => {
            let heads: [&[u8]; 8] = [
                b"at ",
                b"... ",
                b"Caused by: ",
                b"Suppressed: ",
                b"- locked ",
                b"- waiting ",
                b"- parking ",
                b"eval (",
            ];
            starts_with_any(indented(line).0, &heads)
        }
        Some(b'C' | b'S' | b'.') => {
            starts_with_any(line, &[b"Caused by: ", b"Suppressed: ", b"... "])
        }
        _ => false,
    }
}

fn dotnet(line: &[u8]) -> bool {
    let (rest, is_indented) = indented(line);
    let heads: [&[u8]; 3] = [b"at ", b"---> ", b"--- End of "];
    if is_indented { starts_with_any(rest, &heads) } else { starts_with_any(line, &heads[1..]) }
}

fn python(progress: Progress, line: &[u8]) -> Option<Progress> {
    let is_blank = line.trim_ascii().is_empty();
    match progress {
        Progress::None => None,
        Progress::Head | Progress::Frames if is_blank || indented(line).1 => Some(Progress::Frames),
        Progress::Head | Progress::Frames => Some(Progress::Tail),
        Progress::Tail | Progress::Gap if is_blank => Some(Progress::Gap),
        Progress::Tail => None,
        Progress::Gap => {
            let heads: [&[u8]; 2] = [
                b"During handling of the above exception, another exception occurred:",
                b"The above exception was the direct cause of the following exception:",
            ];
            if starts_with_any(line, &heads) {
                return Some(Progress::Gap);
            }
            let is_next = line.starts_with(b"Traceback (most recent call last)");
            is_next.then_some(Progress::Head)
        }
    }
}

fn go(progress: Progress, line: &[u8]) -> Option<Progress> {
    let is_blank = line.trim_ascii().is_empty();
    match progress {
        Progress::None => None,
        Progress::Head | Progress::Gap => {
            if is_blank {
                return Some(Progress::Gap);
            }
            let is_frames = starts_with_any(line, &[b"goroutine "]);
            let is_more = progress == Progress::Head || line.starts_with(b"[signal ");
            let heads: [&[u8]; 4] = [b"[signal ", b"\tpanic: ", b"panic: ", b"\t"];
            if is_frames || (is_more && is_frame(line)) {
                Some(Progress::Frames)
            } else if is_more && starts_with_any(line, &heads) {
                Some(Progress::Head)
            } else if line.starts_with(b"exit status ") {
                Some(Progress::Tail)
            } else {
                None
            }
        }
        Progress::Frames if is_blank => Some(Progress::Gap),
        Progress::Frames if line.starts_with(b"exit status ") => Some(Progress::Tail),
        Progress::Frames => is_frame(line).then_some(Progress::Frames),
        Progress::Tail => None,
    }
}

/// A call, where it stands, or what made the goroutine.
fn is_frame(line: &[u8]) -> bool {
    let heads: [&[u8]; 4] = [b"\t", b"created by ", b"...", b"goroutine "];
    let is_call = line.ends_with(b")") && line.contains(&b'(') && !line.contains(&b' ');
    let is_method = line.ends_with(b")") && memchr::memmem::find(line, b".(").is_some();
    is_call || is_method || starts_with_any(line, &heads)
}
