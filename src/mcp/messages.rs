//! Log messages to the client, beside the answers that say the same: how budgets stand.
//!
//! Clients of before 2026 set a level for the conversation; later ones name one in each request that wants messages.
#![expect(deprecated, reason = "SEP-2577 deprecates log messages; clients of both eras still show them")]

use std::sync::{Mutex, PoisonError};

use rmcp::RoleServer;
use rmcp::model::{LoggingLevel, LoggingMessageNotificationParam};
use rmcp::service::RequestContext;
use serde_json::json;

use super::requests::is_modern;

const LOGGER: &str = "budgets";

/// The least level that a client of before 2026 wants to hear of.
#[derive(Debug)]
pub(super) struct Wanted(Mutex<LoggingLevel>);

impl Default for Wanted {
    /// Who never says gets warnings.
    fn default() -> Self {
        Self(Mutex::new(LoggingLevel::Warning))
    }
}

impl Wanted {
    pub(super) fn set(&self, level: LoggingLevel) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = level;
    }

    fn level(&self, context: &RequestContext<RoleServer>) -> Option<LoggingLevel> {
        if is_modern(&context.meta) {
            return context.meta.log_level();
        }
        Some(*self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sends warnings, where the client of a request wants them.
    pub(super) async fn warn(&self, context: &RequestContext<RoleServer>, warnings: &[String]) {
        let level = LoggingLevel::Warning;
        if self.level(context).is_none_or(|least| least as u8 > level as u8) {
            return;
        }
        for warning in warnings {
            let message =
                LoggingMessageNotificationParam::new(level, json!(warning)).with_logger(LOGGER.to_owned());
            // A client that went away is found out elsewhere.
            let _ = context.peer.notify_logging_message(message).await;
        }
    }
}
