//! From a language model's reply to rewrites that can be searched with: pure, and with a typed reason for each refusal.
//!
//! A reply is a claim by a stranger. [`kinds`] finds out which part of it is which kind of rewrite. Each part is
//! unwrapped in four steps, each a file of its own: [`envelope`] drops what surrounds a reply (reasoning, end marks, code
//! fences, characters that nobody sees), [`json`] takes the strings out of structured replies, [`lines`] finds out which
//! lines the model meant as its answer, and [`marks`] takes list marks and quotes off a line. [`chatter`] knows what a
//! preamble and a label look like, [`remark`] and [`refusal`] what they are called after, and [`asked`] what of it all the
//! question has itself. [`titles`] takes off what a list has beside its texts, [`passage`] puts a passage together,
//! [`terms`] a list of keywords.
//!
//! The steps run again on each rewrite until it no longer changes, so cleaning a cleaned rewrite gives itself. Then
//! [`answer`] and [`language`] look at what it says, and [`signs`] at what it lost of the question.

mod answer;
mod asked;
mod chatter;
mod envelope;
mod json;
mod kinds;
mod language;
mod limits;
mod lines;
mod marks;
mod passage;
mod refusal;
mod rejection;
mod remark;
mod signs;
mod terms;
mod titles;
mod vocabulary;

pub use limits::{Form, Limits};
pub use rejection::Rejection;

use std::collections::HashSet;

use self::asked::Asked;
use super::{Rewrite, RewriteKind, Rewrites, Task};

/// The largest reply that is looked into, in bytes: cleaning runs inside an asynchronous task and must be done within
/// milliseconds. A model that says what it was asked for says a hundredth of this.
const MAX_REPLY: usize = 32 << 10;
/// How often a rewrite may be wrapped in marks, quotes and labels before it counts as an attack.
const MAX_ROUNDS: usize = 8;
/// How much of what was said may be useless before the rest is not looked into.
const MAX_REJECTED: usize = 16;

/// What a reply holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Cleaned {
    /// What can be searched with, in the reply's order.
    pub rewrites: Vec<String>,
    /// Why the rest cannot be.
    pub rejected: Vec<Rejection>,
}

impl Cleaned {
    /// The rewrites, or the gravest reason why there is none.
    ///
    /// # Errors
    /// A [`Rejection`] when there is no rewrite.
    pub fn into_result(self) -> Result<Vec<String>, Rejection> {
        if self.rewrites.is_empty() { Err(Rejection::gravest(&self.rejected)) } else { Ok(self.rewrites) }
    }
}

/// Cleans a reply into rewrites of a question, with the [`Limits`] for paraphrases.
///
/// List marks, quotes, emphasis, preambles, labels, remarks, reasoning, code fences and structure are taken off. A
/// rewrite has one line, no control, bidirectional or invisible characters, and differs from the question and from
/// the other rewrites. Cleaning a cleaned rewrite gives itself.
///
/// ```
/// use asktwice::rewrite::{Rejection, clean};
///
/// let reply = "Sure! Here are two search queries:\n\n1. \"Why is my sourdough bread flat?\"\n2. **dense sourdough crumb**";
/// assert_eq!(clean(reply, "flat bread?")?, ["Why is my sourdough bread flat?", "dense sourdough crumb"]);
/// assert_eq!(clean("I'm sorry, but I can't help with that.", "flat bread?"), Err(Rejection::Refusal));
/// assert_eq!(clean("Bread is flat because the yeast is dead.", "flat bread?"), Err(Rejection::Answer));
/// # Ok::<(), Rejection>(())
/// ```
///
/// # Errors
/// [`Rejection`] when nothing in the reply can be searched with.
pub fn clean(reply: &str, question: &str) -> Result<Vec<String>, Rejection> {
    Limits::default().clean(reply, question).into_result()
}

impl Limits {
    /// Cleans a reply; see [`clean`].
    #[must_use]
    pub fn clean(&self, reply: &str, question: &str) -> Cleaned {
        self.clean_all([reply], question)
    }

    /// Cleans several replies to the same question as if one model had said them after each other: they share one
    /// count of rewrites, and what one repeats of another is left out.
    #[must_use]
    pub fn clean_all<R: AsRef<str>>(&self, replies: impl IntoIterator<Item = R>, question: &str) -> Cleaned {
        let mut sieve = Sieve::new(question, question);
        let rewrites = sieve.pass(self, replies);
        Cleaned { rewrites, rejected: sieve.rejected }
    }
}

