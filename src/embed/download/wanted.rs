//! What is wanted of a hub: a model by its name, its precision, and what is pinned of it.

use std::path::Path;

use super::{
    HubError,
    listing::{Listing, is_commit},
};
use crate::embed::{
    CatalogueEntry, Precision,
    catalogue::{catalogued, names_like},
    manifest::{Manifest, is_inside},
};

/// A model that is wanted of a hub.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub(super) name: String,
    pub(super) repository: String,
    pub(super) revision: String,
    precision: Precision,
    pub(super) entry: Option<&'static CatalogueEntry>,
    pub(super) file: Option<String>,
    sha256: Option<String>,
}

impl Wanted {
    /// The model with this name in the [catalogue](crate::embed::catalogue()), or with this repository, known or not.
    ///
    /// # Errors
    /// [`HubError::Wanted`] if it is neither.
    pub fn new(name: &str) -> Result<Self, HubError> {
        let refuse = |problem: String| HubError::Wanted { what: format!("{name:?}"), problem };
        let entry = catalogued(name);
        let repository = entry.map_or(name, |entry| entry.repository.as_str());
        if !repository.contains('/') {
            let like = names_like(name);
            let like = if like.is_empty() { String::new() } else { format!("; did you mean {}?", like.join(", ")) };
            let problem = format!("no model has this name (`asktwice models list` has them all){like}");
            return Err(refuse(problem));
        }
        if !is_repository(repository) {
            return Err(refuse("a repository is named OWNER/NAME, with letters, digits and - _ . only".to_owned()));
        }
        let last = repository.rsplit('/').next().unwrap_or(repository);
        Ok(Self {
            name: entry.map_or(last, |entry| entry.name.as_str()).to_owned(),
            repository: repository.to_owned(),
            revision: "main".to_owned(),
            precision: Precision::default(),
            entry,
            file: None,
            sha256: None,
        })
    }

    /// Pins the revision: a branch, a tag or, best, a commit.
    #[must_use]
    pub fn with_revision(mut self, revision: impl Into<String>) -> Self {
        self.revision = revision.into();
        self
    }

    /// Sets the precision: int8 unless set. A repository without int8 gives fp32.
    #[must_use]
    pub fn with_precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// Names the ONNX file in the repository, where neither the catalogue nor its name says which it is.
    ///
    /// # Errors
    /// [`HubError::Wanted`] if the path leads outside of the folder.
    pub fn with_file(mut self, file: &str) -> Result<Self, HubError> {
        if !is_inside(file) {
            let problem = "the path has to stay inside of the repository".to_owned();
            return Err(HubError::Wanted { what: format!("{file:?}"), problem });
        }
        self.file = Some(file.to_owned());
        Ok(self)
    }

    /// Pins the SHA-256 of the ONNX file, in hexadecimal.
    ///
    /// # Errors
    /// [`HubError::Wanted`] if it is none.
    pub fn with_sha256(mut self, hash: &str) -> Result<Self, HubError> {
        if hash.len() != 64 || !hash.chars().all(|c| c.is_ascii_hexdigit()) {
            let problem = "a SHA-256 has 64 hexadecimal digits".to_owned();
            return Err(HubError::Wanted { what: format!("{hash:?}"), problem });
        }
        self.sha256 = Some(hash.to_lowercase());
        Ok(self)
    }

    /// The model's name, by which its folder is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a commit is what is wanted; a branch or tag may be anything.
    pub(super) fn is_revision(&self, commit: &str) -> bool {
        !is_commit(&self.revision) || self.revision.eq_ignore_ascii_case(commit)
    }

    /// The precisions that will do, in order. Where int8 is wanted and there is none, fp32 is what an int8 file can be
    /// made of.
    fn choices(&self) -> impl Iterator<Item = Precision> + use<> {
        let fallback = (self.precision == Precision::Int8).then_some(Precision::Fp32);
        self.precision.choices().iter().copied().chain(fallback)
    }

