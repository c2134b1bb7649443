//! Which part of a reply is which kind of rewrite: by the keys of its JSON, or by labels at the beginning of lines.

use super::{
    MAX_REPLY, Rejection, chatter, envelope,
    json::{self, Entry},
    marks::{self, Numbering},
};
use crate::rewrite::RewriteKind;

/// The parts of a reply, each of a kind, in the order in which the kinds were asked for.
type Parts = Vec<(RewriteKind, Vec<String>)>;

/// Splits a reply into the kinds that were asked for; what is of another kind is rejected.
pub(super) fn split(reply: &str, asked: &[RewriteKind]) -> (Parts, Vec<Rejection>) {
    // Too large to look into: the cleaner says so.
    if reply.len() <= MAX_REPLY {
        let text = envelope::unwrap(reply);
        if let Some(found) = json::entries(&text).and_then(|entries| by_key(entries, asked)) {
            return sorted(found, asked);
        }
        if asked.len() > 1
            && let Some(found) = by_label(&text, asked)
        {
            return sorted(found, asked);
        }
    }
    let whole = unnamed(asked).map(|kind| (kind, vec![reply.to_owned()]));
    (whole.into_iter().collect(), vec![])
}

/// What a reply is taken for that does not say: a list of questions, if such was asked for.
fn unnamed(asked: &[RewriteKind]) -> Option<RewriteKind> {
    use RewriteKind::{Condense, Decompose, Hyde, Keywords, Multi, Paraphrase, StepBack};
    [Multi, Decompose, Condense, Paraphrase, StepBack, Keywords, Hyde].into_iter().find(|kind| asked.contains(kind))
}

/// Puts what was found in the order in which it was asked for.
fn sorted(found: Vec<(RewriteKind, String)>, asked: &[RewriteKind]) -> (Parts, Vec<Rejection>) {
    let part = |kind: &RewriteKind| {
        let texts: Vec<String> =
            found.iter().filter(|(found, _)| found == kind).map(|(_, text)| text.clone()).collect();
        (!texts.is_empty()).then_some((*kind, texts))
    };
    let unasked = found.iter().filter(|(kind, text)| !asked.contains(kind) && marks::has_words(text));
    (asked.iter().filter_map(part).collect(), unasked.map(|_| Rejection::Unasked).collect())
}

/// The strings under keys that name a kind, and those under other names for a question; `None` if no key names a kind.
fn by_key(entries: Vec<Entry>, asked: &[RewriteKind]) -> Option<Vec<(RewriteKind, String)>> {
    let (mut found, mut others) = (vec![], vec![]);
    for Entry { keys, kind, text } in entries {
        match (keys.iter().rev().find_map(|key| named(key)), kind) {
            // {"multi": [{"query": "…", "reason": "…"}]}
            (_, Some(chatter::Kind::Aside)) => {}
            (Some(named), _) => found.push((named, text)),
            (None, Some(chatter::Kind::Question)) => others.push(text),
            (None, _) => {}
        }
    }
    with_unnamed(found, others, asked)
}

/// The text after each label that names a kind, and several lines before the first; `None` if there is no label.
fn by_label(text: &str, asked: &[RewriteKind]) -> Option<Vec<(RewriteKind, String)>> {
    let numbering = Numbering::of(text.lines().map(str::trim_start));
    let mut found: Vec<(RewriteKind, String)> = vec![];
    let mut before = vec![];
    for line in text.lines() {
        if let Some((kind, rest)) = label(line, numbering) {
            found.push((kind, rest.to_owned()));
        } else if let Some((_, part)) = found.last_mut() {
            part.push('\n');
            part.push_str(line);
        } else if marks::has_words(line) {
            before.push(line);
        }
    }
    // A single line is a preamble.
    let others = if before.len() > 1 { vec![before.join("\n")] } else { vec![] };
    with_unnamed(found, others, asked)
}

/// Adds texts that nothing names to those that something does, if they are of a kind that is not among these.
fn with_unnamed(
    mut found: Vec<(RewriteKind, String)>,
    others: Vec<String>,
    asked: &[RewriteKind],
) -> Option<Vec<(RewriteKind, String)>> {
    if found.is_empty() {
        return None;
    }
    if let Some(kind) = unnamed(asked).filter(|kind| found.iter().all(|(named, _)| named != kind)) {
        found.extend(others.into_iter().map(|text| (kind, text)));
    }
    Some(found)
}

/// A label at the beginning of a line: `**Step-back:** text`, `1. Keywords: text`, `## Multi`.
fn label(line: &str, numbering: Numbering) -> Option<(RewriteKind, &str)> {
    let line = line.trim();
    let heading = marks::heading(line);
    let (_, bare) = marks::mark(heading.unwrap_or(line), numbering);
    let bare = bare.trim_start_matches(['*', '_']);
    let (name, rest) = bare.split_once([':', '：']).unwrap_or((bare, ""));
    let alone = rest.is_empty() && !bare.ends_with([':', '：']);
    // A word alone on a line is a label only where it looks like one.
    if alone && heading.is_none() && !line.starts_with("**") {
        return None;
    }
    Some((named(name)?, rest.trim_start_matches(['*', '_', ' ']).trim()))
}

