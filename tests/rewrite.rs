//! The rewriters: recordings here, the language model's client, the cache and the matrix of faults in their own files.

mod attacks;
mod cache;
mod errors;
mod faults;
mod litellm;
mod llm;
mod replies;

use asktwice::{
    Question, RewriteError, RewriteKind, RewriteRequest, Rewriter,
    rewrite::{Limits, Recorded, RecordedError, RecordedRewriter, Rejection},
};
use serde::Deserialize;

use crate::support;

fn request(question: &str) -> RewriteRequest {
    RewriteRequest::new(Question::new(question).unwrap())
}

#[derive(Deserialize)]
struct Replied {
    question: String,
    raw_lines: Vec<String>,
}

#[derive(Deserialize)]
struct Labelled {
    question: String,
    labels: Vec<Label>,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Label {
    Query,
    Preamble,
    Empty,
}

fn lines<T: serde::de::DeserializeOwned>(text: &str) -> Vec<T> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The letters and digits of a line, without its list mark: what a cleaner may not touch.
fn words_of(line: &str) -> String {
    let unmarked = line.trim_start().trim_start_matches(|c: char| c.is_ascii_digit());
    let unmarked = if unmarked.starts_with(". ") { unmarked } else { line };
    unmarked.chars().filter(|c| c.is_alphanumeric()).collect()
}

#[test]
fn real_replies_keep_every_question_and_nothing_else() {
    let Some(path) = support::shared_data("llm-replies/multi-query_gpt-5.1-chat.jsonl") else { return };
    let replies: Vec<Replied> = lines(&std::fs::read_to_string(path).unwrap());
    let labels: Vec<Labelled> = lines(include_str!("fixtures/llm_replies_labels.jsonl"));
    assert_eq!((replies.len(), labels.len()), (100, 100));
    let mut kept = 0;
    for (reply, labelled) in replies.iter().zip(&labels) {
        assert_eq!(reply.question, labelled.question, "the labels belong to other replies");
        let wanted: Vec<String> = (reply.raw_lines.iter().zip(&labelled.labels))
            .filter(|(_, label)| **label == Label::Query)
            .map(|(line, _)| words_of(line))
            .collect();
        let cleaned = Limits::paraphrase().clean(&reply.raw_lines.join("\n"), &reply.question);
        let got: Vec<String> = cleaned.rewrites.iter().map(|rewrite| words_of(rewrite)).collect();
        assert_eq!(got, wanted, "{:?}", cleaned.rewrites);
        for rewrite in &cleaned.rewrites {
            let bare = !rewrite.starts_with(['"', '“', '*', '•', '-', ' ']) && !rewrite.ends_with(['"', '*', ' ']);
            assert!(bare, "{rewrite:?}");
            let quotes = |quote| rewrite.matches(quote).count();
            assert_eq!(quotes('“'), quotes('”'), "{rewrite:?}");
        }
        kept += got.len();
    }
    assert_eq!(kept, 400);
}

#[tokio::test]
async fn recorded_rewrites_are_replayed_whole() {
    #[derive(Deserialize)]
    struct Query {
        #[serde(rename = "_id")]
        id: String,
        text: String,
    }
    #[derive(Deserialize)]
    struct Recorded {
        #[serde(rename = "_id")]
        id: String,
        rewrites: Vec<String>,
    }
    let Some(queries) = support::shared_data("scifact/queries.jsonl") else { return };
    let queries: Vec<Query> = lines(&std::fs::read_to_string(queries).unwrap());
    for file in ["gpt-4o_paraphrase", "gemini-2.0-flash_expansion", "gemini-2.0-flash_expansion_domain"] {
        let Some(path) = support::shared_data(&format!("scifact/rewrites/{file}.jsonl")) else { return };
        let recorded: Vec<Recorded> = lines(&std::fs::read_to_string(&path).unwrap());
        let rewriter = RecordedRewriter::read(&path).unwrap();
        let rewriter = rewriter.for_questions(queries.iter().map(|query| (&query.id, &query.text)));
        let (mut same, mut unlabelled, mut repeats) = (0, 0, 0);
        for entry in &recorded {
            let query = queries.iter().find(|query| query.id == entry.id).unwrap();
            let raw = entry.rewrites[0].split_whitespace().collect::<Vec<_>>().join(" ");
            match rewriter.rewrite(&request(&query.text)).await {
                Ok(rewrites) => {
                    let rewrites: Vec<&str> = rewrites.texts().collect();
                    let plain = |text: &str| text.replace(['\u{2010}', '\u{2011}'], "-").replace(['\u{ad}', '*'], "");
                    // All there is to clean: some begin with a label ("Query: ", "Additional keywords: "), a few emphasise
                    // a word, one ends with a comma.
                    let raw = plain(raw.trim_end_matches(','));
                    let label = match &rewrites[..] {
                        [rewrite] => raw.strip_suffix(rewrite),
                        _ => None,
                    };
                    match label {
                        Some("") => same += 1,
                        Some(label) if label.ends_with(": ") && label.len() < 60 => unlabelled += 1,
                        _ => panic!("{file} {}: {raw}\nbecame {rewrites:?}", entry.id),
                    }
                }
                Err(RewriteError::Rejected { reasons }) if reasons == [Rejection::SameAsQuestion] => repeats += 1,
                Err(error) => panic!("{file} {}: {error}", entry.id),
            }
        }
        assert!(unlabelled < 45, "{file}: {unlabelled} were taken for labelled");
        assert_eq!(same + unlabelled + repeats, 300);
        eprintln!("{file}: {same} unchanged, {unlabelled} without their label, {repeats} repeat the question");
    }
}

#[tokio::test]
async fn recordings_come_in_several_forms_and_say_what_is_wrong() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let write = |text: &str| std::fs::write(&file, text).unwrap();
    write(
        r#"{"question": "a  question", "rewrites": ["1. flat bread", "dense crumb"]}
{"text": "b", "reply": "Here you go:\n- flat bread\n- dense crumb", "model": "m"}

{"_id": 7, "raw_lines": ["Sure!", "", "• flat bread", "• dense crumb"]}"#,
    );
    let rewriter = RecordedRewriter::read(file.path()).unwrap().for_questions([("7", "c"), ("8", "d")]);
    for asked in ["a question", "b", "c"] {
        let rewrites = rewriter.rewrite(&request(asked)).await.unwrap();
        assert_eq!(rewrites.texts().collect::<Vec<_>>(), ["flat bread", "dense crumb"], "{asked}");
    }
    let error = rewriter.rewrite(&request("d")).await.unwrap_err().to_string();
    assert!(error.contains("has no rewrite of this question in /"), "{error}");
    for (line, problem) in [
        ("{\"question\": \"a\"", "EOF"),
        ("{\"question\": \"a\"}", "none of \"rewrites\""),
        ("{\"rewrites\": []}", "none of \"question\""),
        ("{\"question\": \"a\", \"rewrites\": \"b\"}", "expected a sequence"),
    ] {
        write(&format!("{{\"question\": \"a\", \"reply\": \"b\"}}\n{line}\n"));
        let error = RecordedRewriter::read(file.path()).unwrap_err();
        let said = error.to_string();
        assert!(matches!(error, RecordedError::Line { line: 2, .. }), "{said}");
        assert!(said.contains(problem) && said.contains(&file.path().display().to_string()), "{said}");
    }
    assert!(matches!(RecordedRewriter::read("/nowhere.jsonl"), Err(RecordedError::Read { .. })));
}

