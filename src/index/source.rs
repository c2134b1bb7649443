//! Which files are read: from the paths that the caller named to a list of files, in a stable order.

use std::{
    collections::HashSet,
    fs, io,
    path::{Component, Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

use super::report::{IndexError, Problem, Problems};

/// A folder that holds this file is a BEIR collection: its other files are questions and judgements, not documents.
const BEIR_CORPUS: &str = "corpus.jsonl";

/// How a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// One JSON object per line, each a document.
    JsonLines,
    /// A Markdown document.
    Markdown,
    /// A plain text document.
    Text,
}

impl Format {
    /// The format that a file's extension names, whatever its case.
    fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "jsonl" | "ndjson" => Some(Self::JsonLines),
            "md" | "markdown" => Some(Self::Markdown),
            "txt" => Some(Self::Text),
            _ => None,
        }
    }
}

/// A file to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SourceFile {
    pub(super) path: PathBuf,
    /// Its path as the source was named, and on below it: a document's id. Files of one name below two sources are two
    /// documents.
    pub(super) name: String,
    pub(super) format: Format,
    /// How large it was when it was found.
    pub(super) bytes: u64,
}

/// The files found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) files: Vec<SourceFile>,
    pub(super) problems: Problems,
    /// How many files in folders are of no kind that is read.
    pub(super) ignored: u64,
    /// How often a file to read was found; overlapping sources find one more than once.
    seen: usize,
    /// The names so far: sources may overlap, and each file is read once.
    names: HashSet<String>,
}

/// Finds the files to read, each once: sources in the order given, the files of a folder in the order of their names. A
/// folder that was named and holds nothing to read is a problem: it may be a mount that is missing, and what was read
/// from it is then not gone.
///
/// # Errors
/// A source that cannot be read or is of no known kind; nothing found at all.
pub(super) fn find(sources: &[PathBuf]) -> Result<Found, IndexError> {
    let mut found = Found::default();
    let mut empty = vec![];
    for path in sources {
        let seen = found.seen;
        let unreadable = |source| IndexError::Source { path: path.clone(), source };
        let metadata = fs::metadata(path).map_err(unreadable)?;
        if metadata.is_dir() {
            // Opened once more than needed, so that a folder that cannot be read is an error where it was named.
            fs::read_dir(path).map_err(unreadable)?;
            match prefix(path) {
                Some(prefix) => found.folder(path, &prefix),
                None => found.problem(path, NOT_UTF8.to_owned()),
            }
            if found.seen == seen {
                empty.push(path);
            }
        } else {
            let unsupported = || IndexError::Unsupported { path: path.clone() };
            let format = Format::of(path).filter(|_| metadata.is_file()).ok_or_else(unsupported)?;
            match path.parent().map_or(Some(String::new()), prefix) {
                Some(prefix) => found.file(path.clone(), &prefix, format, metadata.len()),
                None => found.problem(path, NOT_UTF8.to_owned()),
            }
        }
    }
    if found.files.is_empty() && found.problems.count == 0 {
        return Err(IndexError::Empty { paths: sources.to_vec() });
    }
    for path in empty {
        found.problem(path, NO_FILES.to_owned());
    }
    Ok(found)
}

/// SHA-256 of what [`Indexer::run`](super::Indexer::run) would read: the content of the files and, except for the corpus of
/// a BEIR folder, whose documents name themselves, their names.
///
/// # Errors
/// As [`Indexer::run`](super::Indexer::run) for what cannot be read.
pub fn fingerprint(sources: &[PathBuf]) -> Result<String, IndexError> {
    let mut hash = Sha256::new();
    for SourceFile { path, name, .. } in find(sources)?.files {
        if path.file_name().is_none_or(|name| name != BEIR_CORPUS) {
            hash.update(name);
        }
        let read = fs::File::open(&path).and_then(|mut file| io::copy(&mut file, &mut hash));
        read.map_err(|source| IndexError::Source { path, source })?;
    }
    Ok(format!("{:x}", hash.finalize()))
}

/// A folder's path as ids begin with it: forward slashes on every system, one at its end, no `.` in it; the current
/// folder's is empty. `None` if it is not UTF-8.
fn prefix(folder: &Path) -> Option<String> {
    let mut prefix = String::new();
    for component in folder.components() {
        match component {
            Component::CurDir => {}
            Component::RootDir => prefix.push('/'),
            // `C:`, whose slash is a component of its own, or `\\server\share`.
            Component::Prefix(drive) => prefix.push_str(&drive.as_os_str().to_str()?.replace('\\', "/")),
            Component::ParentDir => prefix.push_str("../"),
            Component::Normal(name) => {
                prefix.push_str(name.to_str()?);
                prefix.push('/');
            }
        }
    }
    Some(prefix)
}

