//! Where clients keep their configuration: pure, by platform and folders.

use std::path::{Path, PathBuf};

/// The name of Claude Desktop's configuration, on every platform.
const FILE: &str = "claude_desktop_config.json";
/// The package of the Claude Desktop that Windows keeps apart from other programs' files.
const PACKAGE: &str = "Claude_pzs8sxrjxfjjc";

/// The platforms that keep it in different places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Platform {
    MacOs,
    Windows,
    /// Linux, and what keeps to the same folders.
    Other,
}

impl Platform {
    /// The one that this program runs on.
    pub(super) const HERE: Self = if cfg!(target_os = "macos") {
        Self::MacOs
    } else if cfg!(windows) {
        Self::Windows
    } else {
        Self::Other
    };
}

/// A user's folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Folders<'a> {
    pub(super) home: &'a Path,
    /// `%APPDATA%`, `$XDG_CONFIG_HOME` or `~/.config`.
    pub(super) config: &'a Path,
    /// `%LOCALAPPDATA%`; elsewhere not looked at.
    pub(super) local: &'a Path,
}

/// Lists the files that Claude Desktop may read; it reads one where the file's folder is there.
pub(super) fn claude_desktop(platform: Platform, folders: Folders<'_>) -> Vec<PathBuf> {
    let claude = |folder: &Path| folder.join("Claude").join(FILE);
    match platform {
        Platform::MacOs => vec![claude(&folders.home.join("Library").join("Application Support"))],
        Platform::Windows => {
            let package = folders.local.join("Packages").join(PACKAGE);
            vec![claude(folders.config), claude(&package.join("LocalCache").join("Roaming"))]
        }
        Platform::Other => vec![claude(folders.config)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_platform_has_its_places() {
        let check = |platform: Platform, expected: &[&str]| {
            let folders = Folders {
                home: Path::new("/home/jürgen m"),
                config: Path::new("/config"),
                local: Path::new("/local"),
            };
            let expected: Vec<PathBuf> = expected.iter().map(PathBuf::from).collect();
            assert_eq!(claude_desktop(platform, folders), expected);
        };
        check(
            Platform::MacOs,
            &["/home/jürgen m/Library/Application Support/Claude/claude_desktop_config.json"],
        );
        check(
            Platform::Windows,
            &[
                "/config/Claude/claude_desktop_config.json",
                "/local/Packages/Claude_pzs8sxrjxfjjc/LocalCache/Roaming/Claude/claude_desktop_config.json",
            ],
        );
        check(Platform::Other, &["/config/Claude/claude_desktop_config.json"]);
    }
}
