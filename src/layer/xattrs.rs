//! Extended attributes.

use std::collections::BTreeMap;
use std::collections::btree_map::Iter;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

type XattrMap = BTreeMap<String, Vec<u8>>;

/// Extended attributes by full name. Hundreds of thousands of files have none, for which this is one word of memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "XattrMap", into = "XattrMap")]
pub struct Xattrs(Option<Arc<XattrMap>>);

impl Xattrs {
    /// None.
    pub const NONE: Self = Self(None);

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Sets one.
    pub fn insert(&mut self, name: String, value: Vec<u8>) {
        Arc::make_mut(self.0.get_or_insert_default()).insert(name, value);
    }

    /// Names and values, in the order of the names.
    pub fn iter(&self) -> Iter<'_, String, Vec<u8>> {
        static EMPTY: XattrMap = XattrMap::new();
        self.0.as_deref().unwrap_or(&EMPTY).iter()
    }
}

impl From<XattrMap> for Xattrs {
    fn from(map: XattrMap) -> Self {
        Self((!map.is_empty()).then(|| Arc::new(map)))
    }
}

impl From<Xattrs> for XattrMap {
    fn from(xattrs: Xattrs) -> Self {
        xattrs.0.map_or_else(XattrMap::new, Arc::unwrap_or_clone)
    }
}

impl<'a> IntoIterator for &'a Xattrs {
    type Item = (&'a String, &'a Vec<u8>);
    type IntoIter = Iter<'a, String, Vec<u8>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_written_as_a_map_and_equal_by_their_content() {
        let mut own = Xattrs::NONE;
        assert!(own.is_empty() && own == Xattrs::from(XattrMap::new()));
        own.insert("user.b".to_owned(), vec![2]);
        own.insert("user.a".to_owned(), vec![1]);
        let text = serde_json::to_string(&own).expect("written");
        assert_eq!(text, r#"{"user.a":[1],"user.b":[2]}"#);
        assert_eq!(serde_json::from_str::<Xattrs>(&text).expect("read"), own);
        assert!(serde_json::from_str::<Xattrs>("{}").expect("read").is_empty());
        let names: Vec<&str> = own.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["user.a", "user.b"]);
    }
}
