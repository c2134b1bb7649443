//! Reading: from files to batches of passages, on a thread of its own, never holding more than a batch.

use std::{
    collections::HashSet,
    fs::File,
    io::{self, BufReader, Read},
};

use tokio::sync::mpsc;

use super::{
    chunk::Chunker,
    lines::{self, Line},
    report::{Problem, Problems},
    source::{Format, SourceFile},
};
use crate::ranking::{Passage, PointId};

/// The longest line of JSON that is read, in bytes.
const LONGEST_LINE: usize = 16 << 20;
/// The largest Markdown or text file that is read, in bytes: it has to be in memory to be cut.
const LARGEST_FILE: u64 = 64 << 20;
/// A batch is handed over at this many bytes of input, however few passages it holds, so that memory stays bounded.
const BATCH_BYTES: u64 = 4 << 20;

/// What is handed over at a time.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) passages: Vec<Passage>,
    /// Documents that were cut and end in this batch.
    pub(super) ended: Vec<Ended>,
    /// Documents that end in this batch.
    pub(super) documents: u64,
    /// How much input it took.
    pub(super) bytes: u64,
    pub(super) problems: Problems,
}

/// A document that was cut, and into how many passages; what the store holds beyond them is stale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) document_id: String,
    pub(super) passages: u32,
}

/// Nobody takes batches any more.
struct Abandoned;

/// Reads files.
#[derive(Debug)]
pub(super) struct Reader {
    chunker: Chunker,
    batch_size: usize,
    sender: mpsc::Sender<Batch>,
    batch: Batch,
    /// The ids of all documents and passages so far, as points: 24 bytes each, however long the ids.
    seen: HashSet<PointId>,
}

impl Reader {
    pub(super) fn new(chunker: Chunker, batch_size: usize, sender: mpsc::Sender<Batch>) -> Self {
        Self { chunker, batch_size, sender, batch: Batch::default(), seen: HashSet::new() }
    }

    /// Reads the files and hands over batches; ends early when nobody takes them any more. Returns the ids of what it
    /// read.
    pub(super) fn run(mut self, files: &[SourceFile], problems: Problems) -> HashSet<PointId> {
        self.batch.problems = problems;
        let read = files.iter().try_for_each(|file| self.file(file));
        // Whoever abandoned the reader does not want its last batch either.
        let _abandoned = read.and_then(|()| self.hand_over());
        self.seen
    }

    fn file(&mut self, file: &SourceFile) -> Result<(), Abandoned> {
        let mut left = file.bytes;
        let read = match file.format {
            Format::JsonLines => self.json_lines(file, &mut left)?,
            Format::Markdown | Format::Text => self.document(file)?,
        };
        if let Err(error) = read {
            self.unread(file, None, format!("cannot be read: {error}"));
        }
        // What could not be read is dealt with, too.
        self.batch.bytes += left;
        self.hand_over_if_full()
    }

    fn json_lines(&mut self, file: &SourceFile, left: &mut u64) -> Result<io::Result<()>, Abandoned> {
        let mut reader = match File::open(&file.path) {
            Ok(opened) => BufReader::with_capacity(1 << 16, opened),
            Err(error) => return Ok(Err(error)),
        };
        let mut buffer = vec![];
        for number in 1.. {
            let consumed = match lines::next_line(&mut reader, &mut buffer, LONGEST_LINE) {
                Ok(Line::End) => break,
                Ok(Line::Whole(consumed)) => {
                    self.line(file, number, &buffer);
                    consumed
                }
                Ok(Line::TooLong(consumed)) => {
                    let what = format!("is {consumed} bytes long; at most {LONGEST_LINE} are read");
                    self.unread(file, Some(number), what);
                    consumed
                }
                Err(error) => return Ok(Err(error)),
            };
            self.batch.bytes += consumed;
            *left = left.saturating_sub(consumed);
            self.hand_over_if_full()?;
        }
        Ok(Ok(()))
    }

    fn line(&mut self, file: &SourceFile, number: u64, line: &[u8]) {
        let line = if number == 1 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
        if line.trim_ascii().is_empty() {
            return;
        }
        match lines::parse(line, || format!("{}:{number}", file.name)) {
            Ok(passage) if self.seen.insert(passage.point_id()) => {
                self.batch.documents += 1;
                self.batch.passages.push(passage);
            }
            Ok(passage) => self.problem(file, Some(number), duplicate(&passage.id)),
            Err(what) => self.unread(file, Some(number), what),
        }
    }

    /// Reads a Markdown or text file, which is one document.
    fn document(&mut self, file: &SourceFile) -> Result<io::Result<()>, Abandoned> {
        let text = match read_whole(file) {
            Ok(Ok(text)) => text,
            Ok(Err(what)) => {
                self.unread(file, None, what);
                return Ok(Ok(()));
            }
            Err(error) => return Ok(Err(error)),
        };
        if !self.seen.insert(PointId::of(&file.name)) {
            self.problem(file, None, duplicate(&file.name));
            return Ok(Ok(()));
        }
        let mut passages = 0;
        self.chunker.clone().cut(&file.name, &text, file.format, |passage| {
            passages += 1;
            if self.seen.insert(passage.point_id()) {
                self.batch.passages.push(passage);
            } else {
                self.problem(file, None, duplicate(&passage.id));
            }
            self.hand_over_if_full()
        })?;
        if passages == 0 {
            self.problem(file, None, "holds no text".to_owned());
        }
        self.batch.documents += u64::from(passages > 0);
        self.batch.ended.push(Ended { document_id: file.name.clone(), passages });
        Ok(Ok(()))
    }

    fn problem(&mut self, file: &SourceFile, line: Option<u64>, what: String) {
        self.batch.problems.add(Problem { file: file.path.display().to_string(), line, what });
    }

    /// A problem that leaves something unread, whose ids are thus not known.
    fn unread(&mut self, file: &SourceFile, line: Option<u64>, what: String) {
        self.batch.problems.add_unread(Problem { file: file.path.display().to_string(), line, what });
    }

    fn hand_over_if_full(&mut self) -> Result<(), Abandoned> {
        let full = self.batch.passages.len() >= self.batch_size
            || self.batch.ended.len() >= self.batch_size
            || self.batch.bytes >= BATCH_BYTES;
        if full { self.hand_over() } else { Ok(()) }
    }

    fn hand_over(&mut self) -> Result<(), Abandoned> {
        self.sender.blocking_send(std::mem::take(&mut self.batch)).map_err(|_| Abandoned)
    }
}

fn duplicate(id: &str) -> String {
    format!(
        "the id {id:?} was already read in this run, so this one was left out; give it an id of its own (a file's id is \
         its path), or index it into a collection of its own"
    )
}

/// Reads a file as text; the inner error says why it is none.
fn read_whole(file: &SourceFile) -> io::Result<Result<String, String>> {
    let mut bytes = vec![];
    // One byte more than allowed, so that a file that has grown since it was found shows.
    File::open(&file.path)?.take(LARGEST_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Ok(Err(format!("is longer than {LARGEST_FILE} bytes; cut it into several files")));
    }
    Ok(match String::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let line = error.as_bytes()[..valid].split(|byte| *byte == b'\n').count();
            Err(format!("is not UTF-8 (line {line})"))
        }
    })
}
