//! sentence-transformers in a child process, which times itself, so that no pipe is in its times.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::engine::Engine;

const PROGRAM: &str = "
import json, sys, time
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
torch.set_num_threads(int(sys.argv[2]))
words = Transformer(sys.argv[1], max_seq_length=256)
model = SentenceTransformer(modules=[words, Pooling(384)], device='cpu')
for line in sys.stdin:
    texts = json.loads(line)
    started = time.perf_counter()
    model.encode(texts, batch_size=8, normalize_embeddings=True, show_progress_bar=False)
    print(time.perf_counter() - started, flush=True)
";

/// Asks Python where its ONNX Runtime has its library.
pub fn library_of_onnx_runtime(python: &str) -> String {
    let program = "import glob, os, onnxruntime as o; \
                   print(glob.glob(os.path.dirname(o.__file__) + '/capi/*onnxruntime.*')[0])";
    let output = Command::new(python).args(["-c", program]).output().expect("Python starts");
    let path = String::from_utf8(output.stdout).expect("a path in UTF-8").trim().to_owned();
    assert!(!path.is_empty(), "this Python has no onnxruntime");
    path
}

pub struct SentenceTransformers {
    child: Child,
    texts: ChildStdin,
    times: BufReader<ChildStdout>,
}

impl SentenceTransformers {
    pub fn start(python: &str, model: &Path, threads: usize) -> Self {
        let mut child = Command::new(python)
            .args(["-c", PROGRAM])
            .arg(model)
            .arg(threads.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python starts");
        let texts = child.stdin.take().expect("a piped stdin");
        let times = BufReader::new(child.stdout.take().expect("a piped stdout"));
        Self { child, texts, times }
    }

    fn encode(&mut self, texts: &[&str]) -> Option<f64> {
        writeln!(self.texts, "{}", serde_json::json!(texts)).expect("the child reads");
        let mut time = String::new();
        self.times.read_line(&mut time).expect("the child answers");
        Some(time.trim().parse().expect("seconds"))
    }
}

impl Engine for SentenceTransformers {
    fn name(&self) -> &str {
        "sentence-transformers"
    }

    fn embed(&mut self, text: &str) -> Option<f64> {
        self.encode(&[text])
    }

    fn embed_all(&mut self, texts: &[String]) -> Option<f64> {
        self.encode(&texts.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

impl Drop for SentenceTransformers {
    fn drop(&mut self) {
        // Nobody waits for what it still computes.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