impl Found {
    /// Adds the files of a folder and, in turn, of its folders. Hidden ones are left out.
    fn folder(&mut self, folder: &Path, prefix: &str) {
        let corpus = folder.join(BEIR_CORPUS);
        if let Ok(metadata) = fs::metadata(&corpus)
            && metadata.is_file()
        {
            return self.file(corpus, prefix, Format::JsonLines, metadata.len());
        }
        let mut entries = match fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
            Ok(entries) => entries,
            Err(error) => return self.problem(folder, format!("the folder cannot be read: {error}")),
        };
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            if !entry.file_name().as_encoded_bytes().starts_with(b".") {
                self.entry(&entry, prefix);
            }
        }
    }

    fn entry(&mut self, entry: &fs::DirEntry, prefix: &str) {
        let path = entry.path();
        // The entry's own type does not follow links, the metadata does.
        let (kind, metadata) = match entry.file_type().and_then(|kind| Ok((kind, fs::metadata(&path)?))) {
            Ok(both) => both,
            Err(error) => return self.problem(&path, format!("cannot be read: {error}")),
        };
        if metadata.is_dir() && kind.is_symlink() {
            // Followed, a link to a folder above would never end.
            self.problem(&path, "is a link to a folder; name that folder as a source of its own".to_owned());
        } else if metadata.is_dir() {
            match entry.file_name().to_str() {
                Some(name) => self.folder(&path, &format!("{prefix}{name}/")),
                None => self.problem(&path, NOT_UTF8.to_owned()),
            }
        } else if let Some(format) = Format::of(&path).filter(|_| metadata.is_file()) {
            self.file(path, prefix, format, metadata.len());
        } else {
            self.ignored += 1;
        }
    }

    fn file(&mut self, path: PathBuf, prefix: &str, format: Format, bytes: u64) {
        match path.file_name().and_then(|name| name.to_str()) {
            Some(name) => {
                self.seen += 1;
                let name = format!("{prefix}{name}");
                if !self.names.insert(name.clone()) {
                    return;
                }
                self.files.push(SourceFile { path, name, format, bytes });
            }
            None => self.problem(&path, NOT_UTF8.to_owned()),
        }
    }

    fn problem(&mut self, path: &Path, what: String) {
        self.problems.add_unread(Problem { file: path.display().to_string(), line: None, what });
    }
}

const NO_FILES: &str = "holds no file that is read; see that it is mounted, or do not name it";
const NOT_UTF8: &str = "its name is not UTF-8, so that it cannot be an id; rename it";

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "text").unwrap();
        }
        folder
    }

    /// The names of the files found, without the temporary folder's own path before them.
    fn names<'a>(found: &'a Found, folder: &tempfile::TempDir) -> Vec<&'a str> {
        let own = format!("{}/", folder.path().display());
        found.files.iter().map(|file| file.name.strip_prefix(&own).unwrap()).collect()
    }

    #[test]
    fn names_begin_with_the_source_as_it_was_named() {
        for (named, begin) in [
            ("notes-2023", "notes-2023/"),
            ("./notes//2023/./", "notes/2023/"),
            (".", ""),
            ("./", ""),
            ("", ""),
            ("../notes", "../notes/"),
            ("/srv/notes", "/srv/notes/"),
            ("/", "/"),
        ] {
            assert_eq!(prefix(Path::new(named)).as_deref(), Some(begin), "{named}");
        }
    }

    #[test]
    fn sources_that_overlap_are_read_once() {
        let folder = folder(&["a/x.md", "a/y.md", "b/x.md"]);
        let source = |name: &str| folder.path().join(name);
        let found = find(&[source("a/x.md"), source("a"), source("./a/"), source("b")]).unwrap();
        assert_eq!(names(&found, &folder), ["a/x.md", "a/y.md", "b/x.md"]);
    }

    #[test]
    fn a_folder_is_read_in_sorted_order_without_hidden_files() {
        let folder = folder(&["b.md", "a/z.txt", "a/B.MD", ".git/x.md", ".hidden.md", "c.pdf", "d.ndjson"]);
        let found = find(&[folder.path().to_path_buf()]).unwrap();
        assert_eq!(names(&found, &folder), ["a/B.MD", "a/z.txt", "b.md", "d.ndjson"]);
        assert_eq!((found.ignored, found.problems.count), (1, 0));
    }

    #[test]
    fn of_a_beir_folder_only_the_corpus_is_read() {
        let folder = folder(&["x/corpus.jsonl", "x/queries.jsonl", "x/rewrites/a.jsonl", "y.txt"]);
        assert_eq!(names(&find(&[folder.path().join("x")]).unwrap(), &folder), ["x/corpus.jsonl"]);
        assert_eq!(names(&find(&[folder.path().to_path_buf()]).unwrap(), &folder), ["x/corpus.jsonl", "y.txt"]);
    }

    #[test]
    fn what_was_named_and_cannot_be_read_is_an_error() {
        let folder = folder(&["a.pdf"]);
        let error = |path: &str| find(&[folder.path().join(path)]).unwrap_err();
        assert!(matches!(error("a.pdf"), IndexError::Unsupported { .. }));
        assert!(matches!(error("none.md"), IndexError::Source { .. }));
        assert!(matches!(error(""), IndexError::Empty { .. }));
        assert!(matches!(find(&[]).unwrap_err(), IndexError::Empty { .. }));
    }

    #[test]
    fn a_folder_that_was_named_and_holds_nothing_to_read_is_a_problem() {
        let folder = folder(&["full/a.md", "other/a.pdf"]);
        let source = |name: &str| folder.path().join(name);
        let found = find(&[source("full"), source("other"), source("./full")]).unwrap();
        assert_eq!(names(&found, &folder), ["full/a.md"]);
        let problem = &found.problems.first[0];
        assert_eq!((found.problems.unread, problem.what.as_str()), (1, NO_FILES));
        assert_eq!(problem.file, source("other").display().to_string());
        // A folder of the sources may have become empty.
        assert_eq!(find(&[folder.path().to_path_buf()]).unwrap().problems.count, 0);
    }

    #[cfg(unix)]
    #[test]
    fn links_to_folders_do_not_loop_and_links_to_nothing_are_named() {
        let folder = folder(&["a.md"]);
        std::os::unix::fs::symlink(folder.path(), folder.path().join("loop")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("gone"), folder.path().join("broken.md")).unwrap();
        let found = find(&[folder.path().to_path_buf()]).unwrap();
        assert_eq!(names(&found, &folder), ["a.md"]);
        let files: Vec<_> = found.problems.first.iter().map(|p| p.file.rsplit('/').next().unwrap()).collect();
        assert_eq!(files, ["broken.md", "loop"]);
    }
}
