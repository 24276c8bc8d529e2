//! Embeddings of prompts as routing sees them, kept in a file between runs.
//!
//! The file: a line with the embedder's fingerprint, then records of a prompt's SHA-256 and its 384 numbers, little-endian.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use sha2::{Digest, Sha256};

use super::super::cache_eval::{embedder, progress};
use crate::config::Config;
use crate::domain::embedding::{DIMENSIONS, Embedding};
use crate::embed::Embedder as _;
use crate::embed::minilm::MiniLm;
use crate::routing::focus::focus;

const RECORD: usize = 32 + 4 * DIMENSIONS;

pub(super) struct Embeddings {
    embedder: MiniLm,
    known: HashMap<[u8; 32], Embedding>,
    file: Option<PathBuf>,
}

impl Embeddings {
    /// Loads the embedder, and the file if there is one.
    pub(super) fn open(config: &Config, file: Option<&Path>) -> anyhow::Result<Self> {
        let mut embeddings =
            Self { embedder: embedder(config)?, known: HashMap::new(), file: file.map(Path::to_owned) };
        if let Some(file) = file.filter(|file| file.exists()) {
            embeddings.load(file).with_context(|| format!("--embeddings {}", file.display()))?;
        }
        Ok(embeddings)
    }

    /// Embeds what is not known yet and writes the file.
    pub(super) fn embed_all<'a>(
        &mut self,
        prompts: impl Iterator<Item = &'a str>,
        count: usize,
    ) -> anyhow::Result<()> {
        let before = self.known.len();
        let bar = progress(count, "embedding");
        for prompt in prompts {
            let key = key(prompt);
            if !self.known.contains_key(&key) {
                let whole = self.embedder.embed(prompt)?;
                let embedded = if whole.truncated { self.embedder.embed(focus(prompt))? } else { whole };
                self.known.insert(key, embedded.embedding);
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        match &self.file {
            Some(file) if self.known.len() > before => {
                self.save(file).with_context(|| format!("--embeddings {}", file.display()))
            }
            _ => Ok(()),
        }
    }

    /// Gives the embedding of a prompt that was embedded.
    pub(super) fn of(&self, prompt: &str) -> anyhow::Result<&Embedding> {
        self.known.get(&key(prompt)).context("every prompt was embedded")
    }

    fn load(&mut self, file: &Path) -> anyhow::Result<()> {
        let bytes = std::fs::read(file)?;
        let header = self.header();
        let records =
            bytes.strip_prefix(header.as_bytes()).context("it is of another embedder; hint: remove it")?;
        ensure!(records.len() % RECORD == 0, "it breaks off; hint: remove it");
        for record in records.chunks_exact(RECORD) {
            let Some((key, numbers)) = record.split_first_chunk::<32>() else { continue };
            let numbers = numbers.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
            self.known.insert(*key, Embedding::new(numbers)?);
        }
        Ok(())
    }

    fn save(&self, file: &Path) -> anyhow::Result<()> {
        let mut bytes = self.header().into_bytes();
        for (key, embedding) in &self.known {
            bytes.extend(key);
            bytes.extend(embedding.as_slice().iter().flat_map(|number| number.to_le_bytes()));
        }
        Ok(std::fs::write(file, bytes)?)
    }

    fn header(&self) -> String {
        format!("{}\n", self.embedder.fingerprint())
    }
}

fn key(prompt: &str) -> [u8; 32] {
    Sha256::digest(prompt.as_bytes()).into()
}
