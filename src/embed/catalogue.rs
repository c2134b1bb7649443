//! The models that are known by name: a table of facts, `config/models.toml`, compiled in. It says where a model's files
//! are and how its vectors come about; which commit and which hashes is the hub's to say.

use std::{fmt::Write as _, sync::LazyLock};

use serde::Deserialize;

use super::{Int8Kernel, Pooling, Precision};

/// A model that is known by name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CatalogueEntry {
    /// The model's name.
    pub name: String,
    /// The repository on the hub: `owner/name`.
    pub repository: String,
    /// The languages that it was trained on, in words.
    pub languages: String,
    /// The fp32 file in the repository, if it has one that can be used.
    pub fp32: Option<String>,
    /// The int8 files in the repository.
    #[serde(default)]
    pub int8: Int8Files,
    /// The dimension of the vectors.
    pub dimension: usize,
    /// How token vectors become one vector.
    pub pooling: Pooling,
    /// Whether vectors are scaled to length 1.
    pub normalise: bool,
    /// What is put before a question; `None`: not known.
    pub query_prefix: Option<String>,
    /// What is put before a passage; `None`: not known.
    pub passage_prefix: Option<String>,
    /// How many tokens are read; `None`: not known.
    pub max_tokens: Option<usize>,
    /// The weights' licence, as SPDX writes it; `None`: not known.
    pub licence: Option<String>,
    /// Where these facts were read.
    pub sources: Vec<String>,
    /// Whether this program ran the real thing.
    pub tested: bool,
    /// What else to know.
    pub note: Option<String>,
}

/// The int8 files of a repository, by the kind of CPU that each is made for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Int8Files {
    /// For any CPU.
    pub any: Option<String>,
    /// For AVX2 without VNNI.
    pub avx2: Option<String>,
    /// For VNNI.
    pub vnni: Option<String>,
    /// For ARM's dot product.
    pub dot_product: Option<String>,
}

impl Int8Files {
    /// The file for a kind of CPU.
    fn file(&self, kernel: Int8Kernel) -> Option<&str> {
        let made_for = match kernel {
            // What is made for AVX2 gives the same vectors elsewhere.
            Int8Kernel::None | Int8Kernel::Avx2 => self.avx2.as_deref(),
            Int8Kernel::Vnni => self.vnni.as_deref().or(self.avx2.as_deref()),
            Int8Kernel::DotProduct => self.dot_product.as_deref(),
        };
        made_for.or(self.any.as_deref())
    }

    fn has_any(&self) -> bool {
        *self != Self::default()
    }
}

impl CatalogueEntry {
    /// The file that holds a precision, for the CPU at hand.
    #[must_use]
    pub fn file(&self, precision: Precision) -> Option<&str> {
        self.file_for(precision, Int8Kernel::detect())
    }

    fn file_for(&self, precision: Precision, kernel: Int8Kernel) -> Option<&str> {
        match precision {
            Precision::Fp32 => self.fp32.as_deref(),
            Precision::Int8 => self.int8.file(kernel),
            Precision::Auto => precision.choices().iter().find_map(|choice| self.file_for(*choice, kernel)),
        }
    }

    /// What the folder's manifest is told of the model.
    #[cfg(feature = "hub")]
    pub(super) fn traits(&self) -> super::Traits {
        super::Traits {
            dimension: Some(self.dimension),
            pooling: Some(self.pooling),
            normalise: Some(self.normalise),
            query_prefix: self.query_prefix.clone(),
            passage_prefix: self.passage_prefix.clone(),
            max_tokens: self.max_tokens,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    model: Vec<CatalogueEntry>,
}

static CATALOGUE: LazyLock<Result<Vec<CatalogueEntry>, String>> = LazyLock::new(|| {
    let table: Result<Table, _> = toml::from_str(include_str!("../../config/models.toml"));
    table.map(|table| table.model).map_err(|error| error.to_string())
});

/// All models that are known by name. A test sees to it that the table is sound; one that is not would be empty here.
#[must_use]
pub fn catalogue() -> &'static [CatalogueEntry] {
    CATALOGUE.as_deref().unwrap_or_default()
}

/// The entry with this name or repository, in any case of its letters.
#[must_use]
pub fn catalogued(name: &str) -> Option<&'static CatalogueEntry> {
    let same = |known: &str| known.eq_ignore_ascii_case(name);
    catalogue().iter().find(|entry| same(&entry.name) || same(&entry.repository))
}

