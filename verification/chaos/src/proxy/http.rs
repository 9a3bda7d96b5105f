//! As much of HTTP/1.1 as the SDK and the local AWS speak with each other: one request and one answer a connection, bodies with
//! a length. The bytes are passed on as they came, the Host among them, since signatures are over it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Far more than any answer here takes.
const LIMIT: Duration = Duration::from_mins(1);
/// More headers than any request here has.
const MOST_HEADERS: usize = 64;

/// A request as it came.
#[derive(Debug, Clone)]
pub(super) struct Request {
    /// Line, headers and body.
    bytes: Vec<u8>,
    /// Where the body begins.
    head: usize,
}

impl Request {
    /// Reads one; nothing when the connection was closed before there was any.
    pub(super) async fn read(stream: &mut TcpStream) -> io::Result<Option<Self>> {
        let mut bytes = Vec::with_capacity(4096);
        loop {
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(None);
            }
            if let Some((head, length)) = extent(&bytes)? {
                let missing = (head + length).saturating_sub(bytes.len());
                if missing > 0 {
                    let from = bytes.len();
                    bytes.resize(from + missing, 0);
                    stream.read_exact(&mut bytes[from..]).await?;
                }
                return Ok(Some(Self { bytes, head }));
            }
        }
    }

    /// One of our own.
    pub(super) fn new(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Self {
        let length = body.len().to_string();
        let own = [("host", "local-aws"), ("content-length", &length)];
        let lines = own.iter().chain(headers).map(|(name, value)| format!("{name}: {value}\r\n"));
        let head = format!("{method} {path} HTTP/1.1\r\n{}\r\n", lines.collect::<String>());
        Self { head: head.len(), bytes: (head + body).into_bytes() }
    }

    /// The header's value, empty where there is none.
    pub(super) fn header(&self, name: &str) -> &str {
        let lines = std::str::from_utf8(&self.bytes[..self.head]).unwrap_or_default().split("\r\n");
        let mut values = lines.filter_map(|line| line.split_once(':'));
        values.find(|(found, _)| found.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value.trim())
    }

    pub(super) fn body(&self) -> &str {
        std::str::from_utf8(&self.bytes[self.head..]).unwrap_or_default()
    }

    /// Sends it to `to`, and answers with all that comes back.
    pub(super) async fn send(&self, to: SocketAddr) -> io::Result<Vec<u8>> {
        let exchange = async {
            let mut stream = TcpStream::connect(to).await?;
            stream.set_nodelay(true)?;
            // The answer then ends with the connection, whatever its own framing is.
            let line = self.bytes.windows(2).position(|two| two == b"\r\n").map_or(0, |end| end + 2);
            let mut bytes = self.bytes[..line].to_vec();
            bytes.extend_from_slice(b"connection: close\r\n");
            bytes.extend_from_slice(&self.bytes[line..]);
            stream.write_all(&bytes).await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await?;
            Ok(answer)
        };
        tokio::time::timeout(LIMIT, exchange).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }
}

/// An answer of our own, after which the connection ends.
pub(super) fn answer(status: u16, kind: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} Fault\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
        .into_bytes()
}

/// The status of an answer, and its body.
pub(super) fn parts(answer: &[u8]) -> (u16, String) {
    let text = String::from_utf8_lossy(answer);
    let status = text.split_whitespace().nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status, body.to_owned())
}

/// Where the body begins, and its length; nothing while the headers are not whole.
fn extent(bytes: &[u8]) -> io::Result<Option<(usize, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let parsed = request.parse(bytes).map_err(io::Error::other)?;
    let httparse::Status::Complete(head) = parsed else { return Ok(None) };
    let length = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok());
    Ok(Some((head, length.unwrap_or_default())))
}