    /// The ONNX file to fetch and its precision: the one that was named, the catalogue's, or one with a usual name.
    pub(super) fn onnx(&self, listing: &Listing) -> Result<(Precision, String), HubError> {
        let first = self.precision.choices()[0];
        if let Some(file) = &self.file {
            return Ok((first, file.clone()));
        }
        let of_choice = |choice: Precision| match self.entry {
            Some(entry) => entry.file(choice).map(str::to_owned),
            None => choice.files().into_iter().find(|file| listing.files.contains_key(*file)).map(str::to_owned),
        };
        let found = self.choices().find_map(|choice| Some((choice, of_choice(choice)?)));
        found.ok_or_else(|| {
            let is_onnx = |file: &&String| Path::new(file).extension().is_some_and(|extension| extension == "onnx");
            let onnx: Vec<_> = listing.files.keys().filter(is_onnx).take(8).cloned().collect();
            let problem = if onnx.is_empty() {
                "it has no ONNX file; `asktwice import-model` takes a BERT's safetensors".to_owned()
            } else {
                format!(
                    "it has no {} file with a usual name; name one with --file: {}",
                    self.precision,
                    onnx.join(", ")
                )
            };
            HubError::Wanted { what: self.repository.clone(), problem }
        })
    }

    /// The ONNX file that a folder was downloaded with, of those that are wanted.
    pub(super) fn downloaded(&self, manifest: &Manifest) -> Option<String> {
        match &self.file {
            Some(file) => manifest.onnx.values().find(|held| *held == file).cloned(),
            None => self.choices().find_map(|choice| manifest.onnx.get(&choice).cloned()),
        }
    }

    /// The precision that a folder will be used in; int8 also if it was made here of the fp32 file.
    pub(super) fn usable(&self, manifest: &Manifest) -> Option<Precision> {
        self.choices().find(|choice| manifest.onnx_file(*choice).is_some())
    }

    /// Refuses an ONNX file with another SHA-256 than the pinned one; `None` if nobody states one for it.
    pub(super) fn check_pin(&self, file: &str, sha256: Option<&str>) -> Result<(), HubError> {
        let problem = match (&self.sha256, sha256) {
            (None, _) => return Ok(()),
            (Some(pin), Some(hash)) if hash.eq_ignore_ascii_case(pin) => return Ok(()),
            (Some(pin), Some(hash)) => format!("its SHA-256 is pinned to {pin}, and this one has {hash}"),
            (Some(_), None) => "its SHA-256 is pinned, and the hub states none for it".to_owned(),
        };
        Err(HubError::File { file: file.to_owned(), problem })
    }
}

/// `owner/name`, as the hub allows it.
fn is_repository(name: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with(['-', '.'])
            && !part.contains("..")
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    name.len() <= 200 && name.split_once('/').is_some_and(|(owner, name)| part(owner) && part(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_and_names_are_told_from_paths_and_urls() {
        for name in ["BAAI/bge-small-en-v1.5", "a/b", "bge-small-en-v1.5", "ALL-minilm-l6-v2"] {
            assert!(Wanted::new(name).is_ok(), "{name}");
        }
        for name in
            ["a/../b", "../etc", "/a/b", "a/b/c", "https://host/a", "a/.b", "-a/b", "a/b?x", "a/b c", "a\\b/c", ""]
        {
            assert!(matches!(Wanted::new(name), Err(HubError::Wanted { .. })), "{name}");
        }
        let unknown = Wanted::new("bge-small").unwrap_err().to_string();
        assert!(unknown.contains("did you mean bge-small"), "{unknown}");
    }

    #[test]
    fn pins_are_checked_for_their_form() {
        let wanted = || Wanted::new("a/b").unwrap();
        assert!(wanted().with_sha256("abc").is_err());
        assert!(wanted().with_sha256(&"a".repeat(64)).is_ok());
        assert!(wanted().with_file("../model.onnx").is_err());
        assert!(wanted().is_revision("0".repeat(40).as_str()));
        assert!(!wanted().with_revision("1".repeat(40)).is_revision("0".repeat(40).as_str()));
    }
}