/// The catalogue as a table in Markdown, as it stands in `docs/models.md`.
#[must_use]
pub fn catalogue_table() -> String {
    let mut table = "| model | repository | languages | dimension | tokens | pooling | before a question / a passage | fp32 \
                     | int8 | licence | tested against the real thing |\n|---|---|---|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for entry in catalogue() {
        let unknown = || "unknown".to_owned();
        let code = |text: &String| if text.is_empty() { "–".to_owned() } else { format!("`{text}`") };
        let prefixes = match (&entry.query_prefix, &entry.passage_prefix) {
            (Some(query), Some(passage)) if query.is_empty() && passage.is_empty() => "–".to_owned(),
            (Some(query), Some(passage)) => format!("{} / {}", code(query), code(passage)),
            _ => unknown(),
        };
        let pooling = format!("{:?}{}", entry.pooling, if entry.normalise { ", length 1" } else { "" }).to_lowercase();
        let offered = |is: bool| if is { "yes" } else { "no" };
        let tested = match (entry.tested, &entry.note) {
            (true, Some(note)) => format!("yes: {note}"),
            (false, Some(note)) => format!("no; {note}"),
            (tested, None) => offered(tested).to_owned(),
        };
        // Writing to a text cannot fail.
        let _ = writeln!(
            table,
            "| {} | {} | {} | {} | {} | {pooling} | {prefixes} | {} | {} | {} | {tested} |",
            entry.name,
            entry.repository,
            entry.languages,
            entry.dimension,
            entry.max_tokens.map_or_else(unknown, |tokens| tokens.to_string()),
            offered(entry.fp32.is_some()),
            offered(entry.int8.has_any()),
            entry.licence.clone().unwrap_or_else(unknown),
        );
    }
    table
}

/// Names that are like the one that is not known, for the error message.
#[cfg(feature = "hub")]
pub(super) fn names_like(name: &str) -> Vec<&'static str> {
    let parts =
        |name: &str| -> Vec<String> { name.to_lowercase().split(['-', '_', '/', '.']).map(str::to_owned).collect() };
    let wanted = parts(name);
    let shared = |entry: &CatalogueEntry| parts(&entry.name).iter().filter(|part| wanted.contains(part)).count();
    let mut like: Vec<_> = catalogue().iter().filter(|entry| shared(entry) > 0).collect();
    like.sort_by_key(|entry| std::cmp::Reverse(shared(entry)));
    like.into_iter().take(3).map(|entry| entry.name.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::manifest::is_inside;

    #[test]
    fn the_table_is_sound() {
        assert!(CATALOGUE.is_ok(), "{:?}", CATALOGUE.as_ref().err());
        assert!(catalogue().len() >= 30);
        for (index, entry) in catalogue().iter().enumerate() {
            let name = &entry.name;
            assert!(catalogue()[..index].iter().all(|other| other.name != *name), "{name} stands there twice");
            assert!(entry.fp32.is_some() || entry.int8.has_any(), "{name} has no file");
            let int8 = [&entry.int8.any, &entry.int8.avx2, &entry.int8.vnni, &entry.int8.dot_product];
            for file in int8.into_iter().chain([&entry.fp32]).flatten() {
                let is_onnx = std::path::Path::new(file).extension().is_some_and(|extension| extension == "onnx");
                assert!(is_inside(file) && is_onnx, "{name}: {file}");
            }
            assert_eq!(entry.repository.split('/').filter(|part| !part.is_empty()).count(), 2, "{name}");
            assert!(!entry.sources.is_empty(), "{name} says not where its facts are from");
            let known = ["fastembed", "fastembed-rs", "mteb", "hub", "arctic"];
            assert!(entry.sources.iter().all(|source| known.contains(&source.as_str())), "{name}: {:?}", entry.sources);
        }
    }

    #[test]
    fn only_what_was_tested_says_so() {
        let tested: Vec<_> = catalogue().iter().filter(|entry| entry.tested).map(|entry| &entry.name).collect();
        assert_eq!(tested, ["all-MiniLM-L6-v2"]);
    }

    #[test]
    fn the_documentation_has_the_same_table() {
        let page = include_str!("../../docs/models.md");
        assert!(
            page.contains(&catalogue_table()),
            "docs/models.md does not have the table of config/models.toml; `asktwice models list --markdown` prints it"
        );
    }

    #[test]
    fn a_file_is_chosen_for_the_cpu() {
        let entry = catalogued("all-minilm-l6-v2").unwrap();
        for (kernel, part) in [
            (Int8Kernel::None, "avx2"),
            (Int8Kernel::Avx2, "avx2"),
            (Int8Kernel::Vnni, "vnni"),
            (Int8Kernel::DotProduct, "arm64"),
        ] {
            assert!(entry.file_for(Precision::Int8, kernel).unwrap().contains(part), "{kernel}");
        }
        let e5 = catalogued("intfloat/multilingual-e5-large").unwrap();
        assert_eq!(e5.file_for(Precision::Int8, Int8Kernel::Avx2), None);
        assert_eq!(e5.file_for(Precision::Fp32, Int8Kernel::Avx2), None);
    }

    #[cfg(feature = "hub")]
    #[test]
    fn unknown_names_are_met_with_known_ones() {
        assert_eq!(names_like("bge-small-en-v1.6")[0], "bge-small-en-v1.5");
        assert_eq!(names_like("gpt"), Vec::<&str>::new());
    }
}