impl Task {
    /// Cleans a model's reply to this task: finds out which part of it is which kind, and what can be searched with.
    #[must_use]
    pub fn clean(&self, reply: &str) -> Rewrites {
        let (parts, rejected) = kinds::split(reply, &self.kinds);
        let degraded = reply.len() <= MAX_REPLY && json::is_cut_off(&envelope::unwrap(reply));
        Rewrites { degraded, ..self.clean_parts(parts, rejected) }
    }

    /// Cleans replies of which the kind is known.
    #[must_use]
    pub fn clean_all<R: Into<String>>(&self, kind: RewriteKind, replies: impl IntoIterator<Item = R>) -> Rewrites {
        self.clean_parts(vec![(kind, replies.into_iter().map(Into::into).collect())], vec![])
    }

    fn clean_parts(&self, parts: Vec<(RewriteKind, Vec<String>)>, rejected: Vec<Rejection>) -> Rewrites {
        let question = self.question.text();
        let turns = self.question.history().iter().map(|turn| turn.content.as_str());
        let context = turns.chain([question]).collect::<Vec<_>>().join("\n");
        let mut sieve = Sieve { rejected, ..Sieve::new(question, &context) };
        let mut rewrites = vec![];
        for (kind, replies) in parts {
            let profile = kind.profile();
            let mut limits = profile.limits.with_max_rewrites(self.count_of(kind));
            limits.any_language |= self.any_language;
            // A list of words, or of sentences, is one rewrite.
            let one = matches!(limits.form, Form::Keywords | Form::Passage);
            let replies = if one { vec![replies.join("\n")] } else { marks::unnumbered(replies, &sieve.asked) };
            rewrites.extend(sieve.pass(&limits, replies).into_iter().map(|text| Rewrite {
                signs: signs::of(&profile, question, &text),
                kind,
                text,
            }));
        }
        let given = |kind: &RewriteKind| rewrites.iter().any(|rewrite: &Rewrite| rewrite.kind == *kind);
        let missing = self.kinds.iter().copied().filter(|kind| !given(kind)).collect();
        let skipped = self.skipped.clone();
        Rewrites { missing, rejected: sieve.rejected, skipped, rewrites, degraded: false }
    }
}

/// What the replies to one question pass through: nothing that was said before comes out of it.
struct Sieve<'a> {
    asked: Asked<'a>,
    /// What the question may be understood from: the chat and the question.
    context: &'a str,
    seen: HashSet<String>,
    rejected: Vec<Rejection>,
}

impl<'a> Sieve<'a> {
    fn new(question: &'a str, context: &'a str) -> Self {
        Self { asked: Asked::new(question), context, seen: HashSet::new(), rejected: vec![] }
    }

    /// What of these replies can be searched with. Where most of what is said answers, so do the statements between.
    fn pass<R: AsRef<str>>(&mut self, limits: &Limits, replies: impl IntoIterator<Item = R>) -> Vec<String> {
        let before = self.rejected.len();
        let mut rewrites = self.judged(limits, replies);
        let answers = self.rejected[before..].iter().filter(|rejection| **rejection == Rejection::Answer).count();
        if answers > 1 && answers > rewrites.len() {
            let states = |rewrite: &mut String| rewrite.ends_with('.');
            self.rejected.extend(rewrites.extract_if(.., states).map(|_| Rejection::Answer));
        }
        rewrites
    }

    fn judged<R: AsRef<str>>(&mut self, limits: &Limits, replies: impl IntoIterator<Item = R>) -> Vec<String> {
        let mut rewrites = vec![];
        for reply in replies {
            let mut items = items_of_reply(limits.form, reply.as_ref(), &self.asked).unwrap_or_else(|rejection| {
                self.rejected.push(rejection);
                vec![]
            });
            if limits.form == Form::Question && limits.max_rewrites > 1 {
                items = items.into_iter().flat_map(|line| lines::questions(line, &self.asked)).collect();
            }
            for item in items {
                if rewrites.len() == limits.max_rewrites || self.rejected.len() >= MAX_REJECTED {
                    self.rejected.push(Rejection::TooMany);
                    return rewrites;
                }
                match self.judge(limits, item) {
                    Ok(rewrite) => rewrites.push(rewrite),
                    Err(rejection) => self.rejected.push(rejection),
                }
            }
        }
        rewrites
    }

