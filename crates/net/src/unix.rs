//! The local socket of `tctl`: permissions and the peer's user id protect it, so it speaks no TLS.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use teleport_runtime::atomic_file;
use tokio::net::UnixStream;

use crate::{Conn, Dialer, NetError, dial::BoxFuture, listen};

/// A listener on a socket file with mode 0600 in a folder with mode 0700. Dropping it removes the file.
#[derive(Debug)]
pub struct UnixListener {
    inner: tokio::net::UnixListener,
    path: PathBuf,
}

/// A connection from another process of this machine.
#[derive(Debug)]
pub struct LocalConn {
    /// The connection.
    pub conn: Conn,
    /// The user id of the process at the far end, as the kernel says.
    pub uid: u32,
}

impl UnixListener {
    /// Listens on `path`, making its folder when it is missing and replacing a socket nobody listens on any more.
    ///
    /// # Errors
    /// When another process listens there, or the file system refuses.
    pub async fn bind(path: &Path) -> Result<Self, NetError> {
        let failed = |source| NetError::Listen { addr: path.display().to_string(), source };
        prepare_folder(path).map_err(failed)?;
        if path.exists() {
            if UnixStream::connect(path).await.is_ok() {
                let message = "another process listens there";
                return Err(failed(io::Error::new(io::ErrorKind::AddrInUse, message)));
            }
            fs::remove_file(path).map_err(failed)?;
        }
        let inner = tokio::net::UnixListener::bind(path).map_err(failed)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        Ok(Self { inner, path: path.to_path_buf() })
    }

    /// Returns the path of the socket.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for the next connection; one whose user the kernel does not name is dropped. Cancel safe.
    pub async fn accept(&self) -> LocalConn {
        loop {
            match self.inner.accept().await {
                Ok((stream, _)) => match stream.peer_cred() {
                    Ok(cred) => return LocalConn { conn: Conn::new(stream, None), uid: cred.uid() },
                    Err(error) => tracing::debug!(%error, "the user of a local connection is not known"),
                },
                Err(error) => listen::pause_after(&error, &self.path).await,
            }
        }
    }
}

impl Drop for UnixListener {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Makes the folder private before the socket is in it, so that no one else can connect in between.
fn prepare_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path has no folder"))?;
    atomic_file::private_folder(folder)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
}

/// Dials a local socket.
#[derive(Clone, Debug)]
pub struct UnixDialer {
    path: PathBuf,
    deadline: Duration,
}

impl UnixDialer {
    /// Makes a dialer for the socket at `path` that gives up after `deadline`.
    pub fn new(path: impl Into<PathBuf>, deadline: Duration) -> Self {
        Self { path: path.into(), deadline }
    }
}

impl Dialer for UnixDialer {
    fn dial(&self) -> BoxFuture<'_, Result<Conn, NetError>> {
        Box::pin(async move {
            match tokio::time::timeout(self.deadline, UnixStream::connect(&self.path)).await {
                Ok(Ok(stream)) => Ok(Conn::new(stream, None)),
                Ok(Err(source)) => Err(NetError::Dial { addr: self.target(), source }),
                Err(_) => Err(NetError::Deadline { step: "connecting", limit: self.deadline }),
            }
        })
    }

    fn target(&self) -> String {
        self.path.display().to_string()
    }
}
