//! What is measured with: a collection in BEIR's layout (`corpus.jsonl`, `queries.jsonl`, `qrels/SPLIT.tsv`), or a plain
//! file of questions with their right answers.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};

use serde::{Deserialize, de::DeserializeOwned};

use crate::ranking::{Id, PointId};

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

impl JudgedQuestion {
    /// The ids of its right answers.
    pub(super) fn answers(&self) -> impl Iterator<Item = PointId> {
        self.grades.iter().filter(|(_, grade)| **grade > 0).map(|(id, _)| *id)
    }
}

/// A collection with judged questions.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Dataset {
    /// The questions that have judgements, in the order of their file.
    pub questions: Vec<JudgedQuestion>,
    /// The ids of the corpus's documents, as points. Of a plain file of questions, only those of the answers are known.
    pub documents: HashSet<PointId>,
    /// Whether `documents` are all that the store should hold.
    pub has_corpus: bool,
    /// How many relevant documents the corpus lacks; nothing can find them, and they count as not found.
    pub missing_documents: usize,
    /// How many judged questions `queries.jsonl` lacks; they are left out.
    pub missing_questions: usize,
}

/// Why a dataset cannot be read.
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
    /// No question has a judgement.
    #[error("{}: no question is judged; {hint}", place.display())]
    Unjudged {
        /// The dataset.
        place: PathBuf,
        /// What to do.
        hint: String,
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnswerLine {
    #[serde(rename = "_id")]
    id: Option<Id>,
    question: String,
    answers: Vec<Id>,
}

impl Dataset {
    /// Reads a folder in BEIR's layout with the judgements of a split, usually `test`, or of several: `train,test`.
    ///
    /// # Errors
    /// [`DatasetError`] names the file and the line.
    pub fn open(folder: impl AsRef<Path>, splits: &str) -> Result<Self, DatasetError> {
        let folder = folder.as_ref();
        let mut documents = HashSet::new();
        each_json(&folder.join("corpus.jsonl"), |line: CorpusLine| {
            documents.insert(PointId::of(&String::from(line.id)));
            Ok(())
        })?;
        let mut judged = HashMap::new();
        for split in splits.split(',').map(str::trim) {
            judgements(&folder.join("qrels").join(format!("{split}.tsv")), &mut judged)?;
        }
        let mut questions = vec![];
        each_json(&folder.join("queries.jsonl"), |line: QueryLine| {
            let id = String::from(line.id);
            if let Some(grades) = judged.remove(&id) {
                questions.push(JudgedQuestion { id, text: line.text, grades });
            }
            Ok(())
        })?;
        if questions.is_empty() {
            let hint = format!("queries.jsonl has none of the questions of qrels/{splits}.tsv");
            return Err(DatasetError::Unjudged { place: folder.to_path_buf(), hint });
        }
        let missing_documents = relevant(&questions).difference(&documents).count();
        Ok(Self { questions, documents, has_corpus: true, missing_documents, missing_questions: judged.len() })
    }

    /// Reads a plain file of questions: lines of `{"question": …, "answers": [id, …]}`, where an answer is the id of a
    /// passage or of a document. A line may have an `_id`; otherwise its number, counted from 1, is the question's id.
    ///
    /// # Errors
    /// [`DatasetError`] names the file and the line.
    pub fn of_answers(file: impl AsRef<Path>) -> Result<Self, DatasetError> {
        let file = file.as_ref();
        let (mut questions, mut known) = (vec![], HashSet::new());
        each_json(file, |line: AnswerLine| {
            let id = line.id.map_or_else(|| (questions.len() + 1).to_string(), String::from);
            if line.answers.is_empty() {
                return Err("names no answer".to_owned());
            }
            if !known.insert(id.clone()) {
                return Err(format!("the id {id:?} is that of an earlier question, too"));
            }
            let grades = line.answers.into_iter().map(|answer| (PointId::of(&String::from(answer)), 1)).collect();
            questions.push(JudgedQuestion { id, text: line.question, grades });
            Ok(())
        })?;
        if questions.is_empty() {
            let hint = "each line is {\"question\": …, \"answers\": [id, …]}".to_owned();
            return Err(DatasetError::Unjudged { place: file.to_path_buf(), hint });
        }
        let documents = relevant(&questions);
        Ok(Self { questions, documents, has_corpus: false, missing_documents: 0, missing_questions: 0 })
    }

    /// The id that a question must not find, BEIR's rule: some of its questions are documents of the corpus. In a plain file
    /// a question's id may be no more than the number of its line.
    pub(super) fn own(&self, question: &JudgedQuestion) -> Option<PointId> {
        self.has_corpus.then(|| PointId::of(&question.id))
    }

    /// What it lacks, in words.
    pub(super) fn lacks(&self) -> Vec<String> {
        let mut lacks = vec![];
        if self.missing_documents > 0 {
            let missing = self.missing_documents;
            lacks.push(format!("{missing} relevant documents are not in the corpus; they count as not found"));
        }
        if self.missing_questions > 0 {
            let missing = self.missing_questions;
            lacks.push(format!("{missing} judged questions are not in queries.jsonl; they are left out"));
        }
        lacks
    }
}

/// What the judgements call relevant.
fn relevant(questions: &[JudgedQuestion]) -> HashSet<PointId> {
    let grades = questions.iter().flat_map(|question| &question.grades);
    grades.filter(|(_, grade)| **grade > 0).map(|(id, _)| *id).collect()
}

/// Adds judgements by question: lines of question, document and grade between tabs, under a line of headings.
fn judgements(file: &Path, judgements: &mut HashMap<String, HashMap<PointId, u32>>) -> Result<(), DatasetError> {
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
    })
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
