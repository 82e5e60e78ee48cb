//! The guide: why the crate is as it is. There is no code here.
//!
//! | page | for whom |
//! | --- | --- |
//! | [`architecture`] | who wants to change the crate, or to know exactly what the layers promise |
//! | [`threats`] | who reviews it before it guards something |
//! | [`defaults`] | who operates it, and asks "how long, how many, and why" |
//! | [`backstage`] | who has a Backstage on the other side |
//! | [`threat_rows`] | who wants to know of one threat how it is met, and which test shows it |
//! | [`backstage_rows`] | who wants to know of one route, token, resolver or key of Backstage's what becomes of it here |

pub mod architecture {
    #![doc = include_str!("architecture.md")]
}

pub mod threats {
    #![doc = include_str!("threats.md")]
}

pub mod threat_rows {
    #![doc = include_str!("threat_rows.md")]
}

pub mod defaults {
    #![doc = include_str!("defaults.md")]
}

pub mod backstage {
    #![doc = include_str!("backstage.md")]
}

pub mod backstage_rows {
    #![doc = include_str!("backstage_rows.md")]
}
