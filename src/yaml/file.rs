//! Reading text files, within bounds.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use zeroize::Zeroizing;

/// Larger files are refused: configuration is written by hand, and all of it is held in memory.
pub(super) const MAX_BYTES: u64 = 8 * 1024 * 1024;

/// Reads a text file of at most [`MAX_BYTES`]; otherwise says in half a sentence why not.
pub(crate) fn read_text(path: &Path) -> Result<Zeroizing<String>, String> {
    let file = File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(too_large());
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(error) => {
            let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
            Err(format!("is not UTF-8 text (line {line})"))
        }
    }
}

/// Why a text is refused that is larger than [`MAX_BYTES`].
pub(super) fn too_large() -> String {
    format!("is larger than {} MiB", MAX_BYTES >> 20)
}
