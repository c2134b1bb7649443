//! Whether endpoints are held to a schema.

use std::str::FromStr;

/// Whether an endpoint is held to a JSON schema for its reply (`response_format`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Structured {
    /// Yes, until it turns out not to know schemas.
    #[default]
    Auto,
    /// Always.
    On,
    /// Never; the reply is read with tolerance.
    Off,
}

/// Why a word is no [`Structured`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{word:?} is none of auto, on and off")]
pub struct UnknownStructured {
    word: String,
}

impl FromStr for Structured {
    type Err = UnknownStructured;

    fn from_str(word: &str) -> Result<Self, UnknownStructured> {
        match word {
            "auto" => Ok(Self::Auto),
            "on" => Ok(Self::On),
            "off" => Ok(Self::Off),
            _ => Err(UnknownStructured { word: word.to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_structured() {
        assert_eq!("auto".parse(), Ok(Structured::Auto));
        assert_eq!("yes".parse::<Structured>().unwrap_err().to_string(), "\"yes\" is none of auto, on and off");
    }
}
