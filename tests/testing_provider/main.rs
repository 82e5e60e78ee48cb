//! The testing provider over real sockets, as an app and a browser use it.
#![cfg(feature = "testing")]

mod bad_days;
mod client;
mod exchange;
mod github;
mod lies;
mod minting;
mod session;
mod sign_in;
