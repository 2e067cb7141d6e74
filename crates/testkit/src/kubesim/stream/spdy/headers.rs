//! Header blocks: names and values with lengths, through one zlib stream per direction that knows SPDY's dictionary.

use std::{io, sync::LazyLock};

use bytes::{Buf as _, BufMut as _, BytesMut};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

/// Longest block that is inflated, and the most headers it may have.
const MAX_BLOCK: usize = 64 * 1024;
const MAX_HEADERS: u32 = 128;

/// The words of the dictionary that come with their length before them.
const WORDS: &[&str] = &[
    "options",
    "head",
    "post",
    "put",
    "delete",
    "trace",
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "age",
    "allow",
    "authorization",
    "cache-control",
    "connection",
    "content-base",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-md5",
    "content-range",
    "content-type",
    "date",
    "etag",
    "expect",
    "expires",
    "from",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-modified",
    "location",
    "max-forwards",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "range",
    "referer",
    "retry-after",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "vary",
    "via",
    "warning",
    "www-authenticate",
    "method",
    "get",
    "status",
    "200 OK",
    "version",
    "HTTP/1.1",
    "url",
    "public",
    "set-cookie",
    "keep-alive",
    "origin",
];
/// The rest of the dictionary.
const TAIL: &str = "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505\
203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden\
404 Not Found500 Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept \
Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,\
application/xml,application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdch\
charset=utf-8charset=iso-8859-1,utf-,*,enq=0.";

/// The dictionary of SPDY/3, section 2.6.10.1.
static DICTIONARY: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut bytes = Vec::new();
    for word in WORDS {
        bytes.put_u32(u32::try_from(word.len()).unwrap_or(u32::MAX));
        bytes.put_slice(word.as_bytes());
    }
    bytes.put_slice(TAIL.as_bytes());
    bytes
});

/// Reads header blocks of one direction.
pub(super) struct Inflate {
    zlib: Decompress,
}

impl Inflate {
    /// Starts at the beginning of a session.
    pub(super) fn new() -> Self {
        Self { zlib: Decompress::new(true) }
    }

    /// Reads a block; names become lower case.
    pub(super) fn block(&mut self, block: &[u8]) -> io::Result<Vec<(String, String)>> {
        let plain = self.inflate(block)?;
        let mut rest = plain.as_slice();
        let count = rest.try_get_u32().map_err(|_| broken())?;
        if count > MAX_HEADERS {
            return Err(broken());
        }
        (0..count).map(|_| Ok((text(&mut rest)?.to_ascii_lowercase(), text(&mut rest)?))).collect()
    }

    fn inflate(&mut self, mut input: &[u8]) -> io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            let (before_in, before_out) = (self.zlib.total_in(), self.zlib.total_out());
            let result = self.zlib.decompress(input, &mut chunk, FlushDecompress::Sync);
            let consumed = usize::try_from(self.zlib.total_in() - before_in).unwrap_or(usize::MAX);
            let produced = usize::try_from(self.zlib.total_out() - before_out).unwrap_or(usize::MAX);
            input = input.get(consumed..).unwrap_or_default();
            plain.extend_from_slice(chunk.get(..produced).unwrap_or_default());
            if plain.len() > MAX_BLOCK {
                return Err(broken());
            }
            match result {
                Err(error) if error.needs_dictionary().is_some() => {
                    self.zlib.set_dictionary(&DICTIONARY).map_err(io::Error::other)?;
                }
                Err(error) => return Err(io::Error::other(error)),
                Ok(_) if produced < chunk.len() && (input.is_empty() || consumed == 0) => return Ok(plain),
                Ok(_) => {}
            }
        }
    }
}

/// Writes header blocks of one direction.
pub(super) struct Deflate {
    zlib: Compress,
    primed: bool,
}

impl Deflate {
    /// Starts at the beginning of a session.
    pub(super) fn new() -> Self {
        Self { zlib: Compress::new(Compression::fast(), true), primed: false }
    }

    /// Writes a block.
    pub(super) fn block(&mut self, headers: &[(String, String)]) -> io::Result<Vec<u8>> {
        let mut plain = BytesMut::new();
        plain.put_u32(u32::try_from(headers.len()).unwrap_or(u32::MAX));
        for (name, value) in headers {
            for part in [name, value] {
                plain.put_u32(u32::try_from(part.len()).unwrap_or(u32::MAX));
                plain.put_slice(part.as_bytes());
            }
        }
        if !self.primed {
            self.zlib.set_dictionary(&DICTIONARY).map_err(io::Error::other)?;
            self.primed = true;
        }
        // Room for the worst case, so that one call does it all.
        let mut block = Vec::with_capacity(plain.len() * 2 + 128);
        self.zlib.compress_vec(&plain, &mut block, FlushCompress::Sync).map_err(io::Error::other)?;
        Ok(block)
    }
}

fn text(rest: &mut &[u8]) -> io::Result<String> {
    let length = rest.try_get_u32().ok().and_then(|length| usize::try_from(length).ok()).ok_or_else(broken)?;
    let (text, tail) = rest.split_at_checked(length).ok_or_else(broken)?;
    *rest = tail;
    String::from_utf8(text.to_vec()).map_err(|_| broken())
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a header block is malformed or too large")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The checksum that zlib writes to name the dictionary.
    fn adler32(bytes: &[u8]) -> u32 {
        let (a, b) = bytes.iter().fold((1u32, 0u32), |(a, b), byte| {
            let a = (a + u32::from(*byte)) % 65_521;
            (a, (a + b) % 65_521)
        });
        b << 16 | a
    }

    #[test]
    fn the_dictionary_is_the_one_of_the_specification() {
        assert_eq!(adler32(&DICTIONARY), 0xe3c6_a7c2);
    }

    #[test]
    fn blocks_share_their_history() {
        let headers = vec![("streamtype".to_owned(), "stdin".to_owned())];
        let (mut deflate, mut inflate) = (Deflate::new(), Inflate::new());
        let first = deflate.block(&headers).unwrap();
        let second = deflate.block(&headers).unwrap();
        assert!(second.len() < first.len());
        assert_eq!(inflate.block(&first).unwrap(), headers);
        assert_eq!(inflate.block(&second).unwrap(), headers);
    }

    #[test]
    fn a_block_that_inflates_beyond_the_bound_is_refused() {
        let bomb = vec![("x".to_owned(), "a".repeat(10 << 20))];
        let block = Deflate::new().block(&bomb).unwrap();
        assert!(Inflate::new().block(&block).is_err());
    }

    #[test]
    fn counts_that_lie_are_refused() {
        let mut zlib = Compress::new(Compression::fast(), true);
        zlib.set_dictionary(&DICTIONARY).unwrap();
        let mut block = Vec::with_capacity(256);
        zlib.compress_vec(&[0xff; 12], &mut block, FlushCompress::Sync).unwrap();
        assert!(Inflate::new().block(&block).is_err());
    }
}
