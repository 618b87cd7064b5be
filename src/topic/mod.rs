//! Topic names and topic filters (section 4.7 of both specifications): validation, shared
//! subscriptions, matching, and trees that hold many of them. Knows nothing of packets.

mod filter;
mod filter_tree;
mod name;
mod node;
mod radix;
mod shape;
mod share;
mod topic_tree;

pub(crate) use filter::check_filter;
pub use filter::{Levels, TopicFilter};
pub use filter_tree::{FilterTree, Matches};
pub use name::TopicName;
pub(crate) use name::check_name;
pub use share::SharedFilter;
pub use topic_tree::TopicTree;
