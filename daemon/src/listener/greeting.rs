//! What a connection starts with tells what it speaks.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf as _, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    time::timeout,
};

/// What every HTTP/2 connection starts with (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Go's answer to HTTP on a TLS port, which tells the operator what to mend.
const WRONG_PORT: &[u8] =
    b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";

/// How much of a misdirected request is read, and for how long, so that the answer arrives: closing
/// with bytes unread would reset the connection and discard it.
const DISCARDED: usize = 64 * 1024;
const PATIENCE: Duration = Duration::from_millis(500);

/// A stream whose first bytes were looked at, and are read once more.
#[derive(Debug)]
pub(super) struct Greeted<IO> {
    seen: BytesMut,
    io: IO,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Greeted<IO> {
    /// Waits for the first bytes of `io`; `None` if there are none.
    pub(super) async fn wait_for(mut io: IO) -> io::Result<Option<Self>> {
        let mut seen = BytesMut::with_capacity(PREFACE.len());
        let read = io.read_buf(&mut seen).await?;
        Ok((read > 0).then_some(Self { seen, io }))
    }

    /// Whether this is a plain HTTP request, where TLS was expected.
    pub(super) fn is_plain_http(&self) -> bool {
        self.seen.first().is_some_and(u8::is_ascii_uppercase)
    }

    /// Whether this starts as HTTP/2 does. Reads on as long as that is open.
    pub(super) async fn is_http2(&mut self) -> io::Result<bool> {
        while self.seen.len() < PREFACE.len() && PREFACE.starts_with(&self.seen) {
            if self.io.read_buf(&mut self.seen).await? == 0 {
                return Ok(false);
            }
        }
        Ok(self.seen.starts_with(PREFACE))
    }

    /// Tells a client that it should have used HTTPS.
    pub(super) async fn refuse_plain_http(mut self) -> io::Result<()> {
        self.io.write_all(WRONG_PORT).await?;
        self.io.shutdown().await?;
        let mut rest = self.io.take(DISCARDED as u64);
        let discard = async {
            let mut buffer = [0; 4096];
            while rest.read(&mut buffer).await? > 0 {}
            Ok(())
        };
        timeout(PATIENCE, discard).await.unwrap_or(Ok(()))
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Greeted<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.seen.is_empty() {
            return Pin::new(&mut self.io).poll_read(context, buffer);
        }
        let count = self.seen.len().min(buffer.remaining());
        buffer.put_slice(&self.seen[..count]);
        self.seen.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Greeted<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
