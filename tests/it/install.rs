//! `install` through the real binary: the entry is there, all else is as it was, and no key is shown.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::stdio::driver::{KEY, Program, at};

/// As Claude Desktop's users have it: other servers with keys, an order of their own, no line break at the end.
const OTHERS: &str = "{\n\t\"zeta\": 1.50,\n\t\"mcpServers\": {\n\t\t\"müller\": {\"command\": \"npx\", \"env\": {\"TOKEN\": \"other-secret\"}}\n\t},\n\t\"alpha\": [\"ü\", \"\\u00fc\"]\n}";

/// A user's machine with a configuration on it.
struct User {
    home: TempDir,
    file: PathBuf,
}

impl User {
    fn with(content: Option<&str>) -> Self {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("Jürgens Ordner");
        fs::create_dir(&folder).unwrap();
        let file = folder.join("claude_desktop_config.json");
        if let Some(content) = content {
            fs::write(&file, content).unwrap();
        }
        Self { home, file }
    }

    fn program(&self) -> Program {
        Program::bare(self.home.path(), "optimizer.sqlite3")
    }

    fn install(&self, arguments: &[&str]) -> (i32, String, String) {
        self.install_by(&self.program(), arguments)
    }

    fn install_by(&self, program: &Program, arguments: &[&str]) -> (i32, String, String) {
        let start = ["install", "--config", self.file.to_str().unwrap()];
        program.run(&start.into_iter().chain(arguments.iter().copied()).collect::<Vec<_>>())
    }

    /// Installs, and gives the result as JSON.
    fn installed(&self, arguments: &[&str]) -> Value {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
        let (code, stdout, stderr) = self.install(&arguments);
        assert_eq!(code, 0, "{stderr}");
        serde_json::from_str(&stdout).unwrap()
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.file).unwrap()
    }

    fn entry(&self) -> Value {
        let value: Value = serde_json::from_str(self.text().trim_start_matches('\u{feff}')).unwrap();
        at(&value, "/mcpServers/ai-cost-optimizer").clone()
    }

    /// The files beside the configuration, by name.
    fn others(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.file.parent().unwrap()).unwrap();
        entries.map(|entry| entry.unwrap().path()).filter(|path| *path != self.file).collect()
    }
}

