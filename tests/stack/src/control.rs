//! What a test in another process may have done to a stack: one JSON object a line, each answered by one line.
//!
//! - `{"fault": {"path": "/rest/v1", "times": 3, "kind": "slow" | "cut_before" | "cut_after" | 503, "delay_ms": 0}}`
//! - `{"plugged": false}`: the database lets nobody in; `true`: it does again
//! - `{"close_sockets": true}`: Realtime cuts all sockets
//! - `{"revoke_all": true}`: every session is over
//! - `{"token": {"user": 0, "seconds": -60}}`: answered with an access token of a user, such as one that has expired
//! - `{"grants": true}`: answered with how often each grant was asked for
//! - `{"sql": "…"}`: a statement of a superuser, answered with its first value

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::gateway::{Fault, FaultKind};
use crate::stack::Stack;

/// Does what a line says, and words what came of it: `{"done": …}` or `{"error": …}`.
pub async fn obey(stack: &Stack, line: &str) -> Value {
    match done(stack, line).await {
        Ok(value) => json!({ "done": value }),
        Err(problem) => json!({ "error": problem }),
    }
}

async fn done(stack: &Stack, line: &str) -> Result<Value, String> {
    let command: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    if let Some(fault) = command.get("fault") {
        stack.gateway.set_fault(fault_of(fault)?);
    } else if let Some(is_plugged) = command.get("plugged").and_then(Value::as_bool) {
        stack.project.set_plugged(is_plugged).await.map_err(|refusal| refusal.message)?;
    } else if command.get("close_sockets").is_some() {
        stack.realtime.close_all();
    } else if command.get("revoke_all").is_some() {
        stack.auth.revoke_all();
    } else if let Some(token) = command.get("token") {
        let place = token.get("user").and_then(Value::as_u64).and_then(|place| usize::try_from(place).ok());
        let user = place.and_then(|place| stack.users.get(place)).ok_or("no such user")?;
        let seconds = token.get("seconds").and_then(Value::as_i64).ok_or("seconds is missing")?;
        return Ok(stack.auth.access_token(user, Uuid::new_v4(), seconds).into());
    } else if command.get("grants").is_some() {
        let grants = stack.auth.grants();
        return Ok(json!({ "password": grants.password, "refresh": grants.refresh }));
    } else if let Some(sql) = command.get("sql").and_then(Value::as_str) {
        let mut superuser = stack.project.session("postgres").await.map_err(|error| error.to_string())?;
        return superuser.one(sql).await.map(Value::from).map_err(|refusal| refusal.message);
    } else {
        return Err(format!("{line} is no command"));
    }
    Ok(Value::Bool(true))
}

fn fault_of(fault: &Value) -> Result<Fault, String> {
    let number = |name: &str| fault.get(name).and_then(Value::as_u64).unwrap_or_default();
    let kind = match fault.get("kind").unwrap_or(&Value::Null) {
        Value::Number(status) => {
            let status = status.as_u64().and_then(|status| u16::try_from(status).ok());
            let status = status.and_then(|status| StatusCode::from_u16(status).ok());
            FaultKind::Status(status.ok_or("the status is none")?)
        }
        Value::String(word) if word == "slow" => FaultKind::Slow,
        Value::String(word) if word == "cut_before" => FaultKind::CutBefore,
        Value::String(word) if word == "cut_after" => FaultKind::CutAfter,
        other => return Err(format!("{other} is no kind of fault")),
    };
    Ok(Fault {
        path: fault.get("path").and_then(Value::as_str).unwrap_or_default().to_owned(),
        times: u32::try_from(number("times")).unwrap_or(u32::MAX),
        kind,
        delay: Duration::from_millis(number("delay_ms")),
    })
}
