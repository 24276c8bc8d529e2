//! Resource templates: one experiment, one request.

use percent_encoding::percent_decode_str;
use rmcp::ErrorData;
use rmcp::model::ResourceTemplate;
use serde_json::{Value, json};

use super::subscriptions::failed;
use super::wire::export::json_line;
use super::wire::verdict::VerdictOutput;
use crate::domain::ids::RequestId;
use crate::pipeline::{ExperimentError, Pipeline};

pub(super) const EXPERIMENT: &str = "metrics://experiments/{name}";
pub(super) const REQUEST: &str = "metrics://requests/{request_id}";

/// Lists the templates.
pub(super) fn templates() -> Vec<ResourceTemplate> {
    let template = |uri: &str, name: &str, title: &str, description: &str| {
        ResourceTemplate::new(uri, name)
            .with_title(title)
            .with_description(description)
            .with_mime_type("application/json")
    };
    vec![
        template(EXPERIMENT, "experiment", "Experiment", "What an experiment proves so far"),
        template(REQUEST, "request", "Request", "Decision, calls and money of a request, without its texts"),
    ]
}

/// Reads what a template names; `None` where a URI is of none of them.
pub(super) async fn read(pipeline: &Pipeline, uri: &str) -> Option<Result<Value, ErrorData>> {
    if let Some(name) = variable(uri, EXPERIMENT) {
        return Some(experiment(pipeline, &name, uri).await);
    }
    let id = variable(uri, REQUEST)?;
    Some(request(pipeline, &id, uri).await)
}

/// Gives what stands in the place of a template's variable.
fn variable(uri: &str, template: &str) -> Option<String> {
    let (prefix, _) = template.split_once('{')?;
    let value = uri.strip_prefix(prefix).filter(|value| !value.is_empty())?;
    percent_decode_str(value).decode_utf8().ok().map(|value| value.into_owned())
}

async fn experiment(pipeline: &Pipeline, name: &str, uri: &str) -> Result<Value, ErrorData> {
    match pipeline.experiment_report(name).await {
        Ok((kept, report)) => Ok(json!(VerdictOutput::new(&kept, &report, pipeline.settings.simulated))),
        Err(ExperimentError::Store(error)) => Err(failed(&error)),
        Err(_) => Err(not_found(uri)),
    }
}

async fn request(pipeline: &Pipeline, id: &str, uri: &str) -> Result<Value, ErrorData> {
    let id: RequestId = id.parse().map_err(|_| not_found(uri))?;
    let found = pipeline.store.find_request(id).await.map_err(|error| failed(&error))?;
    let (record, _) = found.ok_or_else(|| not_found(uri))?;
    Ok(json_line(&record, pipeline.settings.simulated))
}

fn not_found(uri: &str) -> ErrorData {
    ErrorData::resource_not_found("resource not found", Some(json!({ "uri": uri })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_out_of_uris() {
        assert_eq!(variable("metrics://experiments/a%20b%2Fc", EXPERIMENT).as_deref(), Some("a b/c"));
        assert_eq!(variable("metrics://experiments/", EXPERIMENT), None);
        assert_eq!(variable("metrics://experiments/%ff", EXPERIMENT), None);
        assert_eq!(variable("metrics://summary", REQUEST), None);
    }
}
