//! JSON lines: bounded reading of lines, and one line's JSON as a passage.

use std::io::{self, BufRead};

use serde_json::{Map, Value};

use crate::{ranking::Passage, search::check_field};

/// One read line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// The input is at its end.
    End,
    /// A line is in the buffer, without its end; this many bytes of input were consumed.
    Whole(u64),
    /// A line was longer than the cap. It was skipped; this many bytes of input were consumed.
    TooLong(u64),
}

/// Reads the next line into the buffer, which never holds more than `cap` bytes.
pub(super) fn next_line(reader: &mut impl BufRead, buffer: &mut Vec<u8>, cap: usize) -> io::Result<Line> {
    buffer.clear();
    let mut consumed = 0;
    let mut too_long = false;
    loop {
        let available = match reader.fill_buf() {
            Ok(available) => available,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let end = available.iter().position(|byte| *byte == b'\n');
        let content = &available[..end.unwrap_or(available.len())];
        too_long |= buffer.len() + content.len() > cap;
        if !too_long {
            buffer.extend_from_slice(content);
        }
        let at_end = available.is_empty();
        let taken = end.map_or(content.len(), |end| end + 1);
        reader.consume(taken);
        consumed += taken as u64;
        match (at_end, end) {
            (true, _) if consumed == 0 => return Ok(Line::End),
            (true, _) | (_, Some(_)) => break,
            (false, None) => {}
        }
    }
    Ok(if too_long { Line::TooLong(consumed) } else { Line::Whole(consumed) })
}

/// Makes a document of one line's JSON; `fallback_id` is its id if it names none.
///
/// # Errors
/// Says what is wrong with the line.
pub(super) fn parse(line: &[u8], fallback_id: impl FnOnce() -> String) -> Result<Passage, String> {
    let line = std::str::from_utf8(line).map_err(|error| format!("is not UTF-8 ({error})"))?;
    let mut fields: Map<String, Value> = match serde_json::from_str(line) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) => return Err("is not a JSON object".to_owned()),
        Err(error) => return Err(format!("is not JSON: {}", without_line(&error))),
    };
    let id = id(&mut fields)?.unwrap_or_else(fallback_id);
    let title = text_field(&mut fields, "title")?.unwrap_or_default();
    let text = match text_field(&mut fields, "text")? {
        Some(text) => text,
        None => text_field(&mut fields, "content")?.ok_or("has no `text`")?,
    };
    // A title alone is still something to be found: many abstracts are missing in BEIR's collections.
    if text.trim().is_empty() && title.trim().is_empty() {
        return Err("its text is empty".to_owned());
    }
    if let Some(name) = ["document_id", "position"].iter().find(|name| fields.contains_key(**name)) {
        return Err(format!("has a field called `{name}`, a name that asktwice uses itself; rename it"));
    }
    // A store refuses a whole batch for one value; here it is one line's problem.
    for (name, value) in &fields {
        check_field(value).map_err(|problem| format!("its `{name}` {problem}"))?;
    }
    // BEIR writes an empty object into every line; it says nothing and would be stored a million times.
    if fields.get("metadata").is_some_and(is_nothing) {
        fields.remove("metadata");
    }
    Ok(Passage::new(id, text).with_title(title).with_payload(fields))
}

/// Takes the id out of the fields: `_id`, or `id` if there is no `_id`.
fn id(fields: &mut Map<String, Value>) -> Result<Option<String>, String> {
    let name = if fields.contains_key("_id") { "_id" } else { "id" };
    match fields.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(id)) if id.trim().is_empty() => Err(format!("its `{name}` is empty")),
        Some(Value::String(id)) => Ok(Some(id)),
        Some(Value::Number(id)) if id.is_i64() || id.is_u64() => Ok(Some(id.to_string())),
        Some(_) => Err(format!("its `{name}` is neither a text nor a whole number")),
    }
}

/// Takes a text out of the fields; null counts as absent.
fn text_field(fields: &mut Map<String, Value>, name: &str) -> Result<Option<String>, String> {
    match fields.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("its `{name}` is not a text")),
    }
}

fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_object().is_some_and(Map::is_empty)
}

/// The parser counts lines within the one line that it is given: "line 1" would point at the wrong place.
fn without_line(error: &serde_json::Error) -> String {
    error.to_string().replace(" at line 1 column ", " at column ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Passage, String> {
        parse(line.as_bytes(), || "file:7".to_owned())
    }

    #[test]
    fn reads_ids_titles_texts_and_keeps_the_rest() {
        let line = r#"{"_id": 4983, "id": "x", "title": "T", "text": "t", "metadata": {"a": 1}, "year": 2020}"#;
        let passage = parsed(line).unwrap();
        assert_eq!((passage.id.as_str(), passage.document_id.as_str(), passage.position), ("4983", "4983", 0));
        assert_eq!(passage.embedded_text(), "T t");
        let payload = serde_json::json!({"id": "x", "metadata": {"a": 1}, "year": 2020});
        assert_eq!(Value::Object(passage.payload), payload);
        let passage = parsed(r#"{"content": "c", "title": null, "metadata": {}}"#).unwrap();
        assert_eq!((passage.id.as_str(), passage.text.as_str(), passage.payload.len()), ("file:7", "c", 0));
        assert_eq!(parsed(r#"{"title": "only", "text": ""}"#).unwrap().title, "only");
    }

    #[test]
    fn says_what_is_wrong_with_a_line() {
        for (line, what) in [
            ("{\"text\": ", "is not JSON: EOF while parsing a value at column 9"),
            ("[1]", "is not a JSON object"),
            ("{\"id\": 1}", "has no `text`"),
            ("{\"text\": \" \"}", "its text is empty"),
            ("{\"text\": 5}", "its `text` is not a text"),
            ("{\"text\": \"t\", \"_id\": 1.5}", "its `_id` is neither a text nor a whole number"),
            ("{\"text\": \"t\", \"_id\": \"\"}", "its `_id` is empty"),
        ] {
            assert_eq!(parsed(line).unwrap_err(), what);
        }
        let reserved = parsed(r#"{"text": "t", "position": 3}"#).unwrap_err();
        assert!(reserved.contains("`position`"), "{reserved}");
        let nested =
            |depth: usize| format!(r#"{{"text": "t", "a": {}1{}}}"#, "[".repeat(depth - 1), "]".repeat(depth - 1));
        assert!(parsed(&nested(30)).is_ok());
        let deep = parsed(&nested(31)).unwrap_err();
        assert_eq!(deep, "its `a` is nested more than 30 deep; flatten it");
        assert!(parsed(r#"{"text": "t", "a": 9223372036854775807, "b": 1e300}"#).is_ok());
        let large = parsed(r#"{"text": "t", "a": {"b": [9223372036854775808]}}"#).unwrap_err();
        assert!(
            large.starts_with("its `a` holds the whole number 9223372036854775808, above 9223372036854775807"),
            "{large}"
        );
        assert!(parse(b"{\"text\": \"\xff\"}", String::new).unwrap_err().starts_with("is not UTF-8"));
        assert!(parsed(&("{\"text\":".to_owned() + &"[".repeat(100_000))).is_err());
    }

    #[test]
    fn a_line_over_the_cap_is_skipped_and_the_next_is_read() {
        // A buffer smaller than a line, so that lines arrive in pieces.
        let mut reader = io::BufReader::with_capacity(4, "12345678\n123456789\n\nab".as_bytes());
        let mut buffer = vec![];
        let mut next = |buffer: &mut Vec<u8>| next_line(&mut reader, buffer, 8).unwrap();
        assert_eq!(next(&mut buffer), Line::Whole(9));
        assert_eq!(buffer, b"12345678");
        assert_eq!(next(&mut buffer), Line::TooLong(10));
        assert_eq!(next(&mut buffer), Line::Whole(1));
        assert!(buffer.is_empty());
        assert_eq!(next(&mut buffer), Line::Whole(2));
        assert_eq!(buffer, b"ab");
        assert_eq!(next(&mut buffer), Line::End);
    }
}
