//! The walk of a request against a scripted API server that keeps every byte it was sent.

#![expect(clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on says so at once")]
#![expect(unreachable_pub, reason = "the support module is shared by the files of one test")]

mod audit;
mod floods;
mod framing;
mod identity;
mod live;
mod paths;
mod support;
mod upgrades;
