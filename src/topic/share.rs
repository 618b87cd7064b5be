use core::str;

use super::TopicFilter;
use crate::text::{InvalidText, InvalidTextKind};

/// The prefix of a shared subscription.
const PREFIX: &[u8] = b"$share/";

/// A shared subscription, `$share/{share name}/{filter}` (section 4.8.2 of 5.0).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct SharedFilter<'a> {
    /// The name of the group among whose members messages are shared.
    pub share_name: &'a str,
    /// The filter that is matched against topic names, the `$` rule included.
    pub filter: TopicFilter<&'a [u8]>,
}

impl<'a> SharedFilter<'a> {
    /// Splits a valid filter; `None` if it does not start with `$share/`.
    pub(crate) fn split(filter: &'a [u8]) -> Result<Option<Self>, InvalidText> {
        let Some(rest) = filter.strip_prefix(PREFIX) else {
            return Ok(None);
        };
        let end = rest.iter().position(|&byte| byte == b'/');
        let (name, inner) = rest.split_at(end.unwrap_or(rest.len()));
        let fail = |kind, at| Err(InvalidText::new(kind, PREFIX.len() + at));
        if name.is_empty() {
            return fail(InvalidTextKind::EmptyShareName, 0);
        }
        if let Some(at) = name.iter().position(|byte| matches!(byte, b'+' | b'#')) {
            return fail(InvalidTextKind::WildcardInShareName, at);
        }
        let (Some((_, inner @ [_, ..])), Ok(share_name)) =
            (inner.split_first(), str::from_utf8(name))
        else {
            return fail(InvalidTextKind::MissingShareFilter, rest.len());
        };
        // What follows a `/` of a valid filter is a valid filter.
        let filter = TopicFilter(inner);
        Ok(Some(Self { share_name, filter }))
    }
}

impl<B: AsRef<[u8]>> TopicFilter<B> {
    /// Returns whether the filter begins with `$share/`, as every shared subscription of MQTT 5.0
    /// does (section 4.8.2). [`shared`](Self::shared) also checks what follows.
    pub fn is_shared(&self) -> bool {
        self.as_bytes().starts_with(PREFIX)
    }

    /// Returns the share name and the inner filter, if this starts with `$share/`, as MQTT 5.0
    /// reads it (section 4.8.2).
    ///
    /// # Errors
    ///
    /// If there is no share name, it holds a wildcard, or no filter follows.
    pub fn shared(&self) -> Result<Option<SharedFilter<'_>>, InvalidText> {
        SharedFilter::split(self.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topic::TopicName;

    #[test]
    fn splits_and_rejects() {
        use InvalidTextKind::*;
        #[rustfmt::skip]
        let cases = [
            ("$share/g/f",      Ok(Some(("g", "f")))),
            ("$share/g//f",     Ok(Some(("g", "/f")))),
            ("$share/g/#",      Ok(Some(("g", "#")))),
            ("$share/g/$SYS/#", Ok(Some(("g", "$SYS/#")))),
            ("$share/g//",      Ok(Some(("g", "/")))),
            ("$share/é/+/a",    Ok(Some(("é", "+/a")))),
            ("$share",          Ok(None)),
            ("$shareX/f",       Ok(None)),
            ("$SHARE/g/f",      Ok(None)),
            ("/$share/g/f",     Ok(None)),
            ("$share/",         Err((EmptyShareName, 7))),
            ("$share//f",       Err((EmptyShareName, 7))),
            ("$share/g",        Err((MissingShareFilter, 8))),
            ("$share/g/",       Err((MissingShareFilter, 9))),
            ("$share/+/f",      Err((WildcardInShareName, 7))),
            ("$share/#",        Err((WildcardInShareName, 7))),
        ];
        for (filter, expected) in cases {
            let filter = TopicFilter::new(filter).unwrap();
            let shared = filter.shared();
            assert_eq!(filter.is_shared(), shared != Ok(None), "{filter}");
            match expected {
                Ok(parts) => {
                    let shared = shared.unwrap();
                    let shared = shared.map(|shared| (shared.share_name, shared.filter));
                    let expected = parts.map(|(n, f)| (n, TopicFilter::new(f).unwrap()));
                    assert_eq!(shared, expected, "{filter}");
                }
                Err((kind, offset)) => {
                    assert_eq!(shared, Err(InvalidText { kind, offset }), "{filter}");
                }
            }
        }
    }

    #[test]
    fn dollar_rule_holds_inside_a_share() {
        let filter = TopicFilter::new("$share/g/#").unwrap();
        let inner = filter.shared().unwrap().unwrap().filter;
        assert!(!inner.matches(&TopicName::new("$SYS/x").unwrap()));
        assert!(inner.matches(&TopicName::new("x").unwrap()));
    }
}
