//! A thousand replies as models are known to give them, made up for all kinds of rewrites in sixteen languages, each with
//! what is to come of it: right ones that merely look odd, and every way to be wrong.

use asktwice::{
    Question, RewriteKind,
    question::Turn,
    rewrite::{DEFAULT_COUNT, Task},
};
use serde::Deserialize;

use super::lines;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MadeUp {
    kinds: Vec<RewriteKind>,
    #[serde(default = "usual_count")]
    count: usize,
    question: String,
    #[serde(default)]
    history: Vec<Turn>,
    reply: String,
    /// What is right, in the kinds' order.
    texts: Vec<(RewriteKind, String)>,
    /// What comes out where that is not right yet.
    #[serde(default)]
    missed: Option<Vec<(RewriteKind, String)>>,
}

fn usual_count() -> usize {
    DEFAULT_COUNT
}

#[test]
fn made_up_replies_of_every_kind_give_their_texts_and_nothing_else() {
    let replies: Vec<MadeUp> = lines(include_str!("../fixtures/made_up_replies.jsonl"));
    let mut wrong = vec![];
    for case in &replies {
        let question = Question::new(&case.question).unwrap().with_history(case.history.clone());
        let cleaned = Task::new(question, &case.kinds).with_count(case.count).clean(&case.reply);
        let texts: Vec<_> = cleaned.rewrites.into_iter().map(|rewrite| (rewrite.kind, rewrite.text)).collect();
        let wanted = case.missed.as_ref().unwrap_or(&case.texts);
        if texts != *wanted {
            wrong.push(format!("{:?}\n{}\nis to give {wanted:#?}\nand gave {texts:#?}", case.question, case.reply));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), replies.len(), wrong.join("\n\n"));
    let missed = replies.iter().filter(|case| case.missed.is_some()).count();
    assert!(missed * 40 < replies.len(), "{missed} of {} are not right", replies.len());
}
