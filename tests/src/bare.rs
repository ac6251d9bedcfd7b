use std::io;
use std::net::{SocketAddr, TcpStream};

use smol::Async;
use smol::io::{AsyncReadExt, AsyncWriteExt};

/// The least that gets the value of one key over a socket of smol: a request that is written, a read,
/// and a look at where the reply ends. What a client's get is measured against.
#[derive(Debug)]
pub struct Bare {
    stream: Async<TcpStream>,
    request: Vec<u8>,
    buffer: Vec<u8>,
}

impl Bare {
    /// A connection that gets this key.
    ///
    /// # Errors
    ///
    /// Where it is refused.
    pub async fn connect(address: SocketAddr, key: &str) -> io::Result<Self> {
        let stream = Async::<TcpStream>::connect(address).await?;
        stream.get_ref().set_nodelay(true)?;
        let request = format!("get {key}\r\n").into_bytes();
        Ok(Bare { stream, request, buffer: vec![0; 16 << 10] })
    }

    /// The value; `None` where there is none.
    ///
    /// # Errors
    ///
    /// Those of the socket, and where the reply is none.
    pub async fn get(&mut self) -> io::Result<Option<&[u8]>> {
        self.stream.write_all(&self.request).await?;
        let mut len = 0;
        while !self.buffer[..len].ends_with(b"END\r\n") {
            len += match self.stream.read(&mut self.buffer[len..]).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                len => len,
            };
        }
        let reply = &self.buffer[..len];
        if reply == b"END\r\n" {
            return Ok(None);
        }
        let line = reply.iter().position(|&byte| byte == b'\n').unwrap_or(0);
        match reply.get(line + 1..len - b"\r\nEND\r\n".len()) {
            Some(value) => Ok(Some(value)),
            None => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}
