//! One connection to a database, and what the server says beside its answers.

use std::future::poll_fn;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_postgres::error::Severity;
use tokio_postgres::{AsyncMessage, Client, Connection};

use super::protection::Protection;
use super::{DatabaseUrl, MigrationError};

/// How long it may take until the server has let us in.
pub(super) const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// How long a silent server is taken to be at work, before it is asked whether it is there.
const SILENCE: Duration = Duration::from_secs(30);

/// A client, and what must be polled for it to be answered; that ends with the connection.
pub(super) struct Connected {
    pub(super) client: Client,
    pub(super) messages: BoxFuture<'static, ()>,
}

/// Connects as the URL says.
pub(super) async fn open(url: &DatabaseUrl) -> Result<Connected, MigrationError> {
    let connector = url.protection.connector()?;
    if url.protection == Protection::Unverified {
        tracing::warn!(
            "the connection is encrypted, but nobody has verified that the server is {}; hint: download the project's \
             certificate (Database Settings, SSL) and add `?sslmode=verify-full&sslrootcert=PATH` to the URL",
            url.place()
        );
    }
    let mut config = url.config.clone();
    config.keepalives_idle(SILENCE).keepalives_interval(SILENCE / 3).keepalives_retries(3);
    let connected = timeout(CONNECT_PATIENCE, config.connect(connector)).await;
    let late = |_| {
        let problem = format!("no answer within {} s", CONNECT_PATIENCE.as_secs());
        MigrationError::Unreachable { place: url.place(), problem }
    };
    let (client, connection) =
        connected.map_err(late)?.map_err(|error| MigrationError::connecting(&url.place(), &error))?;
    Ok(Connected { client, messages: listen(connection).boxed() })
}

/// Carries answers to the client until the connection ends, and passes the server's warnings on.
async fn listen<S, T>(mut connection: Connection<S, T>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
        let AsyncMessage::Notice(notice) = message else { continue };
        if notice.parsed_severity() == Some(Severity::Warning) {
            let hint = notice.hint().map_or_else(String::new, |hint| format!("; hint: {hint}"));
            tracing::warn!("{}{hint}", notice.message());
        }
    }
}
