//! Signed heads: what the log contained at a time, so that a cut end is told apart from a clean one.
//!
//! `heads.ndjson`: one line per signing, `{"signed":"<json>","signature":"<base64>"}`. The signed text is
//! `{"time":…,"prev":"<hash of the line before>","heads":[{"writer","seq","hash"},…]}`, only chains that moved. The key is
//! auth's; this crate never sees it.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use data_encoding::BASE64;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{AuditError, Hash, WriterId, json::Millis};

/// The last record of one chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The chain.
    pub writer: WriterId,
    /// The number of its last record.
    pub seq: u64,
    /// The hash of its last record.
    pub hash: Hash,
}

/// Heads at one time, as they were signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedHeads {
    /// The exact text that was signed.
    pub signed: String,
    /// The signature, in base64.
    pub signature: String,
}

/// What stands in the signed text.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Statement {
    #[serde(serialize_with = "Millis::plain")]
    pub(super) time: Timestamp,
    pub(super) prev: Hash,
    pub(super) heads: Vec<Head>,
}

impl SignedHeads {
    pub(super) fn statement(&self) -> Option<Statement> {
        serde_json::from_str(&self.signed).ok()
    }

    pub(super) fn signature(&self) -> Option<Vec<u8>> {
        BASE64.decode(self.signature.as_bytes()).ok()
    }
}

pub(super) fn path(dir: &Path) -> PathBuf {
    dir.join("heads.ndjson")
}

/// The file of signed heads, open for appending.
#[derive(Debug)]
pub(super) struct HeadFile {
    file: File,
    path: PathBuf,
    prev: Hash,
    signed: HashMap<WriterId, u64>,
}

impl HeadFile {
    pub(super) fn open(dir: &Path) -> Result<Self, AuditError> {
        let path = path(dir);
        let storage = |doing| AuditError::storage(doing, path.as_path());
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path).map_err(storage("open"))?;
        let content = std::fs::read(&path).map_err(storage("read"))?;
        let whole = content.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        // Only a crash leaves half a line.
        file.set_len(whole as u64).map_err(storage("repair"))?;
        let (mut prev, mut signed) = (Hash::NONE, HashMap::new());
        for line in
            content.get(..whole).unwrap_or_default().split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
        {
            prev = Hash::of(line);
            let statement = serde_json::from_slice::<SignedHeads>(line).ok().and_then(|heads| heads.statement());
            signed.extend(statement.into_iter().flat_map(|said| said.heads).map(|head| (head.writer, head.seq)));
        }
        Ok(Self { file, path, prev, signed })
    }

    /// Signs and appends the heads that moved.
    pub(super) fn append(
        &mut self,
        mut heads: Vec<Head>,
        time: Timestamp,
        sign: impl FnOnce(&[u8]) -> Vec<u8>,
    ) -> Result<Option<SignedHeads>, AuditError> {
        heads.retain(|head| self.signed.get(&head.writer) != Some(&head.seq));
        if heads.is_empty() {
            return Ok(None);
        }
        let moved: Vec<(WriterId, u64)> = heads.iter().map(|head| (head.writer, head.seq)).collect();
        let signed = serde_json::to_string(&Statement { time, prev: self.prev, heads }).expect("heads serialize");
        let signature = BASE64.encode(&sign(signed.as_bytes()));
        let signed = SignedHeads { signed, signature };
        let line = serde_json::to_string(&signed).expect("two texts serialize");
        let whole = self.file.metadata().map_err(AuditError::storage("read", self.path.as_path()))?.len();
        let written = self.file.write_all(format!("{line}\n").as_bytes()).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            let _ = self.file.set_len(whole);
            return Err(AuditError::storage("append to", self.path.as_path())(error));
        }
        self.prev = Hash::of(line.as_bytes());
        self.signed.extend(moved);
        Ok(Some(signed))
    }
}
