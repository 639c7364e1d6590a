//! A port of the loopback interface that stays ours while nobody listens on it, so that a
//! destination can go down and come up again without another test taking its place.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::os::fd::OwnedFd;

use rustix::net::{
    AddressFamily, SocketFlags, SocketType, bind, getsockname, listen, socket_with, sockopt,
};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 128;

/// A bound socket that does not listen: a connect to it is refused.
pub struct Port {
    socket: OwnedFd,
    address: SocketAddr,
}

impl Port {
    /// Any free port.
    pub fn free() -> std::io::Result<Self> {
        Self::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0).into())
    }

    /// This one, also while connections of its last listener are closing.
    pub fn bind(address: SocketAddr) -> std::io::Result<Self> {
        // An agent that a test starts must not inherit it: it would keep the port listening.
        let flags = SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        sockopt::set_socket_reuseaddr(&socket, true)?;
        bind(&socket, &address)?;
        let address = SocketAddr::try_from(getsockname(&socket)?)?;
        Ok(Self { socket, address })
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on connects are taken.
    pub fn listen(self) -> std::io::Result<TcpListener> {
        listen(&self.socket, BACKLOG)?;
        Ok(self.socket.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    #[test]
    fn a_held_port_refuses_and_a_listening_one_takes() {
        let port = Port::free().unwrap();
        let address = port.address();
        assert!(TcpStream::connect(address).is_err());
        let listener = port.listen().unwrap();
        let _stream = TcpStream::connect(address).unwrap();
        assert_eq!(listener.local_addr().unwrap(), address);
    }
}
