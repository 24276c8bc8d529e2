//! Connections that fail, each told by why, without a word of the URL; and connections that are protected.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{CANARY, project, run, superuser};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls");
const NOT_VERIFIED: &str = "nobody has verified";

#[test]
fn what_is_no_url_is_refused_and_not_shown() {
    for (url, words) in [
        (CANARY.to_owned(), "does not begin with `postgresql://`"),
        (format!("https://{CANARY}.supabase.co"), "does not begin with `postgresql://`"),
        (format!("postgresql://u:12/{CANARY}@h/db"), "it is not"),
        (format!("postgresql://u:{CANARY}@db.invalid/db?sslmode=disable"), "sslmode=disable would send"),
        (format!("postgresql://u:{CANARY}@db.invalid/db?sslmode=verify-full"), "sslrootcert"),
        (
            format!("postgresql://u:{CANARY}@db.invalid/db?sslmode=verify-full&sslrootcert=/no/file"),
            "/no/file",
        ),
    ] {
        run(&url, &[], "").refused(&[words]);
        run("", &["--json"], &format!("{url}\n")).refused(&[words]);
    }
    run(&format!("postgresql://{CANARY} @h"), &[], "").refused(&["SUPABASE_DB_URL"]);
    run("", &[], "\n").refused(&["SUPABASE_DB_URL is not set", "on stdin"]);
    run("", &["--simulate"], "postgresql://u@127.0.0.1/db").refused(&["simulation"]);
}

#[test]
fn a_server_that_is_not_there_or_says_nothing_is_told_in_time() {
    let url = |place: &str| format!("postgresql://postgres:{CANARY}@{place}/postgres");
    run(&url("127.0.0.1:9"), &[], "").refused(&["no connection to 127.0.0.1, port 9", "Connection refused"]);
    run(&url("db.project.invalid"), &[], "").refused(&["no connection to db.project.invalid, port 5432"]);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let began = Instant::now();
    run(&url(&silent.local_addr().unwrap().to_string()), &[], "").refused(&["no answer within 10 s"]);
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

#[test]
fn a_wrong_password_and_a_user_who_may_not_are_told() {
    let Some(stack) = project() else { return };
    let rules = superuser(&stack, "show hba_file");
    superuser(
        &stack,
        &format!(
            "create role guest login password '{CANARY}:p@ss/w%rd#?';
            copy (select unnest(array['host all guest all scram-sha-256', 'host all all all trust',
                'host replication all all trust'])) to '{rules}';
            select pg_reload_conf()"
        ),
    );
    let place = stack.db_url().split_once('@').unwrap().1;
    let as_guest = |password: &str| run(&format!("postgresql://guest{password}@{place}"), &[], "");
    let refused = [format!(":{CANARY}:wrong"), format!(":{CANARY}%3Ap%40ss%2Fw%25rd%23"), String::new()];
    for password in &refused {
        let began = Instant::now();
        let mut ended = as_guest(password);
        // The server reads its rules again soon after it is told to.
        while !ended.stderr.contains("does not take the password")
            && began.elapsed() < Duration::from_secs(10)
        {
            ended = as_guest(password);
        }
        ended.refused(&["does not take the password", if password.is_empty() { "none" } else { "28P01" }]);
    }
    // The password is right, also where only what must be is encoded; what the user may not do is told by the file.
    for password in ["%3Ap%40ss%2Fw%25rd%23%3F", ":p@ss%2Fw%rd%23%3F"] {
        as_guest(&format!(":{CANARY}{password}")).refused(&[
            "0001_requests_and_cache.sql",
            "42501",
            "as the owner of the project",
        ]);
    }
}

/// Speaks TLS in front of a PostgreSQL that does not.
struct TlsServer {
    port: u16,
    handshakes: Arc<AtomicUsize>,
    _runtime: tokio::runtime::Runtime,
}

impl TlsServer {
    fn before(place: &str) -> Self {
        let certificates = vec![CertificateDer::from_pem_file(format!("{FIXTURES}/server.pem")).unwrap()];
        let key = PrivateKeyDer::from_pem_file(format!("{FIXTURES}/server.key")).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let handshakes = Arc::new(AtomicUsize::new(0));
        let (counter, place) = (Arc::clone(&handshakes), place.to_owned());
        runtime.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 8];
                stream.read_exact(&mut request).await.unwrap();
                // SSLRequest: its length, and a number that is no version.
                assert_eq!(request, [0, 0, 0, 8, 4, 210, 22, 47]);
                stream.write_all(b"S").await.unwrap();
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                counter.fetch_add(1, Ordering::SeqCst);
                let mut server = TcpStream::connect(&place).await.unwrap();
                let _ = copy_bidirectional(&mut stream, &mut server).await;
            }
        });
        Self { port, handshakes, _runtime: runtime }
    }
}

#[test]
fn a_connection_is_encrypted_and_the_server_verified_as_the_url_says() {
    let Some(stack) = project() else { return };
    let (user, place) = stack.db_url().split_once('@').unwrap();
    let (place, database) = place.split_once('/').unwrap();
    let server = TlsServer::before(place);
    let through = |host: &str, query: &str| {
        run(&format!("{user}:{CANARY}@{host}:{}/{database}{query}", server.port), &["--dry-run"], "")
    };
    let verified = |authority: &str| format!("?sslmode=verify-full&sslrootcert={FIXTURES}/{authority}");

    let unverified = through("localhost", "?sslmode=require");
    assert_eq!(
        (unverified.code, unverified.stderr.contains(NOT_VERIFIED)),
        (0, true),
        "{}",
        unverified.stderr
    );
    assert!(unverified.stderr.contains("sslmode=verify-full&sslrootcert=PATH"), "{}", unverified.stderr);
    for query in [verified("authority.pem"), format!("?sslrootcert={FIXTURES}/authority.pem"), String::new()]
    {
        let ended = through("localhost", &query);
        assert_eq!(
            (ended.code, ended.stderr.contains(NOT_VERIFIED)),
            (0, false),
            "{query}: {}",
            ended.stderr
        );
    }
    assert_eq!(server.handshakes.load(Ordering::SeqCst), 4);
    through("localhost", &verified("stranger.pem")).refused(&["not the server", "UnknownIssuer"]);
    through("127.0.0.1", &verified("authority.pem")).refused(&["not the server", "NotValidForName"]);
    through("localhost", &verified("server.key")).refused(&["server.key", "no certificate"]);
    // A server that speaks no TLS gets nothing where it is asked for.
    let plain = format!("{}?sslmode=require", stack.db_url());
    run(&plain, &[], "").refused(&["does not support TLS"]);
    let ended = run(stack.db_url(), &[], "");
    assert_eq!((ended.code, ended.stderr.contains(NOT_VERIFIED)), (0, false), "{}", ended.stderr);
}
