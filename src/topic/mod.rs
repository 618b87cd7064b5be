//! Topic names and topic filters (section 4.7 of both specifications): validation, shared
//! subscriptions, matching, and trees that hold many of them. Knows nothing of packets.

mod cost;
mod filter;
mod filter_tree;
mod fit;
mod levels;
mod look_up;
mod matches;
mod name;
mod radix;
mod share;
mod side_by_side;
mod stored_key;
mod text_map;
mod topic_tree;
mod with_keys;

pub use filter::TopicFilter;
pub(crate) use filter::check_filter;
pub use filter_tree::FilterTree;
pub use levels::Levels;
pub use look_up::{LookUp, Position};
pub use matches::Matches;
pub use name::TopicName;
pub(crate) use name::check_name;
pub use share::SharedFilter;
pub use stored_key::StoredKey;
pub use text_map::{TextKey, TextMap};
pub use topic_tree::{Matching, TopicTree};
pub use with_keys::WithKeys;