fn command() -> String {
    let path = Path::new(env!("CARGO_BIN_EXE_ai-cost-optimizer")).canonicalize().unwrap();
    path.to_str().unwrap().trim_start_matches(r"\\?\").to_owned()
}

#[test]
fn a_file_with_other_servers_keeps_every_byte_of_them() {
    let user = User::with(Some(OTHERS));
    let result = user.installed(&[]);
    assert_eq!(user.entry(), json!({ "command": command(), "args": [], "env": {} }));
    // What was written stands in one piece, after a comma.
    let command = serde_json::to_string(&command()).unwrap();
    let written = format!(
        ",\n\t\t\"ai-cost-optimizer\": {{\n\t\t\t\"command\": {command},\n\t\t\t\"args\": [],\n\t\t\t\"env\": {{}}\n\t\t}}"
    );
    assert_eq!(user.text().replacen(&written, "", 1), OTHERS);
    let backup = PathBuf::from(at(&result, "/files/0/backup").as_str().unwrap());
    assert_eq!(fs::read_to_string(&backup).unwrap(), OTHERS);
    let others: Vec<PathBuf> = user.others().iter().map(|path| path.canonicalize().unwrap()).collect();
    assert_eq!(others, [backup.canonicalize().unwrap()]);
    assert!(
        backup.file_name().unwrap().to_str().unwrap().starts_with("claude_desktop_config.json.bak-20"),
        "{backup:?}"
    );
    let diff = at(&result, "/files/0/diff").as_str().unwrap();
    assert!(diff.contains("+\t\t\"ai-cost-optimizer\": {") && diff.contains(&command), "{diff}");
    assert!(!diff.contains("other-secret") && !diff.contains("npx") && diff.contains("müller"), "{diff}");
    assert_eq!(at(&result, "/fill_in/0"), "ANTHROPIC_API_KEY");
}

#[test]
fn a_second_run_changes_nothing_and_keeps_no_copy() {
    let user = User::with(Some(OTHERS));
    user.installed(&[]);
    let (text, others) = (user.text(), user.others().len());
    let again = user.installed(&[]);
    assert_eq!(at(&again, "/files/0/changed"), false);
    assert_eq!(at(&again, "/files/0/diff"), "");
    assert_eq!(at(&again, "/files/0/backup"), &Value::Null);
    assert_eq!((user.text(), user.others().len()), (text, others));
    assert!(user.install(&[]).1.starts_with("nothing changed in "));
}

#[test]
fn what_is_taken_out_leaves_the_rest_as_it_was() {
    let user = User::with(Some(OTHERS));
    user.installed(&[]);
    assert_eq!(at(&user.installed(&["--remove"]), "/files/0/changed"), true);
    assert_eq!(user.text(), OTHERS);
    assert_eq!(at(&user.installed(&["--remove"]), "/files/0/changed"), false);
    assert_eq!(user.text(), OTHERS);
}

#[test]
fn a_dry_run_shows_the_change_and_writes_nothing() {
    let user = User::with(Some(OTHERS));
    let result = user.installed(&["--dry-run"]);
    assert_eq!(at(&result, "/files/0/changed"), true);
    assert!(at(&result, "/files/0/diff").as_str().unwrap().contains("ai-cost-optimizer"));
    assert_eq!((user.text().as_str(), user.others()), (OTHERS, Vec::new()));
}

#[test]
fn no_file_and_an_empty_one_become_a_configuration() {
    for content in [None, Some(""), Some(" \r\n"), Some("{}"), Some("\u{feff}{}")] {
        let user = User::with(content);
        let result = user.installed(&["--simulate", "--name", "ai-cost-optimizer"]);
        assert_eq!(at(&user.entry(), "/args"), &json!(["--simulate"]), "{content:?}");
        assert_eq!(at(&result, "/fill_in"), &json!([]));
        assert_eq!(user.others().len(), usize::from(content.is_some()), "{content:?}");
        assert_eq!(
            user.text().starts_with('\u{feff}'),
            content.is_some_and(|text| text.starts_with('\u{feff}'))
        );
    }
}

#[test]
fn keys_are_copied_by_name_alone_and_never_shown() {
    let user = User::with(Some(OTHERS));
    let program = user.program().with("ANTHROPIC_API_KEY", KEY);
    let (code, stdout, stderr) = user.install_by(&program, &["--env", "DAILY_BUDGET_USD=2"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(
        stdout.contains("\"DAILY_BUDGET_USD\": \"2\"") && stdout.contains("fill in one of ANTHROPIC_API_KEY")
    );
    assert!(!user.text().contains(KEY));
    let (code, stdout, stderr) = user.install_by(&program, &["--copy-env", "ANTHROPIC_API_KEY"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(!stdout.contains(KEY) && !stderr.contains(KEY), "{stdout}{stderr}");
    assert!(!stdout.contains("fill in") && stdout.contains("\"ANTHROPIC_API_KEY\": \"…\""), "{stdout}");
    assert_eq!(at(&user.entry(), "/env"), &json!({ "ANTHROPIC_API_KEY": KEY, "DAILY_BUDGET_USD": "2" }));
    // What was filled in outlives the next run.
    user.installed(&["--env", "MONTHLY_BUDGET_USD=9"]);
    assert_eq!(at(&user.entry(), "/env/ANTHROPIC_API_KEY"), KEY);
}

#[test]
fn variables_that_the_program_would_refuse_are_refused_before_anything_is_written() {
    let user = User::with(Some(OTHERS));
    let check = |arguments: &[&str], words: &[&str]| {
        let (code, stdout, stderr) = user.install(arguments);
        assert_eq!((code, stdout.as_str()), (2, ""), "{arguments:?}: {stderr}");
        for word in words {
            assert!(stderr.contains(word), "{word} is not in {stderr}");
        }
        assert!(!stderr.contains(KEY), "{stderr}");
        assert_eq!((user.text().as_str(), user.others()), (OTHERS, Vec::new()));
    };
    let secret = format!("ANTHROPIC_API_KEY={KEY}");
    check(&["--env", &secret], &["ANTHROPIC_API_KEY is a secret", "--copy-env ANTHROPIC_API_KEY"]);
    check(&["--env", "NO_SUCH=1"], &["`NO_SUCH` is no variable"]);
    check(&["--env", "COST_OPTIMIZER_READ_ONLY=1"], &["COST_OPTIMIZER_READ_ONLY"]);
    check(&["--env", "DAILY_BUDGET_USD=much"], &["would not start", "DAILY_BUDGET_USD is `much`"]);
    check(&["--env", "COST_OPTIMIZER_DATA_DIR=data"], &["no absolute path"]);
    check(&["--env", "CACHE_TTL"], &["NAME=VALUE", "--copy-env"]);
    check(&["--copy-env", "GEMINI_API_KEY"], &["GEMINI_API_KEY is not set"]);
}

#[test]
fn what_is_no_configuration_is_left_alone_and_its_line_named() {
    let check = |content: &str, line: usize, words: &str| {
        let user = User::with(Some(content));
        let (code, stdout, stderr) = user.install(&[]);
        assert_eq!((code, stdout.as_str()), (2, ""), "{content}");
        let place = format!("{}, line {line}: ", user.file.display());
        assert!(stderr.contains(&place) && stderr.contains(words), "{stderr}");
        assert_eq!((user.text().as_str(), user.others()), (content, Vec::new()));
    };
    check("nonsense", 1, "no JSON");
    check("{\n  // mine\n  \"a\": 1\n}", 2, "JSON has no comments");
    check("{\n  \"a\": 1, /* mine */\n  \"b\": 2\n}", 2, "JSON has no comments");
    check("{\n  \"a\": 1,\n}", 3, "trailing comma");
    check("{\n  'a': 1\n}", 2, "no JSON");
    check("[]", 1, "no JSON object");
    check("{\n\n  \"mcpServers\": []\n}", 3, "`mcpServers` is no JSON object");
    check("{\n\"mcpServers\": {\n\"ai-cost-optimizer\": 1}}", 3, "`ai-cost-optimizer` is no JSON object");
    check("{\n\"mcpServers\": {},\n\"mcpServers\": {}}", 3, "twice");
    check(&"[".repeat(100_000), 1, "no JSON");
}

#[test]
fn without_claude_desktop_it_says_where_it_looked() {
    let user = User::with(None);
    let (code, stdout, stderr) = user.program().run(&["install", "--config", "/nowhere/at/all.json"]);
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(stderr.contains("no such folder"), "{stderr}");
    // Windows' folders are not the environment's.
    if cfg!(unix) {
        let (code, _, stderr) = user.program().run(&["install"]);
        assert_eq!(code, 2);
        assert!(stderr.contains("Claude Desktop was not found") && stderr.contains("--config"), "{stderr}");
        assert!(stderr.contains(user.home.path().to_str().unwrap()), "{stderr}");
    }
}

#[test]
#[cfg(unix)]
fn claude_desktops_own_file_is_found() {
    let user = User::with(None);
    let folder = match cfg!(target_os = "macos") {
        true => user.home.path().join("Library/Application Support/Claude"),
        false => user.home.path().join(".config/Claude"),
    };
    fs::create_dir_all(&folder).unwrap();
    let (code, stdout, stderr) = user.program().run(&["install"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("restart Claude Desktop"), "{stdout}");
    let text = fs::read_to_string(folder.join("claude_desktop_config.json")).unwrap();
    assert!(text.contains(&command()), "{text}");
}

#[test]
#[cfg(unix)]
fn a_new_file_is_readable_by_its_owner_only_and_an_old_one_keeps_its_permissions() {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let user = User::with(None);
    user.installed(&[]);
    assert_eq!(mode(&user.file), 0o600);
    let user = User::with(Some(OTHERS));
    fs::set_permissions(&user.file, fs::Permissions::from_mode(0o640)).unwrap();
    let result = user.installed(&[]);
    assert_eq!(mode(&user.file), 0o640);
    assert_eq!(mode(Path::new(at(&result, "/files/0/backup").as_str().unwrap())), 0o640);
}

#[test]
fn a_read_only_file_is_left_alone() {
    let user = User::with(Some(OTHERS));
    let writable = fs::metadata(&user.file).unwrap().permissions();
    let mut permissions = writable.clone();
    permissions.set_readonly(true);
    fs::set_permissions(&user.file, permissions).unwrap();
    let (code, _, stderr) = user.install(&[]);
    assert_eq!(code, 2);
    assert!(stderr.contains("is read-only; hint"), "{stderr}");
    assert_eq!((user.text().as_str(), user.others()), (OTHERS, Vec::new()));
    // Windows does not delete what is read-only.
    fs::set_permissions(&user.file, writable).unwrap();
}

#[test]
#[cfg(unix)]
fn a_link_stays_a_link_and_its_file_is_written() {
    let user = User::with(None);
    let dotfiles = user.home.path().join("dotfiles");
    fs::create_dir(&dotfiles).unwrap();
    fs::write(dotfiles.join("claude.json"), OTHERS).unwrap();
    std::os::unix::fs::symlink("../dotfiles/claude.json", &user.file).unwrap();
    let result = user.installed(&[]);
    assert!(user.file.is_symlink());
    assert_eq!(at(&user.entry(), "/command"), &json!(command()));
    let backup = Path::new(at(&result, "/files/0/backup").as_str().unwrap());
    assert_eq!(backup.parent().unwrap(), dotfiles.canonicalize().unwrap());
    fs::remove_file(dotfiles.join("claude.json")).unwrap();
    let (code, _, stderr) = user.install(&[]);
    assert_eq!(code, 2);
    assert!(stderr.contains("a link to a file that is not there"), "{stderr}");
}

#[test]
fn a_path_with_spaces_and_other_scripts_starts_from_what_is_written() {
    let user = User::with(None);
    // A link and no copy: what was written just now may still be open in a child of another test.
    let target = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    // Windows has no quotation marks in names.
    let folder =
        target.path().join(if cfg!(windows) { "Prögramme 工具" } else { "Prögramme — 工具 \"x\"" });
    fs::create_dir(&folder).unwrap();
    let copy = folder.join("ai cost optimizer.exe");
    fs::hard_link(env!("CARGO_BIN_EXE_ai-cost-optimizer"), &copy).unwrap();
    let install = std::process::Command::new(&copy)
        .args(["install", "--config"])
        .arg(&user.file)
        .env("COST_OPTIMIZER_CONFIG", if cfg!(windows) { "" } else { "/dev/null" })
        .output()
        .unwrap();
    assert!(install.status.success(), "{}", String::from_utf8_lossy(&install.stderr));
    let entry = user.entry();
    let command = at(&entry, "/command").as_str().unwrap();
    assert!(command.contains("工具"), "{command}");
    let version = std::process::Command::new(command).arg("--version").output().unwrap();
    assert!(String::from_utf8_lossy(&version.stdout).starts_with("ai-cost-optimizer "), "{command}");
}
