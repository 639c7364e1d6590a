//! A gRPC client over a Unix socket, as little as the tests of the container runtime interface
//! need: one unary call a connection, no TLS, no compression, small messages.
//!
//! HTTP/2 by RFC 9113 (prior knowledge), HPACK by RFC 7541, gRPC by its "gRPC over HTTP/2".
//! Not here: what the calls mean (`cri`).

mod call;
mod frame;
mod header;
mod huffman;
mod message;

pub(crate) use call::{Error, call};
pub(crate) use message::{Message, Value, fields};
