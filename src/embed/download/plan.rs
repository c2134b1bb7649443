//! From what is wanted and what a repository holds: which files to fetch, and what the folder's manifest says.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    HubError, Present, Pulled, Wanted,
    listing::{Listing, Stated},
};
use crate::embed::{
    CatalogueEntry, Precision, Source, Traits,
    manifest::Manifest,
    model::{SETTINGS, TOKENIZER},
};

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
        wanted.check_pin(&file, files.get(&file).and_then(Stated::sha256))?;
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
        let precision = self.wanted.usable(&present.manifest).unwrap_or(self.precision);
        let pulled = Pulled { folder: PathBuf::from(target), source, precision, is_new: false, cached: 0 };
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
    listing.files.get(fp32.unwrap_or(file))?.sha256().map(str::to_owned)
}