#[tokio::test]
async fn recordings_may_say_which_kind_they_hold() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let lines = r#"{"question": "flat bread?", "rewrites": ["- dense crumb\n- young starter"]}
{"question": "flat bread?", "kind": "multi", "reply": "1. why is bread flat\n2. how does dough rise"}
{"question": "flat bread?", "kind": "hyde", "reply": "Bread is flat when its yeast is dead.\nA warm place helps."}"#;
    std::fs::write(&file, lines).unwrap();
    let spec = format!("{}:keywords", file.path().display());
    let rewriter = RecordedRewriter::open(&spec.parse().unwrap()).unwrap();
    let all = rewriter.rewrite(&request("flat bread?")).await.unwrap();
    let found: Vec<_> = all.rewrites.iter().map(|rewrite| (rewrite.kind, rewrite.text.as_str())).collect();
    let expected = [
        (RewriteKind::Keywords, "dense crumb, young starter"),
        (RewriteKind::Multi, "why is bread flat"),
        (RewriteKind::Multi, "how does dough rise"),
        (RewriteKind::Hyde, "Bread is flat when its yeast is dead. A warm place helps."),
    ];
    assert_eq!(found, expected);
    let hyde = rewriter.rewrite(&request("flat bread?").with_kinds([RewriteKind::Hyde])).await.unwrap();
    assert_eq!(hyde.texts().collect::<Vec<_>>(), [expected[3].1]);
    let error = "rewrites.jsonl:keyword".parse::<Recorded>().unwrap_err().to_string();
    assert!(error.contains("\"keyword\" is not a kind"), "{error}");
    assert_eq!("a:b/c.jsonl".parse::<Recorded>().unwrap().kind, None);
}
