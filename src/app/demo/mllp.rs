//! A laboratory system's end of MLLP, as small as it can be: one message a connection, and its acknowledgement.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::app::demo::step::StepError;

/// Sends a message and gives the code of its acknowledgement, MSA-1.
///
/// # Errors
/// [`StepError::Io`] when the connection breaks before the answer.
///
/// Source: HL7 Transport Specification, MLLP, Release 1.
pub async fn send(address: SocketAddr, message: &[u8]) -> Result<String, StepError> {
    let failed = |source| StepError::Io { what: "MLLP", source };
    let mut stream = TcpStream::connect(address).await.map_err(failed)?;
    let frame = [b"\x0b", message, b"\x1c\r"].concat();
    stream.write_all(&frame).await.map_err(failed)?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\x1c\r") {
        if stream.read_buf(&mut answer).await.map_err(failed)? == 0 {
            return Err(StepError::unexpected("the acknowledgement", "a whole frame", "the end of the connection"));
        }
    }
    let text = String::from_utf8_lossy(&answer);
    let code = text.split('\r').find_map(|segment| segment.strip_prefix("MSA|")?.split('|').next());
    code.map(str::to_owned).ok_or_else(|| StepError::unexpected("the acknowledgement", "MSA", "no MSA"))
}
