//! The Hugging Face Hub and its cache on this machine.
//!
//! It does not check what it brings; [`weights`](super::weights) does. Invariant: no call waits
//! for ever, although the Hub's client knows no time-out.

use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;
use std::{io, thread};

use hf_hub::Cache;
use hf_hub::api::sync::{ApiBuilder, ApiError};

use super::weights::FILES;

/// The first, small file arrives in this time, or the Hub counts as away.
const REACH_TIMEOUT: Duration = Duration::from_secs(10);

/// Each further file arrives in this time.
const FILE_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// Why the Hub gave nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum HubError {
    #[error("the Hub did not deliver within {} s", .0.as_secs())]
    Timeout(Duration),
    #[error("the Hub: {0}")]
    Api(#[from] ApiError),
    #[error("the Hub's client broke down")]
    Broken,
    #[error("no thread for the download: {0}")]
    Thread(#[from] io::Error),
}

/// Gives the folder of a model in the cache, if all its files are there.
pub(super) fn cached(cache: &Cache, hub_id: &str) -> Option<PathBuf> {
    let model = cache.model(hub_id.to_owned());
    let files: Vec<PathBuf> = FILES.iter().map(|file| model.get(file)).collect::<Option<_>>()?;
    Some(files.first()?.parent()?.to_owned())
}

/// Downloads a model into the cache, with progress on stderr, and gives its folder there.
///
/// A thread that the Hub keeps waiting is left behind; it ends with its request or the process.
pub(super) fn download(hub_id: &str) -> Result<PathBuf, HubError> {
    let (sender, arrivals) = channel();
    let hub_id = hub_id.to_owned();
    thread::Builder::new().name("hub-download".to_owned()).spawn(move || deliver(hub_id, &sender))?;
    let mut folder = None;
    let mut patience = REACH_TIMEOUT;
    for _ in FILES {
        let path = arrivals.recv_timeout(patience).map_err(|error| match error {
            RecvTimeoutError::Timeout => HubError::Timeout(patience),
            RecvTimeoutError::Disconnected => HubError::Broken,
        })??;
        folder = path.parent().map(ToOwned::to_owned);
        patience = FILE_TIMEOUT;
    }
    folder.ok_or(HubError::Broken)
}

fn deliver(hub_id: String, sender: &Sender<Result<PathBuf, ApiError>>) {
    let model = match ApiBuilder::from_env().with_progress(true).build() {
        Ok(api) => api.model(hub_id),
        Err(error) => return drop(sender.send(Err(error))),
    };
    for file in FILES {
        let arrival = model.get(file);
        let failed = arrival.is_err();
        if sender.send(arrival).is_err() || failed {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_in_the_cache_when_all_its_files_are() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path().to_owned());
        let repo = dir.path().join("models--owner--name");
        let snapshot = repo.join("snapshots").join("abc");
        std::fs::create_dir_all(&snapshot).unwrap();
        std::fs::create_dir_all(repo.join("refs")).unwrap();
        std::fs::write(repo.join("refs").join("main"), "abc").unwrap();
        for file in FILES {
            assert_eq!(cached(&cache, "owner/name"), None);
            std::fs::write(snapshot.join(file), "x").unwrap();
        }
        assert_eq!(cached(&cache, "owner/name"), Some(snapshot));
    }
}
