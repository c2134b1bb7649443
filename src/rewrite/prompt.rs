//! What the language model is told: templates that users may replace, one for each kind of rewrite and one around them,
//! with the question and its chat as data.

mod template;
pub use template::{Prompt, PromptError};

use std::{collections::BTreeMap, path::Path};

use minijinja::{Value, context};
use sha2::{Digest, Sha256};

use super::{RewriteKind, Task};
use crate::question::{Question, Speaker};

/// How many characters of a question the model gets to read. A longer one keeps its first and its last half of this:
/// who pastes a text usually asks before or after it.
const MAX_QUESTION_CHARS: usize = 2_000;
/// How many characters of one earlier turn it gets to read.
const MAX_TURN_CHARS: usize = 1_000;
/// How many characters of the chat it gets to read, the latest turns first.
const MAX_CHAT_CHARS: usize = 4_000;

/// The variables of every prompt.
const VARIABLES: &[&str] = &["question", "history", "count"];
/// The variables of the frame.
const FRAME_VARIABLES: &[&str] = &["question", "history", "count", "tasks", "json"];

/// The name of the frame's file, without its ending.
const FRAME: &str = "frame";
const FRAME_TEXT: &str = include_str!("../../config/prompts/frame.md");

/// The prompt that comes with asktwice for a kind.
fn built_in(kind: RewriteKind) -> &'static str {
    match kind {
        RewriteKind::Paraphrase => include_str!("../../config/prompts/paraphrase.md"),
        RewriteKind::Multi => include_str!("../../config/prompts/multi.md"),
        RewriteKind::Keywords => include_str!("../../config/prompts/keywords.md"),
        RewriteKind::Hyde => include_str!("../../config/prompts/hyde.md"),
        RewriteKind::StepBack => include_str!("../../config/prompts/step-back.md"),
        RewriteKind::Decompose => include_str!("../../config/prompts/decompose.md"),
        RewriteKind::Condense => include_str!("../../config/prompts/condense.md"),
    }
}

/// The prompts of all kinds, and the frame that holds those of one call together.
///
/// A kind's prompt says what to write; the frame adds the question and its chat, delimited, and says in which form to
/// reply. All are strict Jinja templates with the variables `question`, `history` (turns with `role` and `content`)
/// and `count`; the frame also knows `tasks` and `json`.
///
/// ```
/// # use asktwice::rewrite::{Prompt, PromptError, Prompts, RewriteKind};
/// let prompt = Prompt::parse("Translate the question into the words of a tax lawyer.")?;
/// let prompts = Prompts::built_in()?.with(RewriteKind::Paraphrase, prompt);
/// # Ok::<(), PromptError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Prompts {
    kinds: BTreeMap<RewriteKind, Prompt>,
    frame: Prompt,
}

impl Prompts {
    /// The prompts that come with asktwice, `config/prompts/*.md`.
    ///
    /// # Errors
    /// None that a test would not have found; see [`read`](Self::read).
    pub fn built_in() -> Result<Self, PromptError> {
        let prompt = |kind: RewriteKind| {
            let name = format!("config/prompts/{kind}.md");
            Ok((kind, Prompt::named(&name, built_in(kind), VARIABLES)?))
        };
        let kinds = RewriteKind::ALL.into_iter().map(prompt).collect::<Result<_, PromptError>>()?;
        Ok(Self { kinds, frame: frame("config/prompts/frame.md", FRAME_TEXT)? })
    }

    /// Reads a folder with prompts of one's own: `paraphrase.md`, `frame.md` and so on. Those that it lacks are the
    /// ones that come with asktwice.
    ///
    /// # Errors
    /// [`PromptError`] names the file, and says what is wrong with it. A `.md` file of another name is one, too: a
    /// misspelt prompt must not be passed over.
    pub fn read(folder: impl AsRef<Path>) -> Result<Self, PromptError> {
        let folder = folder.as_ref();
        let place = folder.display().to_string();
        let unreadable = |source| PromptError::Read { name: place.clone(), source };
        let mut prompts = Self::built_in()?;
        let mut found = 0;
        for entry in std::fs::read_dir(folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.extension().is_none_or(|ending| ending != "md") {
                continue;
            }
            found += 1;
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            let name = path.display().to_string();
            let text = template::read(&path)?;
            if stem == FRAME {
                prompts.frame = frame(&name, &text)?;
            } else if let Ok(kind) = stem.parse() {
                prompts.kinds.insert(kind, Prompt::named(&name, &text, VARIABLES)?);
            } else {
                return Err(PromptError::Unknown { name });
            }
        }
        if found == 0 { Err(PromptError::None { name: place }) } else { Ok(prompts) }
    }

    /// Sets the prompt of a kind.
    #[must_use]
    pub fn with(mut self, kind: RewriteKind, prompt: Prompt) -> Self {
        self.kinds.insert(kind, prompt);
        self
    }

    /// What the model is told for a task, and whether it is asked for JSON: always where there are several kinds, and
    /// wherever the endpoint is held to a schema anyway.
    ///
    /// # Errors
    /// [`PromptError::Template`] if a template does with the question what cannot be done.
    pub(super) fn render(&self, task: &Task, json: bool) -> Result<String, PromptError> {
        let question = Value::from(as_data(task.question.text(), MAX_QUESTION_CHARS));
        let history = Value::from(shown_history(&task.question));
        let mut tasks = vec![];
        for kind in &task.kinds {
            let Some(prompt) = self.kinds.get(kind) else { continue };
            let text = prompt.render(
                context! { question => question.clone(), history => history.clone(), count => task.count_of(*kind) },
            )?;
            tasks.push(context! { kind => kind.name(), text, many => kind.profile().many });
        }
        self.frame.render(context! { question, history, count => task.count, tasks, json })
    }

    /// Tells these prompts from others.
    pub(super) fn identity(&self) -> String {
        let mut hash = Sha256::new();
        for prompt in self.kinds.values().chain([&self.frame]) {
            hash.update(prompt.text().len().to_le_bytes());
            hash.update(prompt.text());
        }
        format!("{:x}", hash.finalize())
    }
}

fn frame(name: &str, text: &str) -> Result<Prompt, PromptError> {
    let frame = Prompt::named(name, text, FRAME_VARIABLES)?;
    if frame.uses("question") { Ok(frame) } else { Err(PromptError::NoQuestion { name: name.to_owned() }) }
}

/// The latest turns of a chat, as far as the model gets to read them.
fn shown_history(question: &Question) -> Vec<Value> {
    let mut room = MAX_CHAT_CHARS;
    let mut shown = vec![];
    for turn in question.history().iter().rev() {
        let content = as_data(&turn.content, MAX_TURN_CHARS.min(room));
        room = room.saturating_sub(content.chars().count());
        let role = match turn.role {
            Speaker::User => "user",
            Speaker::Assistant => "assistant",
        };
        shown.push(context! { role, content });
        if room == 0 {
            break;
        }
    }
    shown.reverse();
    shown
}

/// A text as data: no longer than the cap, and unable to close the tag that it stands in.
fn as_data(text: &str, max_chars: usize) -> String {
    let chars = text.chars().count();
    let capped = if chars > max_chars {
        let head = text.chars().take(max_chars / 2);
        let tail = text.chars().skip(chars - max_chars / 2);
        head.chain(" … ".chars()).chain(tail).collect()
    } else {
        text.to_owned()
    };
    capped.replace("</", "< /")
}

#[cfg(test)]
mod tests;
