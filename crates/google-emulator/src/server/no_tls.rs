//! Stands where TLS would be when it is not built in: nothing of it can be made, so nothing of it can be used.

use std::{convert::Infallible, io, net::TcpStream};

use super::{StartError, Tls};

#[derive(Debug)]
pub(super) struct Identity(Infallible);

impl Identity {
    pub(super) fn open(_: &Tls, _: &str) -> Result<Self, StartError> {
        Err(StartError::NoTls)
    }

    pub(super) fn stranger() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn certificate(&self) -> &str {
        match self.0 {}
    }

    pub(super) fn session(&self) -> io::Result<Session> {
        match self.0 {}
    }
}

pub(super) struct Session(Infallible);

impl Session {
    pub(super) fn read(&mut self, _: &TcpStream, _: &mut [u8]) -> io::Result<usize> {
        match self.0 {}
    }

    pub(super) fn write_all(&mut self, _: &TcpStream, _: &[u8]) -> io::Result<()> {
        match self.0 {}
    }

    pub(super) fn close(&mut self, _: &TcpStream) {
        match self.0 {}
    }
}
