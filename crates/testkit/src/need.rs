//! What a test needs of the machine beyond Rust. Where that is missing the test says so loudly
//! and is left out; with `IRONTAIL_REQUIRE=1` it fails instead.
//!
//! The programs and their Debian packages stand in `packages.txt`, one pair a line, where
//! `scripts/test` reads them too.

use std::path::PathBuf;

const PACKAGES: &str = include_str!("../packages.txt");

/// Where programs lie; a service's PATH often leaves out the second half.
const PLACES: [&str; 6] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// The Debian packages that the container tests need, each once.
pub fn packages() -> Vec<&'static str> {
    let mut packages: Vec<_> = pairs().map(|(_, package)| package).collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

fn pairs() -> impl Iterator<Item = (&'static str, &'static str)> {
    PACKAGES.lines().filter_map(|line| line.split_once(' '))
}

/// The path of a program.
///
/// # Errors
/// A sentence that says which package has it.
pub fn program(name: &str) -> Result<PathBuf, String> {
    let found = PLACES.iter().map(|place| PathBuf::from(place).join(name));
    found.into_iter().find(|path| path.is_file()).ok_or_else(|| {
        let package = pairs().find(|(program, _)| *program == name);
        let package = package.map_or(name, |(_, package)| package);
        format!("{name} is not installed (Debian: apt-get install {package})")
    })
}

/// Takes what is there; where it is missing, says so and gives `None`.
///
/// # Panics
/// Where it is missing and `IRONTAIL_REQUIRE=1`.
#[track_caller]
pub fn or_left_out<T>(what: Result<T, String>) -> Option<T> {
    match what {
        Ok(there) => Some(there),
        Err(missing) if std::env::var_os("IRONTAIL_REQUIRE").is_some_and(|value| value == "1") => {
            panic!("IRONTAIL_REQUIRE=1, and {missing}")
        }
        Err(missing) => {
            let test = std::thread::current().name().unwrap_or("a test").to_owned();
            eprintln!("LEFT OUT: {test}: {missing}");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_names_its_package() {
        assert!(program("sh").unwrap().is_file());
        assert_eq!(program("no-such").unwrap_err().split(' ').next(), Some("no-such"));
        let mut sorted = packages();
        sorted.dedup();
        assert_eq!(packages(), sorted, "each once");
        for program in ["dockerd", "busybox", "containerd", "docker-compose"] {
            assert!(pairs().any(|(known, _)| known == program), "{program}");
        }
    }
}
