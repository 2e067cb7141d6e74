//! Watches of client libraries.

use super::super::case::{Case, ClientKind};

pub(super) const CASES: &[Case] = &[
    Case::own("watch", "a list, a watch from it, changes, an error", "PYTHONPATH=$CLIENT python3 watch.py\n")
        .of(ClientKind::Python),
    Case::own("informer", "an informer, changes, an error", "node informer.mjs\n").of(ClientKind::Node),
];
