//! Whether a file that nobody saw may hold what a log was after a generation that is known: what is
//! certain of its times is compared with those of that generation and of the file that holds it
//! now (its home). No time is taken for more exact than it is: no slack.
//! - A plain file was born as the log, after the generation was.
//! - A compressed one was born when it was compressed. It has the time of what it was made of, or
//!   that of its making: a program that goes from one file to the next writes to none of them again,
//!   so that it is not older than the home has. Where several programs write, and one of them was
//!   late, the order in which both were compressed tells the same.
//!
//! Pure. Not here: the order that names tell (`relatives.rs`), what the file holds (`rotation.rs`).

/// What the file system tells of a file, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) birth: Option<i64>,
    pub(crate) modified: i64,
    pub(crate) is_compressed: bool,
}

impl Times {
    /// Whether a file may hold a generation that was born then: it was made and written to no
    /// earlier.
    pub(crate) fn may_hold(self, born: i64) -> bool {
        self.birth.is_some_and(|birth| birth >= born) && self.modified >= born
    }

    /// Whether a file is what followed a generation that was born then and is in its `home`.
    pub(crate) fn followed(self, born: i64, home: Self) -> bool {
        let is_later = match self.is_compressed {
            false => self.birth > Some(born) && self.modified > born,
            true => {
                self.modified >= home.modified || (home.is_compressed && self.birth > home.birth)
            }
        };
        is_later && self.may_hold(born)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of (birth, time of change).
    fn plain((birth, modified): (i64, i64)) -> Times {
        Times { birth: Some(birth), modified, is_compressed: false }
    }

    fn compressed((birth, modified): (i64, i64)) -> Times {
        Times { is_compressed: true, ..plain((birth, modified)) }
    }

    #[test]
    fn what_followed_a_generation_born_at_100_by_table() {
        let unborn = Times { birth: None, ..plain((0, 300)) };
        let rows = [
            ("plain, born later", plain((100, 199)), plain((200, 299)), true),
            ("plain, born with it", plain((100, 199)), plain((100, 299)), false),
            ("plain, older and written late", plain((100, 199)), plain((50, 150)), false),
            ("without birth times", plain((100, 199)), unborn, false),
            ("both compressed at once", compressed((200, 199)), compressed((300, 299)), true),
            ("both at one tick", compressed((200, 200)), compressed((200, 200)), true),
            (
                "written late, compressed first",
                compressed((200, 350)),
                compressed((300, 299)),
                true,
            ),
            ("older, compressed before", compressed((200, 199)), compressed((101, 99)), false),
            ("older, written late too", compressed((200, 199)), compressed((101, 105)), false),
            ("older, timed when compressed", compressed((200, 205)), compressed((101, 110)), false),
            ("older, compressed by now", plain((100, 199)), compressed((400, 99)), false),
            ("older, written late", plain((100, 199)), compressed((400, 105)), false),
            ("older than it", compressed((200, 199)), compressed((99, 98)), false),
            ("compressed beside the plain one", plain((100, 199)), compressed((300, 299)), true),
        ];
        for (name, home, other, expected) in rows {
            assert_eq!(other.followed(100, home), expected, "{name}");
        }
    }

    #[test]
    fn what_may_hold_a_generation_born_at_100_by_table() {
        let rows = [
            ("its own file", plain((100, 199)), true),
            ("compressed", compressed((200, 199)), true),
            ("copied", plain((200, 200)), true),
            ("compressed before", compressed((99, 98)), false),
            ("what was rotated before", compressed((101, 99)), false),
        ];
        for (name, file, expected) in rows {
            assert_eq!(file.may_hold(100), expected, "{name}");
        }
    }
}
