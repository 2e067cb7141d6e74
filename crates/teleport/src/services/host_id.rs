//! The id of the auth service in this data directory: made once, stands in its audit records.

use std::path::Path;

use anyhow::{Context as _, Result};
use teleport_runtime::atomic_file;
use teleport_types::ServiceId;

/// Reads the id, or makes it at the first start.
///
/// # Errors
/// When the file is damaged or cannot be written.
pub(super) fn load(data_dir: &Path) -> Result<ServiceId> {
    let file = data_dir.join("host_uuid");
    match std::fs::read_to_string(&file) {
        Ok(text) => ServiceId::parse(text.trim())
            .with_context(|| format!("{} is damaged; restore it from a backup", file.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let id = ServiceId::random();
            atomic_file::write(&file, format!("{id}\n").as_bytes(), 0o600)
                .with_context(|| format!("cannot write {}", file.display()))?;
            Ok(id)
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}
