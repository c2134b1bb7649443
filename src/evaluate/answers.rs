//! Answers that somebody gave, such as a running sidecar: measured as they are, with the measures of searches.

use std::{collections::HashSet, time::Duration};

use super::{
    Dataset, Evaluation, JudgedQuestion, QuestionMeasures, RunMeasures, bootstrap, evaluation::milliseconds,
    runs::Measures,
};
use crate::ranking::PointId;

/// What was answered to one question.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The documents that were found, best first, by [`PointId::of`] their ids. One that stands there twice counts where
    /// it stands first.
    pub documents: Vec<PointId>,
    /// How long the answer took.
    pub took: Duration,
    /// How long the language model took of it; `None` if none was asked.
    pub rewriting: Option<Duration>,
}

/// What was answered under one configuration to all questions of a dataset, in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct Answers {
    /// The configuration's name.
    pub configuration: String,
    /// To the question alone.
    pub asked: Vec<Answer>,
    /// With a rewriter, if there is one; its name, and what was answered.
    pub fused: Option<(String, Vec<Answer>)>,
}

impl Evaluation {
    /// Measures answers: for each configuration the run `asked` and, where there are rewrites, `fused`. Questions that
    /// were not answered for want of answers at the end of a list are left out.
    #[must_use]
    pub fn of_answers(dataset: &Dataset, answers: &[Answers]) -> Self {
        let mut questions: Vec<QuestionMeasures> = dataset.questions.iter().map(QuestionMeasures::new).collect();
        let mut runs = vec![];
        for Answers { configuration, asked, fused } in answers {
            let base = measure(dataset, asked);
            let fused = fused.as_ref().map(|(rewrites, answers)| ("fused", Some(rewrites.clone()), answers));
            for (name, rewrites, answers) in std::iter::once(("asked", None, asked)).chain(fused) {
                let measured = measure(dataset, answers);
                for (question, measures) in questions.iter_mut().zip(&measured) {
                    question.ndcg_at_10.push(measures.ndcg_at_10);
                }
                let rewriting: Vec<f64> =
                    answers.iter().filter_map(|answer| answer.rewriting.map(milliseconds)).collect();
                runs.push(RunMeasures {
                    configuration: configuration.clone(),
                    name,
                    rewrites,
                    llm_calls: rewriting.len(),
                    llm_milliseconds: bootstrap::mean(rewriting.into_iter()),
                    search_milliseconds: bootstrap::mean(answers.iter().map(|answer| milliseconds(answer.took))),
                    ..RunMeasures::of(&base, &measured)
                });
            }
        }
        let timed = "a question's whole answer, the language model included";
        Self { runs, questions, notes: notes(dataset, answers), timed }
    }
}

fn measure(dataset: &Dataset, answers: &[Answer]) -> Vec<Measures> {
    let pairs = dataset.questions.iter().zip(answers);
    pairs.map(|(question, answer)| Measures::of(&documents(dataset.own(question), answer), question)).collect()
}

/// The documents of an answer, each once, without the question's own.
fn documents(own: Option<PointId>, answer: &Answer) -> Vec<PointId> {
    let mut seen: HashSet<PointId> = own.into_iter().collect();
    answer.documents.iter().copied().filter(|id| seen.insert(*id)).collect()
}

/// Says which questions no run has an answer to, whose documents may be elsewhere, and what the dataset lacks.
fn notes(dataset: &Dataset, answers: &[Answers]) -> Vec<String> {
    let all =
        || answers.iter().flat_map(|answers| [Some(&answers.asked), answers.fused.as_ref().map(|fused| &fused.1)]);
    let right = |at: usize, question: &JudgedQuestion| {
        let found = all().flatten().filter_map(|answers| answers.get(at)).flat_map(|answer| &answer.documents);
        found.into_iter().any(|id| question.grades.get(id).is_some_and(|grade| *grade > 0))
    };
    let unanswered = dataset.questions.iter().enumerate().filter(|(at, question)| !right(*at, question));
    let unanswered: Vec<&str> = unanswered.map(|(_, question)| question.id.as_str()).collect();
    let never = unanswered.first().map(|first| {
        let count = unanswered.len();
        format!(
            "no answer to {count} questions holds a right document, the first is {first}; are all documents there, \
                 under the ids of the judgements?"
        )
    });
    never.into_iter().chain(dataset.lacks()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(documents: &[&str]) -> Answer {
        let documents = documents.iter().map(|id| PointId::of(id)).collect();
        Answer { documents, took: Duration::from_millis(8), rewriting: None }
    }

    #[test]
    fn answers_are_measured_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("questions.jsonl");
        let lines = [r#"{"question": "one?", "answers": ["a"]}"#, r#"{"question": "two?", "answers": ["b"]}"#];
        std::fs::write(&file, lines.join("\n")).unwrap();
        let dataset = Dataset::of_answers(&file).unwrap();
        let rewriting = Some(Duration::from_millis(100));
        let fused = [answer(&["x", "a"]), answer(&["x", "x", "x", "b"])];
        let fused = fused.map(|answer| Answer { rewriting, ..answer }).to_vec();
        let answers = Answers {
            configuration: "default".to_owned(),
            asked: vec![answer(&["a"]), answer(&["x"])],
            fused: Some(("its own".to_owned(), fused)),
        };
        let Evaluation { runs, questions, notes, .. } = Evaluation::of_answers(&dataset, &[answers]);
        let names: Vec<&str> = runs.iter().map(|run| run.name).collect();
        assert_eq!(names, ["asked", "fused"]);
        assert_eq!((runs[0].mrr_at_10, runs[1].mrr_at_10), (0.5, 0.5));
        assert_eq!((runs[1].wins, runs[1].losses, runs[1].llm_calls), (1, 1, 2));
        assert_eq!((runs[0].search_milliseconds, runs[1].llm_milliseconds), (8.0, 100.0));
        assert_eq!(questions[0].ndcg_at_10[0], 1.0);
        assert_eq!(notes, Vec::<String>::new());
        // A question's number is not its document.
        let numbered = r#"{"question": "one?", "answers": [1]}"#;
        std::fs::write(&file, numbered).unwrap();
        let first = Answers { configuration: String::new(), asked: vec![answer(&["1"])], fused: None };
        let numbered = Evaluation::of_answers(&Dataset::of_answers(&file).unwrap(), &[first]);
        assert_eq!(numbered.runs[0].mrr_at_10, 1.0);
        let nothing = Answers { configuration: String::new(), asked: vec![answer(&["a"]), answer(&[])], fused: None };
        let notes = Evaluation::of_answers(&dataset, &[nothing]).notes;
        assert!(notes[0].starts_with("no answer to 1 questions"), "{notes:?}");
    }
}
