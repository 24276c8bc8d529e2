//! What requests say beside their parameters: a trace, an era, a place in a list.

use rmcp::model::{ErrorCode, PaginatedRequestParams, ProtocolVersion, RequestMetaObject};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};

/// Says whether a request is one by itself, as from 2026-07-28 on; else its client shook hands.
///
/// By the request alone: what a client named when it shook hands may be newer than what was agreed.
pub(super) fn is_modern(meta: &RequestMetaObject) -> bool {
    meta.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28)
}

/// Gives the span that a call belongs to, where its client says so (W3C trace context).
pub(super) fn traceparent(context: &RequestContext<RoleServer>) -> Option<&str> {
    let is_plain =
        |text: &&str| text.len() == 55 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    context.meta.get_traceparent().filter(is_plain)
}

/// Refuses what the new era has no more; rmcp answers some of it all the same.
pub(super) fn removed(context: &RequestContext<RoleServer>, method: &str) -> Result<(), ErrorData> {
    if is_modern(&context.meta) {
        return Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, method.to_owned(), None));
    }
    Ok(())
}

/// Refuses the place in a list that nobody was given: every list is one page.
pub(super) fn from_the_start(request: Option<&PaginatedRequestParams>) -> Result<(), ErrorData> {
    match request.and_then(|request| request.cursor.as_ref()) {
        None => Ok(()),
        Some(_) => Err(ErrorData::invalid_params("no list here has a cursor: leave it out", None)),
    }
}