    /// Whether one item can be searched with, once it is clean.
    fn judge(&mut self, limits: &Limits, item: String) -> Result<String, Rejection> {
        let rewrite = settle(limits, item, &self.asked)?;
        let question = self.asked.text();
        if limits.form == Form::Question && answer::is_answer(&rewrite, question) {
            return Err(Rejection::Answer);
        }
        if !limits.any_language && language::differs(&rewrite, question, self.context) {
            return Err(Rejection::Language);
        }
        let said = folded(&rewrite);
        if said == self.asked.folded() {
            Err(Rejection::SameAsQuestion)
        } else if self.seen.insert(said) {
            Ok(rewrite)
        } else {
            Err(Rejection::Repeated)
        }
    }
}

/// Takes one item for a reply of its own, again and again until it stays as it is.
fn settle(limits: &Limits, item: String, asked: &Asked<'_>) -> Result<String, Rejection> {
    let limit = limits.chars_for(asked.text());
    let mut text = item;
    for _ in 0..MAX_ROUNDS {
        // Marks, quotes and labels are short: nothing makes a line of this size short enough, so spare the work.
        if text.len() > limit.saturating_mul(8).saturating_add(256) {
            return Err(Rejection::TooLong { limit });
        }
        let mut again = items(limits.form, &text, asked)?;
        match (again.pop(), again.is_empty()) {
            (Some(same), true) if same == text => {
                return if text.chars().count() > limit { Err(Rejection::TooLong { limit }) } else { Ok(text) };
            }
            (Some(cleaner), true) => text = cleaner,
            _ => return Err(Rejection::NotText),
        }
    }
    Err(Rejection::NotText)
}

/// The parts of a whole reply, unless it is too large to look into.
fn items_of_reply(form: Form, reply: &str, asked: &Asked<'_>) -> Result<Vec<String>, Rejection> {
    if reply.len() > MAX_REPLY {
        return Err(Rejection::TooLarge { limit: MAX_REPLY });
    }
    items(form, reply, asked)
}

/// The parts of a reply that the model meant as its answer, one line each, tidied once. Keywords and a passage are one
/// part.
fn items(form: Form, reply: &str, asked: &Asked<'_>) -> Result<Vec<String>, Rejection> {
    let text = if form == Form::Passage { envelope::unwrap_passage(reply) } else { envelope::unwrap(reply) };
    let Some(first) = text.lines().find(|line| marks::has_words(line)) else {
        return Err(Rejection::Empty);
    };
    // What follows a refusal ("However, here are …") is not a rewrite of this question.
    if refusal::is_refusal(first) && !refusal::is_refusal(asked.text()) {
        return Err(Rejection::Refusal);
    }
    let structured = match form {
        Form::Passage => json::is_whole(&text),
        // What looks like structure may be what is asked about.
        _ => !json::structure(&text).is_some_and(|structure| asked.holds(structure)),
    };
    let found = match (structured.then(|| json::strings(&text)).flatten(), form) {
        (Some(strings), _) if strings.is_empty() => return Err(Rejection::NotText),
        (Some(strings), Form::Keywords) => strings.iter().map(|list| terms::unlabelled(list)).collect(),
        (Some(strings), _) => {
            let lines = strings.iter().flat_map(|text| text.lines()).map(str::to_owned).collect();
            marks::unnumbered(lines, asked)
        }
        (None, Form::Passage) => vec![passage::text(&text)?],
        (None, Form::Keywords) => lines::items(&terms::unlabelled(&text), form, asked)?,
        (None, Form::Question | Form::Text) => lines::items(&text, form, asked)?,
    };
    Ok(match form {
        Form::Question | Form::Text => found,
        Form::Keywords => vec![terms::of(&found.join(", "), asked.text())],
        Form::Passage => vec![found.join(" ")],
    })
}

/// What two texts have in common that say the same: their letters and digits, in lower case.
fn folded(text: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, '+' | '#');
    text.chars().flat_map(char::to_lowercase).filter(kept).collect()
}

#[cfg(test)]
mod tests;
