//! What is measured with: a collection in BEIR's layout (`corpus.jsonl`, `queries.jsonl`, `qrels/SPLIT.tsv`) and
//! recorded rewrites of its questions.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};

use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    ranking::{Id, PointId},
    rewrite::RecordedLine,
};

/// A question and the judgements of it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct JudgedQuestion {
    /// The question's id.
    pub id: String,
    /// What is asked.
    pub text: String,
    /// The grades of the judged documents, by [`PointId::of`] their ids; 0 is "not relevant".
    pub grades: HashMap<PointId, u32>,
}

/// A collection with judged questions.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Dataset {
    /// The questions that have judgements, in the order of their file.
    pub questions: Vec<JudgedQuestion>,
    /// The ids of the corpus's documents, as points.
    pub documents: HashSet<PointId>,
    /// How many relevant documents the corpus lacks; nothing can find them, and they count as not found.
    pub missing_documents: usize,
    /// How many judged questions `queries.jsonl` lacks; they are left out.
    pub missing_questions: usize,
}

/// Why a dataset or its rewrites cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// A file is missing or cannot be read.
    #[error("{}: cannot be read", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A line is not of its file's form.
    #[error("{}:{line}: {problem}", file.display())]
    Line {
        /// The file.
        file: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// No question has a rewrite to search with.
    #[error(
        "{}: none of its rewrites can be searched with and belongs to a judged question; its ids have to be those of \
         queries.jsonl",
        file.display()
    )]
    NoRewrite {
        /// The rewrites.
        file: PathBuf,
    },
    /// No question has a judgement.
    #[error("{}: none of its questions is judged in {}; choose another split", folder.display(), judgements.display())]
    Unjudged {
        /// The dataset.
        folder: PathBuf,
        /// The judgements.
        judgements: PathBuf,
    },
}

#[derive(Deserialize)]
struct CorpusLine {
    #[serde(rename = "_id")]
    id: Id,
}

#[derive(Deserialize)]
struct QueryLine {
    #[serde(rename = "_id")]
    id: Id,
    text: String,
}

impl Dataset {
    /// Reads a folder in BEIR's layout with the judgements of a split, usually `test`.
    ///
    /// # Errors
    /// [`DatasetError`] names the file and the line.
    pub fn open(folder: impl AsRef<Path>, split: &str) -> Result<Self, DatasetError> {
        let folder = folder.as_ref();
        let mut documents = HashSet::new();
        each_json(&folder.join("corpus.jsonl"), |line: CorpusLine| {
            documents.insert(PointId::of(&String::from(line.id)));
            Ok(())
        })?;
        let file = folder.join("qrels").join(format!("{split}.tsv"));
        let mut judgements = judgements(&file)?;
        let mut questions = vec![];
        each_json(&folder.join("queries.jsonl"), |line: QueryLine| {
            let id = String::from(line.id);
            if let Some(grades) = judgements.remove(&id) {
                questions.push(JudgedQuestion { id, text: line.text, grades });
            }
            Ok(())
        })?;
        if questions.is_empty() {
            return Err(DatasetError::Unjudged { folder: folder.to_path_buf(), judgements: file });
        }
        let relevant = questions.iter().flat_map(|question| &question.grades).filter(|(_, grade)| **grade > 0);
        let relevant: HashSet<PointId> = relevant.map(|(id, _)| *id).collect();
        let missing_documents = relevant.difference(&documents).count();
        Ok(Self { questions, documents, missing_documents, missing_questions: judgements.len() })
    }
}

/// Recorded rewrites by question.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rewrites(HashMap<String, Vec<String>>);

impl Rewrites {
    /// Reads lines of `{"_id": question id, "rewrites": [text, …]}`; what a model said may also be recorded as `reply` or
    /// `raw_lines`, as for a [`RecordedRewriter`](crate::rewrite::RecordedRewriter).
    ///
    /// # Errors
    /// [`DatasetError`] names the file and the line.
    pub fn open(file: impl AsRef<Path>) -> Result<Self, DatasetError> {
        let mut rewrites = HashMap::new();
        each_json(file.as_ref(), |mut line: RecordedLine| {
            let replies = line.replies()?;
            let id = String::from(line.id.ok_or("it has no `_id`, the question's id")?);
            match rewrites.insert(id.clone(), replies) {
                None => Ok(()),
                Some(_) => Err(format!("the question {id:?} has rewrites on an earlier line, too")),
            }
        })?;
        Ok(Self(rewrites))
    }

    /// The rewrites of a question, as they were recorded.
    #[must_use]
    pub fn of(&self, question_id: &str) -> &[String] {
        self.0.get(question_id).map_or(&[], Vec::as_slice)
    }
}

impl FromIterator<(String, Vec<String>)> for Rewrites {
    fn from_iter<I: IntoIterator<Item = (String, Vec<String>)>>(rewrites: I) -> Self {
        Self(rewrites.into_iter().collect())
    }
}

/// Judgements by question: lines of question, document and grade between tabs, under a line of headings.
fn judgements(file: &Path) -> Result<HashMap<String, HashMap<PointId, u32>>, DatasetError> {
    let mut judgements: HashMap<String, HashMap<PointId, u32>> = HashMap::new();
    each_line(file, |number, line| {
        let columns: Vec<&str> = line.split('\t').map(str::trim).collect();
        let [question, document, grade] = columns[..] else {
            return Err(format!("has {} columns instead of 3: question, document, grade", columns.len()));
        };
        let Ok(grade) = grade.parse::<i64>() else {
            let is_heading = number == 1;
            return if is_heading { Ok(()) } else { Err(format!("the grade {grade:?} is not a whole number")) };
        };
        // A grade below 0 is "not relevant" to `trec_eval`.
        let grade = u32::try_from(grade.max(0)).map_err(|_| format!("the grade {grade} is too large"))?;
        judgements.entry(question.to_owned()).or_default().insert(PointId::of(document), grade);
        Ok(())
    })?;
    Ok(judgements)
}

/// Reads a file of JSON lines; fields that are not asked for are passed over.
fn each_json<T: DeserializeOwned>(
    file: &Path,
    mut take: impl FnMut(T) -> Result<(), String>,
) -> Result<(), DatasetError> {
    each_line(file, |_, line| {
        let parsed = serde_json::from_str(line);
        take(parsed.map_err(|error| error.to_string().replace(" at line 1 column ", " at column "))?)
    })
}

/// Reads a file line by line, blank lines left out.
fn each_line(file: &Path, mut take: impl FnMut(usize, &str) -> Result<(), String>) -> Result<(), DatasetError> {
    let unreadable = |source| DatasetError::Read { file: file.to_path_buf(), source };
    for (number, line) in (1..).zip(BufReader::new(File::open(file).map_err(unreadable)?).split(b'\n')) {
        let line = line.map_err(unreadable)?;
        let refuse = |problem| DatasetError::Line { file: file.to_path_buf(), line: number, problem };
        let line = std::str::from_utf8(&line).map_err(|error| refuse(format!("is not UTF-8 ({error})")))?;
        let line = line.strip_prefix('\u{feff}').unwrap_or(line);
        if !line.trim().is_empty() {
            take(number, line).map_err(refuse)?;
        }
    }
    Ok(())
}
