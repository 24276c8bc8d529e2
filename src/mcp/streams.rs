//! Prepares a `subscriptions/listen` before rmcp acknowledges it.
//!
//! rmcp sends the acknowledgement and only then calls the handler. A write in between would be in what the handler
//! reads first, and the client would never hear of it. So what is compared later is read before, and a stream
//! that cannot be had is refused without being acknowledged. Everything else is passed on as it is.

use std::borrow::Cow;

use rmcp::model::{ClientNotification, ClientRequest, ProtocolVersion, ServerConfig, ServerResult};
use rmcp::service::{NotificationContext, RequestContext};
use rmcp::{ErrorData, RoleServer, Service};

use super::server::Server;

/// The server, with its streams prepared.
pub(super) struct Streams(pub(super) Server);

impl Service<RoleServer> for Streams {
    async fn handle_request(
        &self,
        request: ClientRequest,
        mut context: RequestContext<RoleServer>,
    ) -> Result<ServerResult, ErrorData> {
        let listening = match &request {
            ClientRequest::SubscriptionsListenRequest(request) => {
                let uris = request.params.notifications.resource_subscriptions.iter().flatten();
                Some(self.0.subscriptions.join(uris, self.0.pipeline()).await?)
            }
            _ => None,
        };
        if let Some(listening) = &listening {
            context.extensions.insert(listening.told());
        }
        // Boxed, because the futures of all methods together are large.
        Box::pin(self.0.handle_request(request, context)).await
    }

    async fn handle_notification(
        &self,
        notification: ClientNotification,
        context: NotificationContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.0.handle_notification(notification, context).await
    }

    fn get_info(&self) -> ServerConfig {
        Service::get_info(&self.0)
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Service::supported_protocol_versions(&self.0)
    }
}
