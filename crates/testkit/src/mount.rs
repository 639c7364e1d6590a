//! File systems that fill up, fail, or take no writes, for state that lies on them. Needs root.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::need::{or_left_out, program};

/// A mounted file system; dropping it unmounts it.
pub struct Mount {
    at: PathBuf,
    /// The file system that holds its image, where it has one.
    below: Option<Box<Mount>>,
}

impl Mount {
    /// A file system of `bytes` in memory at a directory, which is made. `None`: it cannot be, and
    /// that was said.
    #[track_caller]
    pub fn tmpfs(at: &Path, bytes: u64) -> Option<Mount> {
        or_left_out(Self::try_tmpfs(at, bytes))
    }

    /// An ext4 at a directory, on an image that lies on a file system in memory of `backed` bytes:
    /// fill that ([`Mount::below`]), and writing back fails with EIO.
    #[track_caller]
    pub fn ext4(at: &Path, bytes: u64, backed: u64) -> Option<Mount> {
        or_left_out(Self::try_ext4(at, bytes, backed))
    }

    fn try_tmpfs(at: &Path, bytes: u64) -> Result<Mount, String> {
        fs::create_dir_all(at).map_err(|error| format!("{}: {error}", at.display()))?;
        let options = format!("size={bytes},mode=755");
        mount(&["-t", "tmpfs", "-o", &options, "tmpfs"], at)?;
        Ok(Mount { at: at.to_owned(), below: None })
    }

    fn try_ext4(at: &Path, bytes: u64, backed: u64) -> Result<Mount, String> {
        let mut below = at.as_os_str().to_owned();
        below.push(".below");
        let below = Self::try_tmpfs(Path::new(&below), backed)?;
        let image = below.at.join("image");
        let made = fs::File::create(&image).and_then(|file| file.set_len(bytes));
        made.map_err(|error| format!("{}: {error}", image.display()))?;
        let text = image.display().to_string();
        run("mkfs.ext4", &["-q", "-F", "-e", "remount-ro", &text])?;
        let mounted = Mount { at: at.to_owned(), below: Some(Box::new(below)) };
        mounted.mount_image()?;
        Ok(mounted)
    }

    fn mount_image(&self) -> Result<(), String> {
        let below = self.below.as_ref().ok_or("it has no image")?;
        fs::create_dir_all(&self.at).map_err(|error| error.to_string())?;
        let image = below.at.join("image").display().to_string();
        mount(&["-o", "loop", &image], &self.at)
    }

    /// The file system that holds the image.
    pub fn below(&self) -> &Mount {
        self.below.as_ref().expect("it was made with an image")
    }

    /// Fills it with a file, up to the last byte.
    pub fn fill(&self) {
        let path = self.at.join("filler");
        let mut file = fs::File::options().create(true).append(true).open(path).expect("has room");
        for block in [1 << 20, 4096, 1] {
            while file.write_all(&vec![0; block]).is_ok() {}
        }
    }

    /// Takes the filling out again.
    pub fn free(&self) {
        fs::remove_file(self.at.join("filler")).expect("it was filled before");
    }

    /// Takes no writes any more. Nobody may have a file open for writing.
    pub fn read_only(&self) {
        let done = mount(&["-o", "remount,ro"], &self.at);
        done.unwrap_or_else(|error| panic!("{error}"));
    }

    /// Unmounts, mends and mounts again a file system that has an image.
    pub fn mend(&self) {
        let text = self.below().at.join("image").display().to_string();
        let done = umount(&self.at).and_then(|()| {
            // 1: it was mended.
            run_allowing("e2fsck", &["-f", "-y", &text], 1)?;
            self.mount_image()
        });
        done.unwrap_or_else(|error| panic!("{error}"));
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if let Err(error) = umount(&self.at) {
            eprintln!("{error}");
        }
    }
}

fn mount(args: &[&str], at: &Path) -> Result<(), String> {
    let at = at.display().to_string();
    run("mount", &[args, &[&at]].concat())
}

fn umount(at: &Path) -> Result<(), String> {
    // Lazily: an agent that was killed a moment ago may still hold it.
    run("umount", &["-l", &at.display().to_string()])
}

fn run(name: &str, args: &[&str]) -> Result<(), String> {
    run_allowing(name, args, 0)
}

fn run_allowing(name: &str, args: &[&str], code_max: i32) -> Result<(), String> {
    let output = Command::new(program(name)?).args(args).output();
    let output = output.map_err(|error| format!("{name}: {error}"))?;
    let error = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(code) if code <= code_max => Ok(()),
        _ => Err(format!("{name} {}: {} (needs root)", args.join(" "), error.trim())),
    }
}
