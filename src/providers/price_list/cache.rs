//! Price lists on the disk: one file a provider, replaced whole, shared by all processes of a data folder.
//!
//! A file that cannot be read, or that is from another address, is as if there were none; a row that cannot be
//! true is left out, whoever wrote it.

use std::fs::{DirBuilder, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{MAX_LIST_BYTES, PriceListError, PriceSource};
use crate::cost::live::{ListedModel, ListedPrice, LiveList, LongPrice, is_id, is_plausible};
use crate::cost::price::FlatPrice;
use crate::domain::money::Usd;

/// The shape of the files; another one is not read.
const VERSION: u32 = 1;

/// The folder of the files.
#[derive(Debug, Clone)]
pub struct PriceCache {
    folder: PathBuf,
}

/// Held by the one process that fetches a list.
#[derive(Debug)]
pub(super) struct FetchLock(File);

impl Drop for FetchLock {
    fn drop(&mut self) {
        // The end of the process would release it as well.
        let _ = self.0.unlock();
    }
}

impl PriceCache {
    /// Names the folder; it is made by the first list that is kept.
    pub const fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Reads the list that was kept last, by this process or another.
    pub fn load(&self, source: &PriceSource) -> Option<LiveList> {
        let file = File::open(self.path(source, "json")).ok()?;
        let mut text = Vec::new();
        file.take(MAX_LIST_BYTES as u64).read_to_end(&mut text).ok()?;
        let kept: Option<Kept> = serde_json::from_slice(&text).ok();
        let kept = kept.filter(|kept| kept.version == VERSION && kept.from == source.url.as_str());
        if kept.is_none() {
            tracing::debug!(provider.name = %source.provider, "a kept price list is not one of ours");
        }
        let kept = kept?;
        let models = kept.models.into_iter().filter_map(KeptModel::check);
        Some(LiveList { provider: source.provider, fetched_at: kept.fetched_at, models: models.collect() })
    }

    /// Keeps a list in place of the one before; a reader sees the one or the other.
    pub(super) fn save(&self, source: &PriceSource, list: &LiveList) -> Result<(), PriceListError> {
        let mut models: Vec<KeptModel> =
            list.models.iter().map(|(id, model)| KeptModel::new(id, model)).collect();
        models.sort_by(|one, other| one.id.cmp(&other.id));
        let from = source.url.to_string();
        let kept = Kept { version: VERSION, from, fetched_at: list.fetched_at, models };
        let write = || -> io::Result<()> {
            make_folder(&self.folder)?;
            let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
            file.write_all(&serde_json::to_vec(&kept)?)?;
            file.persist(self.path(source, "json"))?;
            Ok(())
        };
        write().map_err(|problem| self.not_kept(source, problem))
    }

    /// Takes the right to fetch a list; `None` where another process has it.
    pub(super) fn try_lock(&self, source: &PriceSource) -> Result<Option<FetchLock>, PriceListError> {
        let take = || -> io::Result<Option<FetchLock>> {
            make_folder(&self.folder)?;
            let file = File::create(self.path(source, "lock"))?;
            match file.try_lock() {
                Ok(()) => Ok(Some(FetchLock(file))),
                Err(TryLockError::WouldBlock) => Ok(None),
                Err(TryLockError::Error(error)) => Err(error),
            }
        };
        take().map_err(|problem| self.not_kept(source, problem))
    }

    fn path(&self, source: &PriceSource, extension: &str) -> PathBuf {
        self.folder.join(source.provider.as_str()).with_extension(extension)
    }

    fn not_kept(&self, source: &PriceSource, problem: io::Error) -> PriceListError {
        PriceListError::NotKept { from: source.name(), folder: self.folder.display().to_string(), problem }
    }
}

/// Makes a folder, and the data folder around it, for this user only where the system has such a thing.
fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

#[derive(Serialize, Deserialize)]
struct Kept {
    version: u32,
    /// The address of the list, so that a test's or a proxy's list is not taken for the provider's.
    from: String,
    fetched_at: Timestamp,
    models: Vec<KeptModel>,
}

#[derive(Serialize, Deserialize)]
struct KeptModel {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<KeptPrice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    long: Option<KeptLong>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retires: Option<Date>,
}

#[derive(Serialize, Deserialize)]
struct KeptLong {
    from_input_tokens: u64,
    price: KeptPrice,
}

/// Pico-dollars for one token.
#[derive(Serialize, Deserialize)]
struct KeptPrice {
    input_pico: i64,
    output_pico: i64,
    cached_input_pico: i64,
    cache_write_pico: i64,
}

impl KeptModel {
    fn new(id: &str, model: &ListedModel) -> Self {
        let long = model.price.and_then(|price| price.long);
        Self {
            id: id.to_owned(),
            price: model.price.map(|price| KeptPrice::from(price.base)),
            long: long.map(|long| KeptLong {
                from_input_tokens: long.from_input_tokens,
                price: KeptPrice::from(long.price),
            }),
            retires: model.retires,
        }
    }

    /// Gives the model, unless its row cannot be true.
    fn check(self) -> Option<(String, ListedModel)> {
        let is_free = self.id.ends_with(":free");
        let is_true = |price: &FlatPrice| {
            let has_zero = price.input == Usd::ZERO || price.output == Usd::ZERO;
            is_plausible(price) && (is_free || !has_zero)
        };
        let base = self.price.map(FlatPrice::from);
        let long = self
            .long
            .map(|long| LongPrice { from_input_tokens: long.from_input_tokens, price: long.price.into() });
        let is_sound = is_id(&self.id)
            && base.as_ref().is_none_or(is_true)
            && long.as_ref().is_none_or(|long| is_true(&long.price));
        let price = base.map(|base| ListedPrice { base, long });
        is_sound.then_some((self.id, ListedModel { price, retires: self.retires }))
    }
}

impl From<FlatPrice> for KeptPrice {
    fn from(price: FlatPrice) -> Self {
        Self {
            input_pico: price.input.pico(),
            output_pico: price.output.pico(),
            cached_input_pico: price.cached_input.pico(),
            cache_write_pico: price.cache_write.pico(),
        }
    }
}

impl From<KeptPrice> for FlatPrice {
    fn from(kept: KeptPrice) -> Self {
        Self {
            input: Usd::from_pico(kept.input_pico),
            output: Usd::from_pico(kept.output_pico),
            cached_input: Usd::from_pico(kept.cached_input_pico),
            cache_write: Usd::from_pico(kept.cache_write_pico),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::live::parse;
    use crate::domain::model::ProviderId;

    const BODY: &str = r#"{"data": [
        {"id": "a/b", "pricing": {"prompt": "0.00000093", "completion": "0.00000242",
         "overrides": [{"min_prompt_tokens": 1000, "prompt": "0.000005"}]}, "expiration_date": "2027-01-15"},
        {"id": "a/c:free", "pricing": {"prompt": "0", "completion": "0"}},
        {"id": "a/d", "pricing": {"prompt": "-1", "completion": "-1"}}
    ]}"#;

    fn source(base: &str) -> PriceSource {
        PriceSource::new(ProviderId::OpenRouter, &base.parse().unwrap()).unwrap()
    }

    #[test]
    fn a_list_comes_back_as_it_was_kept() {
        let folder = tempfile::tempdir().unwrap();
        let cache = PriceCache::new(folder.path().join("prices"));
        let here = source("https://router.example.com/v1");
        assert_eq!(cache.load(&here), None);
        let models = parse(BODY.as_bytes()).unwrap();
        let list = LiveList { provider: ProviderId::OpenRouter, fetched_at: Timestamp::UNIX_EPOCH, models };
        cache.save(&here, &list).unwrap();
        assert_eq!(cache.load(&here), Some(list));
        assert_eq!(cache.load(&source("https://elsewhere.example.com/v1")), None);
    }

    #[test]
    fn what_somebody_else_wrote_into_the_file_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let cache = PriceCache::new(folder.path().to_owned());
        let here = source("https://router.example.com/v1");
        let check = |text: &str, expected: Option<usize>| {
            std::fs::write(folder.path().join("openrouter.json"), text).unwrap();
            assert_eq!(cache.load(&here).map(|list| list.models.len()), expected, "{text}");
        };
        let file = |version: u32, id: &str, input_pico: i64| {
            format!(
                r#"{{"version":{version},"from":"https://router.example.com/v1/models","fetched_at":"2026-11-25T00:00:00Z",
                "models":[{{"id":"{id}","price":{{"input_pico":{input_pico},"output_pico":1,"cached_input_pico":1,
                "cache_write_pico":1}}}}]}}"#
            )
        };
        check(&file(1, "a/b", 5), Some(1));
        check(&file(1, "a/b", 0), Some(0));
        check(&file(1, "a/b", -5), Some(0));
        check(&file(1, "a/b", i64::MAX), Some(0));
        check(&file(1, "a b", 5), Some(0));
        check(&file(2, "a/b", 5), None);
        check("", None);
        check("[1]", None);
    }

    #[test]
    fn one_process_fetches_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let cache = PriceCache::new(folder.path().to_owned());
        let here = source("https://router.example.com/v1");
        let lock = cache.try_lock(&here).unwrap();
        assert!(lock.is_some());
        assert!(cache.try_lock(&here).unwrap().is_none());
        drop(lock);
        assert!(cache.try_lock(&here).unwrap().is_some());
    }
}
