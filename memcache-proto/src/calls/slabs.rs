use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

/// Statistics by slab class, as a server gives them in lines like `items:5:number 3`
/// (protocol.txt, "Slab statistics" and "Item statistics").
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slabs {
    /// The statistics of each slab class by their names, `number` or `chunk_size` for instance. Their
    /// values are as the server wrote them: most are numbers.
    pub classes: BTreeMap<u32, BTreeMap<String, String>>,
    /// Those that are about all classes, `active_slabs` for instance.
    pub totals: BTreeMap<String, String>,
}

impl Slabs {
    /// Of the lines of `stats items`.
    pub(super) fn of_items(stats: Vec<(String, String)>) -> Self {
        Self::new(stats, |name| name.strip_prefix("items:"))
    }

    /// Of the lines of `stats slabs`.
    pub(super) fn of_slabs(stats: Vec<(String, String)>) -> Self {
        Self::new(stats, |name| Some(name))
    }

    fn new(stats: Vec<(String, String)>, class_of: fn(&str) -> Option<&str>) -> Self {
        let mut slabs = Slabs::default();
        for (name, value) in stats {
            let split = class_of(&name).and_then(|rest| rest.split_once(':'));
            match split.and_then(|(class, name)| Some((class.parse().ok()?, name))) {
                Some((class, name)) => {
                    slabs.classes.entry(class).or_default().insert(name.into(), value);
                }
                None => {
                    slabs.totals.insert(name, value);
                }
            }
        }
        slabs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(lines: &[(&str, &str)]) -> Vec<(String, String)> {
        lines.iter().map(|&(name, value)| (name.into(), value.into())).collect()
    }

    /// As memcached 1.6.18 writes them.
    #[test]
    fn lines_are_sorted_by_class() {
        let items = Slabs::of_items(stats(&[
            ("items:1:number", "2"),
            ("items:1:age", "0"),
            ("items:13:number", "1"),
        ]));
        assert_eq!(items.classes[&1]["number"], "2");
        assert_eq!(items.classes[&1]["age"], "0");
        assert_eq!(items.classes[&13]["number"], "1");
        assert!(items.totals.is_empty());

        let slabs = Slabs::of_slabs(stats(&[
            ("1:chunk_size", "96"),
            ("active_slabs", "1"),
            ("total_malloced", "1048576"),
            ("x:y", "z"),
        ]));
        assert_eq!(slabs.classes[&1]["chunk_size"], "96");
        assert_eq!(slabs.classes.len(), 1);
        assert_eq!(slabs.totals["active_slabs"], "1");
        assert_eq!(slabs.totals["x:y"], "z");
    }
}
