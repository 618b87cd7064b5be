//! A topic filter, a tab and a topic name.

use mqtt_sansio::topic::{TopicFilter, TopicName};

/// What `--topics` says of a line.
pub(crate) fn verdict(line: &[u8]) -> &'static str {
    let mut fields = line.splitn(2, |&byte| byte == b'\t');
    let mut field = || fields.next().unwrap_or_default();
    let (filter, name) = (field(), field());
    let Ok(filter) = TopicFilter::try_from(filter) else {
        return "invalid-filter";
    };
    let inner = match filter.shared() {
        Ok(shared) => shared.map_or(filter, |shared| shared.filter),
        Err(_) => return "invalid-filter",
    };
    match TopicName::try_from(name) {
        Ok(name) if inner.matches(&name) => "match",
        Ok(_) => "no",
        Err(_) => "invalid-topic",
    }
}
