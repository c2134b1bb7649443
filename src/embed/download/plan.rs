//! What is wanted of a repository, and from its listing, which files to fetch and what the folder's manifest says.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    HubError, Present, Pulled,
    listing::{Hash, Listing, Stated, is_commit},
};
use crate::embed::{
    CatalogueEntry, Precision, Source, Traits,
    catalogue::{catalogued, names_like},
    manifest::{Manifest, is_inside},
    model::{SETTINGS, TOKENIZER},
};

/// A model that is wanted of a hub.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub(super) name: String,
    pub(super) repository: String,
    pub(super) revision: String,
    pub(super) precision: Precision,
    entry: Option<&'static CatalogueEntry>,
    file: Option<String>,
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

    /// The ONNX file to fetch and its precision: the one that was named, the catalogue's, or one with a usual name.
    fn onnx(&self, listing: &Listing) -> Result<(Precision, String), HubError> {
        let choices = self.precision.choices();
        if let Some(file) = &self.file {
            return Ok((choices[0], file.clone()));
        }
        // Where int8 is wanted and there is none, fp32 is what an int8 file can be made of.
        let mut choices = choices.iter().copied().chain((self.precision == Precision::Int8).then_some(Precision::Fp32));
        let of_choice = |choice: Precision| match self.entry {
            Some(entry) => entry.file(choice).map(str::to_owned),
            None => choice.files().into_iter().find(|file| listing.files.contains_key(*file)).map(str::to_owned),
        };
        let found = choices.find_map(|choice| Some((choice, of_choice(choice)?)));
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

/// Which files to fetch, and what the manifest will say.
#[derive(Debug)]
pub(super) struct Plan {
    pub precision: Precision,
    /// The files to fetch or to take over, with what the hub states of each.
    pub files: BTreeMap<String, Stated>,
    /// Files of the present folder that were made of what is fetched again, with their hashes.
    pub kept: BTreeMap<String, String>,
    pub commit: String,
    onnx: BTreeMap<Precision, String>,
    wanted: Wanted,
    weights: Option<String>,
    present: Option<Present>,
}

impl Plan {
    pub(super) fn make(wanted: &Wanted, listing: &Listing, present: Option<Present>) -> Result<Self, HubError> {
        let (precision, file) = wanted.onnx(listing)?;
        let mut onnx = BTreeMap::from([(precision, file.clone())]);
        let mut kept = BTreeMap::new();
        if let Some(same) = present.as_ref().filter(|present| present.is_of(&listing.commit)) {
            onnx.extend(
                same.manifest.onnx.iter().filter(|(other, _)| **other != precision).map(|(p, f)| (*p, f.clone())),
            );
            let made = same.manifest.files.iter().filter(|(file, _)| !listing.files.contains_key(*file));
            kept.extend(made.map(|(file, hash)| (file.clone(), hash.clone())));
        }
        let settings = SETTINGS.into_iter().filter(|file| listing.files.contains_key(*file)).map(str::to_owned);
        let names = settings.chain([TOKENIZER.to_owned()]).chain(onnx.values().cloned());
        let files = names.map(|file| Ok((file.clone(), stated(listing, &wanted.repository, file)?)));
        let files = files.collect::<Result<BTreeMap<_, _>, HubError>>()?;
        wanted.check_pin(&file, &files)?;
        let weights = weights(wanted, listing, &file);
        let commit = listing.commit.clone();
        Ok(Self { precision, files, kept, commit, onnx, wanted: wanted.clone(), weights, present })
    }

    pub(super) fn repository(&self) -> &str {
        &self.wanted.repository
    }

    /// What is to be said if everything is here already, and intact.
    pub(super) fn nothing_to_do(&self, target: &Path) -> Option<Pulled> {
        let present = self.present.as_ref().filter(|present| present.is_of(&self.commit))?;
        let here = self.files.keys().all(|file| present.manifest.files.contains_key(file));
        let source = present.manifest.source.clone()?;
        let pulled = Pulled { folder: PathBuf::from(target), source, precision: self.precision, is_new: false };
        (here && present.verification.is_intact()).then_some(pulled)
    }

    /// Writes the manifest into the finished folder.
    pub(super) fn finish(
        &self,
        work: &Path,
        target: &Path,
        hub: &str,
        hashes: BTreeMap<String, String>,
    ) -> Result<Source, HubError> {
        let Wanted { repository, name, entry, .. } = &self.wanted;
        let source = Source { hub: hub.to_owned(), repository: repository.clone(), commit: self.commit.clone() };
        let onnx_hash = || hashes.get(&self.onnx[&self.precision]).cloned().unwrap_or_default();
        let manifest = Manifest {
            name: name.clone(),
            weights: self.weights.clone().unwrap_or_else(onnx_hash),
            source: Some(source.clone()),
            onnx: self.onnx.clone(),
            model: entry.map_or_else(Traits::default, CatalogueEntry::traits),
            files: hashes,
        };
        manifest.write(work).map_err(|error| HubError::write(target, &error))?;
        Ok(source)
    }
}

impl Present {
    fn is_of(&self, commit: &str) -> bool {
        self.manifest.source.as_ref().is_some_and(|source| source.commit == commit)
    }
}

impl Wanted {
    /// Refuses a file of which the hub states another hash than the user.
    fn check_pin(&self, file: &str, files: &BTreeMap<String, Stated>) -> Result<(), HubError> {
        let (Some(pin), Some(stated)) = (&self.sha256, files.get(file)) else { return Ok(()) };
        let problem = match &stated.hash {
            Hash::Sha256(hash) if hash.eq_ignore_ascii_case(pin) => return Ok(()),
            Hash::Sha256(hash) => format!("its SHA-256 is pinned to {pin}, and the hub states {hash}"),
            Hash::GitBlob(_) => "its SHA-256 is pinned, and the hub states none for it".to_owned(),
        };
        Err(HubError::File { file: file.to_owned(), problem })
    }
}

fn stated(listing: &Listing, repository: &str, file: String) -> Result<Stated, HubError> {
    listing.files.get(&file).cloned().ok_or_else(|| {
        let problem = format!("the repository has no {file} at commit {}", listing.commit);
        HubError::Wanted { what: repository.to_owned(), problem }
    })
}

/// The hash of the weights as published, whichever precision is fetched: that of the repository's fp32 file.
fn weights(wanted: &Wanted, listing: &Listing, file: &str) -> Option<String> {
    let of_entry = wanted.entry.and_then(|entry| entry.file(Precision::Fp32));
    let usual = Precision::Fp32.files().into_iter().find(|file| listing.files.contains_key(*file));
    let fp32 = if wanted.file.is_some() { None } else { of_entry.or(usual) };
    match &listing.files.get(fp32.unwrap_or(file))?.hash {
        Hash::Sha256(hash) => Some(hash.clone()),
        Hash::GitBlob(_) => None,
    }
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
