//! What is known of a parameter besides its value: names, kind, default, meaning.

/// A parameter.
#[derive(Debug, PartialEq, Eq)]
pub struct Definition {
    /// Its name here; the first of its names in JSON, unless it has none there.
    pub name: &'static str,
    /// Its names in the JSON file, the stronger first.
    pub json: &'static [&'static str],
    /// Environment variables, the stronger first.
    pub environment: &'static [&'static str],
    /// The flag of the command line.
    pub flag: Option<&'static str>,
    /// The kind and unit of its values.
    pub kind: &'static str,
    /// Its default as text.
    pub default: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

/// The file of the others, which is no parameter itself.
pub(super) const CONFIG: Definition = Definition {
    name: "config",
    json: &[],
    environment: &["ALIYUN_LOGTAIL_CONFIG", "LOONG_CONFIG"],
    flag: None,
    kind: "path",
    default: "none",
    meaning: "the JSON file of these parameters",
};
