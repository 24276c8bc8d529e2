//! Experiments as a user meets them: started, assigned to, judged, ended, adopted.

mod bad_input;
mod consent;
mod lifecycle;
mod verdict;

use std::path::Path;

use serde_json::{Value, json};

use crate::stdio::driver::Program;

/// Two models that cost the same, and one at three times their price.
const MODELS: [(&str, f64); 3] = [("cheap", 1.0), ("alike", 1.0), ("dear", 3.0)];

/// Names the simulated program with the models of [`MODELS`].
fn program(folder: &Path) -> Program {
    let rows = MODELS.map(|(model, price)| {
        format!(
            "[[models]]\nprovider = \"ollama\"\nmodel = \"{model}\"\ntier = \"economy\"\ncontext_window = 8192\n\
             max_output = 4096\n[[prices]]\nprovider = \"ollama\"\nmodel = \"{model}\"\n\
             input_usd_per_mtok = {price:.1}\noutput_usd_per_mtok = {:.1}\n",
            5.0 * price
        )
    });
    let config = folder.join("config.toml");
    std::fs::write(&config, rows.concat()).unwrap();
    Program::simulated(folder).with("COST_OPTIMIZER_CONFIG", config)
}

fn arm(name: &str, model: &str) -> Value {
    json!({ "name": name, "model": format!("ollama/{model}") })
}

/// An experiment on cost between two of the models.
fn between(control: &str, treatment: &str) -> Value {
    json!({ "name": "x", "metric": "cost_usd", "arms": [arm("now", control), arm("new", treatment)] })
}

/// Puts members into arguments.
fn with(mut arguments: Value, members: Value) -> Value {
    let (Value::Object(object), Value::Object(members)) = (&mut arguments, members) else {
        panic!("these are no members of an object");
    };
    object.extend(members);
    arguments
}
