//! Introduces the services of this process to one another. The only place that knows them all.
use crate::config::Config;
use anyhow::Result;
/// Runs.
pub async fn run(_config: Config) -> Result<()> {
    Ok(())
}
