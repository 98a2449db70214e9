//! Frame Streams: frames with a length in front, control frames behind a length of zero, and the
//! handshake of the side that sends. In a file there is none: a start, data, and a stop.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// What the frames hold.
pub(super) const CONTENT_TYPE: &[u8] = b"protobuf:dnstap.Dnstap";
/// Octets of a control frame, its length not included.
const MAX_CONTROL: u32 = 512;
/// The field of a control frame that names what data frames hold.
const FIELD_CONTENT_TYPE: u32 = 1;

/// Types of control frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Control {
    Accept = 1,
    Start = 2,
    Stop = 3,
    Ready = 4,
    Finish = 5,
}

impl Control {
    fn of(number: u32) -> Option<Self> {
        let all = [Self::Accept, Self::Start, Self::Stop, Self::Ready, Self::Finish];
        all.into_iter().find(|control| *control as u32 == number)
    }

    /// Whether it says what the frames hold.
    fn has_content_type(self) -> bool {
        matches!(self, Self::Accept | Self::Start | Self::Ready)
    }

    /// The whole frame.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut body = (self as u32).to_be_bytes().to_vec();
        if self.has_content_type() {
            body.extend_from_slice(&FIELD_CONTENT_TYPE.to_be_bytes());
            body.extend_from_slice(&length(CONTENT_TYPE).to_be_bytes());
            body.extend_from_slice(CONTENT_TYPE);
        }
        let mut frame = vec![0; 4];
        frame.extend_from_slice(&length(&body).to_be_bytes());
        frame.append(&mut body);
        frame
    }
}

fn length(octets: &[u8]) -> u32 {
    u32::try_from(octets.len()).unwrap_or(u32::MAX)
}

/// Says what is to come, and waits until the collector wants it.
pub(super) async fn greet(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<()> {
    stream.write_all(&Control::Ready.to_bytes()).await?;
    stream.flush().await?;
    expect(stream, Control::Accept).await?;
    stream.write_all(&Control::Start.to_bytes()).await?;
    stream.flush().await
}

/// Ends the stream, and waits until the collector has taken all of it.
pub(super) async fn part(
    reader: &mut (impl AsyncRead + Unpin),
    writer: &mut (impl AsyncWrite + Unpin),
) -> io::Result<()> {
    writer.write_all(&Control::Stop.to_bytes()).await?;
    writer.flush().await?;
    expect(reader, Control::Finish).await
}

/// Writes a record as a data frame.
pub(super) async fn write(stream: &mut (impl AsyncWrite + Unpin), record: &[u8]) -> io::Result<()> {
    stream.write_all(&length(record).to_be_bytes()).await?;
    stream.write_all(record).await
}

/// Appends a record as a data frame.
pub(super) fn append(out: &mut Vec<u8>, record: &[u8]) {
    out.extend_from_slice(&length(record).to_be_bytes());
    out.extend_from_slice(record);
}

/// Reads control frames until the expected one comes; any other is an error.
pub(super) async fn expect(
    stream: &mut (impl AsyncRead + Unpin),
    expected: Control,
) -> io::Result<()> {
    if stream.read_u32().await? != 0 {
        return Err(bad("a data frame where a control frame was expected"));
    }
    let size = stream.read_u32().await?;
    if !(4..=MAX_CONTROL).contains(&size) {
        return Err(bad("a control frame of impossible length"));
    }
    let mut body = vec![0; usize::try_from(size).unwrap_or(0)];
    stream.read_exact(&mut body).await?;
    let mut fields = Fields(&body);
    let control = fields.number().and_then(Control::of);
    if control != Some(expected) {
        return Err(bad("an unexpected control frame"));
    }
    let mut types = fields.content_types()?.into_iter().peekable();
    // Who names no type takes any.
    if expected.has_content_type()
        && types.peek().is_some()
        && !types.any(|known| known == CONTENT_TYPE)
    {
        return Err(bad("the collector does not take dnstap"));
    }
    Ok(())
}

/// The fields of a control frame, not read yet.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn content_types(mut self) -> io::Result<Vec<&'a [u8]>> {
        let mut types = Vec::new();
        while !self.0.is_empty() {
            let (field, size) = self.number().zip(self.number()).ok_or_else(cut_off)?;
            let value = self.take(size).ok_or_else(cut_off)?;
            if field == FIELD_CONTENT_TYPE {
                types.push(value);
            }
        }
        Ok(types)
    }

    fn number(&mut self) -> Option<u32> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*number))
    }

    fn take(&mut self, size: u32) -> Option<&'a [u8]> {
        let (value, rest) = self.0.split_at_checked(usize::try_from(size).ok()?)?;
        self.0 = rest;
        Some(value)
    }
}

fn cut_off() -> io::Error {
    bad("a control frame that is cut off")
}

fn bad(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}
