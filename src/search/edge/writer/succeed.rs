//! The writer's part in a succession: a complete successor becomes the live generation.

use std::fs;

use super::{Writer, retire};
use crate::search::{
    StoreError, check_writer,
    edge::{
        fault::Fault,
        folder::{Description, Folder},
        generation::Generation,
        journal,
        slot::Live,
        succession,
    },
};

impl Writer {
    /// Puts a complete successor in the place of the collection, if there is one.
    pub(in crate::search::edge) fn succeed(&mut self) -> Result<(), StoreError> {
        let Some(folder) = &self.folder else {
            let created = fs::create_dir_all(&self.path);
            created.map_err(|error| Fault::io("creating the folder", error).at(&self.place))?;
            return self.attach().map(drop);
        };
        let moved = self.moved_in(folder).map_err(|fault| fault.at(&self.place))?;
        let Some(live) = moved else { return Ok(()) };
        let path = live.generation.path().to_owned();
        self.in_doubt = live.generation.is_half_optimized();
        let old = self.slot.replace(Some(live));
        // Only now: whoever made it takes this for the sign that it is found.
        succession::end(folder, &path);
        old.into_iter().for_each(retire);
        folder.sweep(Some(&path));
        (self.unfinished, self.numbered, self.log_patience) = (false, false, 0);
        tracing::info!(place = self.place, "a new collection has taken over");
        Ok(())
    }

    /// The same, if both are of the same passage side: whoever asks here could not use another.
    pub(in crate::search::edge) fn succeed_if_alike(&mut self) {
        let done = self.successor_is_alike().map_err(|fault| fault.at(&self.place));
        match done.and_then(|alike| if alike { self.succeed() } else { Ok(()) }) {
            Ok(()) => {}
            Err(error) => tracing::warn!(place = self.place, %error, "the successor cannot take over"),
        }
    }

    fn successor_is_alike(&mut self) -> Result<bool, Fault> {
        let (Some(live), Some(identity)) = (self.slot.live(), succession::identity(&self.path)?) else {
            return Ok(false);
        };
        let alike = check_writer(&live.identity, &identity, &self.place);
        if let Err(error) = &alike
            && self.said_to_wait.as_ref() != Some(&identity)
        {
            tracing::warn!(place = self.place, %error, "a new collection waits; it takes over at the next start");
            self.said_to_wait = Some(identity);
        }
        Ok(alike.is_ok())
    }

    /// The generation of a complete successor, moved into this folder and the live one from now on.
    pub(super) fn moved_in(&self, folder: &Folder) -> Result<Option<Live>, Fault> {
        let Some((Description { identity, quantization, .. }, path)) = succession::move_in(folder)? else {
            return Ok(None);
        };
        let generation = Generation::load(&path, self.shape(&identity, quantization))?;
        // A write that is unfinished was one to the old generation, and was not acknowledged.
        journal::end(&self.path);
        // From here on it is served, whether or not the folder's names are on disk: nothing is acknowledged before.
        folder.make_current(generation.path())?;
        Ok(Some(Live { identity, generation }))
    }
}