/// The kind that a key or a label names, also in the words that models like to put in its place.
fn named(name: &str) -> Option<RewriteKind> {
    if name.len() > 60 {
        return None;
    }
    let letters: String = name.chars().filter(|c| c.is_alphabetic()).flat_map(char::to_lowercase).collect();
    Some(match letters.as_str() {
        "paraphrase" | "paraphrased" | "paraphrasedquestion" | "paraphrasedquery" => RewriteKind::Paraphrase,
        "multi" | "multiquery" | "multiplequeries" | "multiqueries" | "multiplequestions" => RewriteKind::Multi,
        "keywords" | "keyword" | "keyterms" | "searchterms" => RewriteKind::Keywords,
        "hyde" | "hypotheticalpassage" | "hypotheticaldocument" | "hypotheticalanswer" => RewriteKind::Hyde,
        "stepback" | "stepbackquestion" | "stepbackquery" => RewriteKind::StepBack,
        "decompose" | "decomposed" | "decomposition" | "decomposedquestions" => RewriteKind::Decompose,
        "condense" | "condensed" | "condensedquestion" | "condensedquery" => RewriteKind::Condense,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use RewriteKind::{Hyde, Keywords, Multi, Paraphrase, StepBack};

    fn texts(reply: &str, asked: &[RewriteKind]) -> Vec<(RewriteKind, Vec<String>)> {
        split(reply, asked).0
    }

    #[test]
    fn keys_say_which_kind_it_is() {
        let parts = vec![(Multi, vec!["why a?".to_owned(), "why b?".to_owned()]), (Keywords, vec!["c, d".to_owned()])];
        for reply in [
            r#"{"multi": ["why a?", "why b?"], "keywords": "c, d"}"#,
            r#"{"keywords": "c, d", "multi": ["why a?", "why b?"], "reason": "clear"}"#,
            r#"{"multi": [{"query": "why a?", "reason": "x"}, {"query": "why b?"}], "Keywords": "c, d"}"#,
            r#"{"result": {"multi_query": ["why a?", "why b?"], "keyword": "c, d"}}"#,
            "Here you go:\n```json\n{\"multi\": [\"why a?\", \"why b?\"], \"keywords\": \"c, d\"}\n```\nEnjoy!",
            r"{'multi': ['why a?', 'why b?'], 'keywords': 'c, d',}",
            r#"{"multi": ["why a?", "why b?"], "keywords": "c, d", "hy"#,
            "<think>{\"multi\": []}</think>{\"multi\": [\"why a?\", \"why b?\"], \"keywords\": \"c, d\"}",
        ] {
            assert_eq!(texts(reply, &[Multi, Keywords]), parts, "{reply}");
        }
    }

    #[test]
    fn labels_say_which_kind_it_is() {
        for reply in [
            "paraphrase: why a?\nkeywords: b, c",
            "Sure! Here they are.\n\n**Paraphrase:** why a?\n\n**Keywords**: b, c",
            "## Paraphrase\nwhy a?\n\n## Keywords\nb, c",
            "1. Paraphrase: why a?\n2. Keywords: b, c",
        ] {
            let wanted = vec![(Paraphrase, "why a?".to_owned()), (Keywords, "b, c".to_owned())];
            let got: Vec<_> = texts(reply, &[Paraphrase, Keywords])
                .into_iter()
                .map(|(kind, parts)| (kind, parts.concat().trim().to_owned()))
                .collect();
            assert_eq!(got, wanted, "{reply:?}");
        }
    }

    #[test]
    fn what_nobody_asked_for_is_rejected_and_what_has_no_name_is_the_likeliest() {
        let reply = r#"{"paraphrase": "why a?", "hyde": "It is so.", "step_back": ""}"#;
        let (parts, rejected) = split(reply, &[Paraphrase, Keywords]);
        assert_eq!((parts, rejected), (vec![(Paraphrase, vec!["why a?".to_owned()])], vec![Rejection::Unasked]));
        for reply in [r#"{"queries": ["why a?", "why b?"], "keywords": "c"}"#, "why a?\nwhy b?\n\nKeywords: c"] {
            let parts = texts(reply, &[Multi, Keywords]);
            assert_eq!(parts[0].1.join("\n"), "why a?\nwhy b?", "what only the other kind can be: {reply}");
            assert_eq!(parts[1], (Keywords, vec!["c".to_owned()]));
        }
        for (asked, kind) in [(&[Keywords, Multi][..], Multi), (&[Hyde], Hyde), (&[StepBack, Paraphrase], Paraphrase)] {
            assert_eq!(texts("why a?", asked), [(kind, vec!["why a?".to_owned()])]);
        }
        assert_eq!(split("why a?", &[]), (vec![], vec![]));
    }
}
