//! The contract of the three layers (section "The three layers and their contract" of the guide), driven by hand:
//! every stance of the two that judge, rule by rule and on both, and all orders in which the three can stand.
#![cfg(all(feature = "testing", feature = "sign-in"))]

mod bodies;
mod callback;
mod cells;
mod cookies;
mod credentials;
mod decisions;
mod drive;
mod judges;
#[path = "../support/log.rs"]
mod log;
mod orders;
#[path = "../support/portal.rs"]
mod portal;
mod readiness;
#[path = "../support/mod.rs"]
mod support;
