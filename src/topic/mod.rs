//! Topic names and topic filters (section 4.7 of both specifications): validation, shared
//! subscriptions and matching. Knows nothing of packets.

mod filter;
mod name;
mod share;

pub(crate) use filter::check_filter;
pub use filter::{Levels, TopicFilter};
pub use name::TopicName;
pub(crate) use name::check_name;
pub use share::SharedFilter;
