//! One prompt: a strict Jinja template that was tried before it is used.

use std::{collections::HashSet, path::Path};

use minijinja::{Environment, UndefinedBehavior, Value, context};

use super::VARIABLES;

/// The longest template, in bytes.
const MAX_TEMPLATE: usize = 32 * 1024;
/// The template's name inside its environment.
const TEMPLATE: &str = "prompt";

/// A prompt for one kind of rewrite: a Jinja template with the variables `question`, `history` and `count`, none of
/// which it has to use.
#[derive(Debug, Clone)]
pub struct Prompt {
    templates: Environment<'static>,
    variables: HashSet<String>,
    name: String,
    text: String,
}

impl Prompt {
    /// Reads a prompt from a file.
    ///
    /// # Errors
    /// [`PromptError`] names the file, and says what is wrong with it.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, PromptError> {
        let path = path.as_ref();
        Self::named(&path.display().to_string(), &read(path)?, VARIABLES)
    }

    /// Takes a template for a prompt.
    ///
    /// # Errors
    /// [`PromptError`] if it is not a template, is empty, or asks for an unknown variable.
    pub fn parse(text: &str) -> Result<Self, PromptError> {
        Self::named("the prompt", text, VARIABLES)
    }

    /// Takes a template that may use these variables, and tries it.
    pub(super) fn named(name: &str, text: &str, known: &[&str]) -> Result<Self, PromptError> {
        let (name, text) = (name.to_owned(), text.to_owned());
        if text.len() > MAX_TEMPLATE {
            return Err(PromptError::TooLong { name, limit: MAX_TEMPLATE });
        }
        let mut templates = Environment::new();
        templates.set_undefined_behavior(UndefinedBehavior::Strict);
        // A prompt is not HTML, whatever the file is called.
        templates.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        let template = |source| PromptError::Template { name: name.clone(), source };
        templates.add_template_owned(TEMPLATE, text.clone()).map_err(template)?;
        let mut variables = templates.get_template(TEMPLATE).map_err(template)?.undeclared_variables(false);
        variables.retain(|variable| !templates.globals().any(|(global, _)| global == variable));
        if let Some(variable) = variables.iter().filter(|variable| !known.contains(&variable.as_str())).min().cloned() {
            return Err(PromptError::Variable { name, variable, known: known.join("\", \"") });
        }
        let prompt = Self { templates, variables, name, text };
        prompt.tried()
    }

    /// Fills it with made-up values: filters and tests that do not exist are only found by using them.
    fn tried(self) -> Result<Self, PromptError> {
        let turn = context! { role => "user", content => "hello" };
        let task = context! { kind => "paraphrase", text => "Rewrite it.", many => false };
        let mut says_something = false;
        for (history, tasks, json) in
            [(vec![], vec![task.clone()], false), (vec![turn.clone(), turn], vec![task.clone(), task], true)]
        {
            let filled = self.render(context! { question => "why?", history, count => 3, tasks, json })?;
            says_something |= !filled.trim().is_empty();
        }
        if says_something { Ok(self) } else { Err(PromptError::Empty { name: self.name }) }
    }

    /// The template, filled.
    pub(super) fn render(&self, values: Value) -> Result<String, PromptError> {
        let render = || self.templates.get_template(TEMPLATE)?.render(values);
        render().map_err(|source| PromptError::Template { name: self.name.clone(), source })
    }

    /// Whether the template asks for a variable.
    pub(super) fn uses(&self, variable: &str) -> bool {
        self.variables.contains(variable)
    }

    /// The template itself.
    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

/// Reads a template's file.
pub(super) fn read(path: &Path) -> Result<String, PromptError> {
    std::fs::read_to_string(path).map_err(|source| PromptError::Read { name: path.display().to_string(), source })
}

/// Why a prompt cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PromptError {
    /// The file or folder cannot be read.
    #[error("{name} cannot be read")]
    Read {
        /// The file.
        name: String,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// It is too long.
    #[error("{name} is longer than {limit} bytes; a prompt is a page, not a book")]
    TooLong {
        /// The file.
        name: String,
        /// How many bytes are allowed.
        limit: usize,
    },
    /// It says nothing.
    #[error("{name} is an empty prompt; write what the language model should do, or remove the file")]
    Empty {
        /// The file.
        name: String,
    },
    /// It is not a template that can be filled.
    #[error("{name} is not a usable Jinja template")]
    Template {
        /// The file.
        name: String,
        /// What is wrong, and in which line.
        #[source]
        source: minijinja::Error,
    },
    /// It asks for a variable that does not exist.
    #[error("{name} uses the variable {variable:?}; there are \"{known}\"")]
    Variable {
        /// The file.
        name: String,
        /// The unknown variable.
        variable: String,
        /// The known ones.
        known: String,
    },
    /// The question is not in the frame.
    #[error("{name} does not use the variable \"question\"; put {{{{ question }}}} where it belongs")]
    NoQuestion {
        /// The file.
        name: String,
    },
    /// The folder holds a file that is no prompt.
    #[error(
        "{name} is named after no kind of rewrite; use frame.md, or paraphrase.md, multi.md, keywords.md, hyde.md, step-back.md, decompose.md, condense.md"
    )]
    Unknown {
        /// The file.
        name: String,
    },
    /// The folder holds no prompt.
    #[error("{name} holds no prompt; put a paraphrase.md into it, for example, see config/prompts")]
    None {
        /// The folder.
        name: String,
    },
}
