//! What is timed, and the program's own two engines behind it.

use std::path::Path;
use std::sync::Mutex;
use std::thread;

use ai_cost_optimizer::embed::Embedder;
use ai_cost_optimizer::embed::choice::EmbedderChoice;
use ai_cost_optimizer::embed::minilm::MiniLm;
use ai_cost_optimizer::embed::weights::{ModelName, Weights};

/// Texts that the program embeds at once.
const TOGETHER: usize = 8;

/// An engine on as many threads as it was made for; seconds come from those that measure themselves.
pub trait Engine {
    fn name(&self) -> &str;

    fn embed(&mut self, text: &str) -> Option<f64>;

    fn embed_all(&mut self, texts: &[String]) -> Option<f64>;
}

/// The program's embedder: one of its threads, or both as its worker uses them.
pub struct Own {
    name: String,
    first: Box<dyn Embedder>,
    second: Option<Box<dyn Embedder>>,
}

impl Own {
    pub fn load(model: &Path, name: &str, choice: EmbedderChoice, threads: usize) -> Self {
        let weights = Weights::read(&ModelName::minilm(), model).expect("a model folder");
        let whole = MiniLm::new(&weights, choice).expect("checked weights make a model");
        match whole.another() {
            Some(alone) if threads == 1 => Self { name: name.to_owned(), first: alone, second: None },
            other => Self { name: name.to_owned(), first: Box::new(whole), second: other },
        }
    }
}

impl Engine for Own {
    fn name(&self) -> &str {
        &self.name
    }

    fn embed(&mut self, text: &str) -> Option<f64> {
        self.first.embed(text).expect("every text has an embedding");
        None
    }

    fn embed_all(&mut self, texts: &[String]) -> Option<f64> {
        let mut texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        texts.sort_by_key(|text| text.len());
        // The longest leave first, so that both threads end at about the same time.
        let parts = Mutex::new(texts.chunks(TOGETHER));
        let work = |embedder: &mut dyn Embedder| {
            while let Some(part) = { parts.lock().expect("no thread panics").next_back() } {
                // A long text alone, as the worker takes it.
                let each = if part.iter().any(|text| text.len() > 400) { 1 } else { TOGETHER };
                for part in part.chunks(each) {
                    embedder
                        .embed_all(part)
                        .into_iter()
                        .for_each(|embedded| drop(embedded.expect("an embedding")));
                }
            }
        };
        let Self { first, second, .. } = self;
        thread::scope(|scope| {
            if let Some(second) = second {
                scope.spawn(|| work(second.as_mut()));
            }
            work(first.as_mut());
        });
        None
    }
}
