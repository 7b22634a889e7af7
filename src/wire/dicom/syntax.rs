//! Transfer syntaxes: how each encodes a data set, and which of them an association may use.

use super::error::DicomError;
use super::precheck::{DataSet, walk};
use crate::domain::limits::DICOM_INFLATED_BYTES_MAX;
use flate2::{Decompress, FlushDecompress, Status};
use std::borrow::Cow;

/// How the elements of a data set are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// No value representations; little endian.
    ImplicitLittle,
    /// Value representations; little endian. Every compressed syntax uses it.
    ExplicitLittle,
    /// Value representations; big endian. Retired, and still in archives.
    ExplicitBig,
}

/// The whole form of a data set: how its elements are written, and whether all of it is deflated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// How elements are written.
    pub encoding: Encoding,
    /// Whether the data set is one deflate stream.
    pub deflated: bool,
}

/// Gives the form of a transfer syntax.
///
/// Every standard syntax but those named here is explicit little endian around compressed frames, and so is every
/// private one known; a private syntax of another form fails the pre-scan instead of passing for something else.
///
/// # Errors
/// [`DicomError::Syntax`] for what is no UID, and for the XML syntaxes and GE's private big endian one.
///
/// Source: DICOM PS3.5, A.1 to A.8.
pub fn form(transfer_syntax: &str) -> Result<Form, DicomError> {
    let (encoding, deflated) = match transfer_syntax.trim_end_matches(['\0', ' ']) {
        IMPLICIT_LITTLE => (Encoding::ImplicitLittle, false),
        EXPLICIT_BIG => (Encoding::ExplicitBig, false),
        "1.2.840.10008.1.2.1.99" | "1.2.840.10008.1.2.4.95" | "1.2.840.10008.1.2.4.205" => {
            (Encoding::ExplicitLittle, true)
        }
        "1.2.840.10008.1.2.6.1" | "1.2.840.10008.1.2.6.2" | "1.2.840.113619.5.2" => return Err(DicomError::Syntax),
        other if super::Uid::parse(other).is_some() => (Encoding::ExplicitLittle, false),
        _ => return Err(DicomError::Syntax),
    };
    Ok(Form { encoding, deflated })
}

/// Says whether an association may use the transfer syntax: all that is stored is bytes, so every standard syntax
/// whose structure can be checked will do, with codecs this house cannot decode.
pub fn is_storable(transfer_syntax: &str) -> bool {
    transfer_syntax.starts_with("1.2.840.10008.1.2") && form(transfer_syntax).is_ok()
}

/// Gives the elements of a data set as bytes, inflated if the syntax asks for it.
///
/// # Errors
/// [`DicomError`] when the stream is damaged, cut or too large.
///
/// Source: DICOM PS3.5, A.5.
pub fn inflate(data_set: &[u8], form: Form) -> Result<Cow<'_, [u8]>, DicomError> {
    if !form.deflated {
        return Ok(Cow::Borrowed(data_set));
    }
    let (mut inflater, mut plain) = (Decompress::new(false), Vec::new());
    loop {
        let (read, written) = (inflater.total_in(), plain.len());
        let rest = usize::try_from(read).ok().and_then(|read| data_set.get(read..)).unwrap_or_default();
        plain.reserve(INFLATE_BYTES);
        let status = inflater.decompress_vec(rest, &mut plain, FlushDecompress::None);
        if plain.len() > DICOM_INFLATED_BYTES_MAX {
            return Err(DicomError::Inflated);
        }
        match status {
            Ok(Status::StreamEnd) => return Ok(Cow::Owned(plain)),
            // A stream that ends without saying so was cut.
            Ok(_) if inflater.total_in() > read || plain.len() > written => {}
            Ok(_) | Err(_) => return Err(DicomError::Deflate),
        }
    }
}

/// Walks a data set that is inflated already.
///
/// # Errors
/// [`DicomError`] when it is damaged or truncated.
pub fn walk_as(plain: &[u8], form: Form) -> Result<DataSet<'_>, DicomError> {
    match walk(plain, form.encoding) {
        // Some writers compress pixels, name the syntax for it, and leave the elements without representations.
        Err(DicomError::Representation { offset: 0 }) => walk(plain, Encoding::ImplicitLittle),
        walked => walked,
    }
}

/// Implicit VR Little Endian, which every DICOM application must accept.
pub const IMPLICIT_LITTLE: &str = "1.2.840.10008.1.2";
/// Explicit VR Little Endian.
pub const EXPLICIT_LITTLE: &str = "1.2.840.10008.1.2.1";
/// Explicit VR Big Endian, retired in 2006.
pub const EXPLICIT_BIG: &str = "1.2.840.10008.1.2.2";

/// Bytes inflated at a time.
const INFLATE_BYTES: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn codecs_that_nobody_here_decodes_are_still_stored() {
        let jpeg_xl = "1.2.840.10008.1.2.4.110";
        let hevc = "1.2.840.10008.1.2.4.107";
        let high_throughput = "1.2.840.10008.1.2.4.201";
        for uid in [jpeg_xl, hevc, high_throughput, EXPLICIT_BIG, "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.5"] {
            assert!(is_storable(uid), "{uid}");
        }
        assert!(!is_storable("1.2.840.10008.1.2.6.1") && !is_storable("1.2.840.113619.5.2"));
    }

    #[test]
    fn a_deflate_bomb_stops_at_the_cap() {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        let zeros = vec![0u8; 1 << 20];
        for _ in 0..=(DICOM_INFLATED_BYTES_MAX >> 20) {
            encoder.write_all(&zeros).unwrap();
        }
        let bomb = encoder.finish().unwrap();
        let form = form("1.2.840.10008.1.2.1.99").unwrap();
        assert_eq!(inflate(&bomb, form), Err(DicomError::Inflated));
    }
}
