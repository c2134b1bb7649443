//! Whether a line refuses, reports a filter, or asks back. As with all talk, in doubt it is a question: people, too, say
//! what they cannot do ("I can't create an account"), whose words are asked about ("As an assistant professor, …") and
//! what they are sorry for. What a model says is about a request, or about itself.

mod words;

use self::words::{
    ABOUT, AGAINST, ASKING_BACK, BINDING, CAN_DO, DESIGNED, DOING, EVERYDAY, FILTERED, FILTERS, FOLLOWING,
    FOREIGN_REFUSALS, HELP_WITH_WHAT, HELPING, I_AM, INAPPROPRIATE, ITS_WORK, JOINING, LACKING, MEANING, MISSING,
    MODEL_WORDS, MODELS_OWN, NOT, NOT_SOMETHING, OFFERS, REFUSALS, REFUSED, REQUESTS, SORRY, TELL_ME, UNABLE, VAGUE,
    VERDICTS, WANTING, WHAT_YOU, YOUR_MATTERS,
};
use super::chatter::{QUESTION_MARKS, after, begins, holds, is_searched_for, plain, quotes, words};

/// Whether a line refuses, reports a filter, or asks back.
pub(super) fn is_refusal(line: &str) -> bool {
    let end = line.char_indices().nth(400).map_or(line.len(), |(at, _)| at);
    let text = plain(&line[..end]);
    if quotes(line) {
        return false;
    }
    // The strings of a structure are looked at one by one.
    if text.starts_with('{') || ["[\"", "['", "[{"].iter().any(|begin| text.starts_with(begin)) {
        return false;
    }
    let certain = REFUSALS.contains(&text.trim_matches(|c: char| !c.is_alphanumeric()))
        || FOREIGN_REFUSALS.iter().any(|(begin, verb)| text.starts_with(begin) && text.contains(verb))
        || confesses(&text)
        || is_filtered(&text)
        || asks_back(&text)
        || consoles(&text);
    certain
        || !is_own_matter(&text)
            && !is_searched_for(&text)
            && (is_sorry(&text) || will_not(&text) || is_bound(&text) || lacks(&text))
}

/// What follows the first of some beginnings that the text has.
fn after_any<'a>(text: &'a str, beginnings: &[&str]) -> Option<&'a str> {
    beginnings.iter().find_map(|begin| after(text, begin))
}

/// Whether nothing follows but signs.
fn ends_here(rest: &str) -> bool {
    rest.starts_with(['.', ',', ';', ':', '!', '?', '—', '–']) || rest.trim().is_empty()
}

/// Whether somebody asks about a matter of his own: "I can't answer calls, how can I fix it?", "… my landlord …".
fn is_own_matter(text: &str) -> bool {
    let asks = text.split_inclusive(['.', '!', '?', '？', '؟']).any(|sentence| {
        sentence.ends_with(QUESTION_MARKS)
            && !holds(sentence, OFFERS)
            && !words(sentence).any(|word| matches!(word.as_str(), "you" | "your" | "you'd" | "you're"))
    });
    let mut said = words(text);
    let mut mine = false;
    while let Some(word) = said.next() {
        mine |= matches!(word.as_str(), "my" | "our") && said.next().is_some_and(|of| !MODELS_OWN.contains(&&*of));
    }
    asks || mine
}

/// "I'm sorry, but I can't", "Unfortunately, I am unable to do this". Not "I'm afraid of …", "Unfortunately, dogs cannot …".
fn is_sorry(text: &str) -> bool {
    let Some(begin) = SORRY.iter().find(|begin| text.starts_with(**begin)) else { return false };
    let rest = &text[begin.len()..];
    let another = begins(rest.trim_start(), &["of", "to", "about", "my", "for"]);
    let impersonal = *begin == "unfortunately" && !holds(rest, &[" i ", " i'", " my ", "request", "your", "this"]);
    // "Unfortunately I cannot attend interview email"
    let sought = EVERYDAY.contains(begin) && !text.contains(['.', '!']) && !holds(rest, REFUSED);
    !another && !impersonal && !sought && holds(text, NOT)
}

/// "I'm sorry to hear that. I have forwarded your complaint.": a model that takes itself for the help desk.
fn consoles(text: &str) -> bool {
    const CONSOLING: &[&str] = &[
        "i'm sorry to hear",
        "i'm so sorry to hear",
        "i am sorry to hear",
        "sorry to hear that",
        "i apologize for the inconvenience",
        "i apologize for the bad",
        "i apologize for any",
        "we apologize for",
    ];
    begins(text, CONSOLING) && text.contains(". ") && text.ends_with(['.', '!'])
}

/// "I can't help with that", "I must decline to answer", "Cannot comply": what is refused has to be the model's own work.
fn will_not(text: &str) -> bool {
    let Some(rest) = after_any(text, UNABLE) else { return false };
    let rest = rest.trim_start();
    let rest = after_any(rest, &["to", "be able to"]).unwrap_or(rest).trim_start();
    // "Unable to share content on Instagram" is searched for: nobody says so of himself.
    let of_itself = text.starts_with(['i', 'w']);
    after_any(rest, HELPING).is_some()
        || after(rest, "help").is_some_and(ends_here)
        || after_any(rest, DOING).is_some_and(|object| is_request(object) && (of_itself || is_short(object)))
}

/// Whether a text has no more than two words.
fn is_short(text: &str) -> bool {
    words(text).nth(2).is_none()
}

/// Whether the object of a verb is a request: nothing, "that", "this kind of question", "instructions on …". Not "this
/// call", "interview questions confidently".
fn is_request(object: &str) -> bool {
    const LOOKED_AT: usize = 6;
    let clause = object.split(['.', ',', ';', '!', '?', '—', '–']).next().unwrap_or_default();
    let said: Vec<String> = words(clause).take(LOOKED_AT + 1).collect();
    // "Cannot comply." refuses; "cannot write" may be searched for.
    let bare = (!said.is_empty() || ends_here(object) && !object.trim().is_empty())
        && said.last().is_none_or(|last| matches!(last.as_str(), "that" | "this" | "it" | "here" | "you"));
    bare && said.len() <= 3
        || said.iter().take(LOOKED_AT).enumerate().any(|(at, word)| {
            REQUESTS.contains(&word.as_str())
                && said
                    .get(at + 1)
                    .is_none_or(|next| FOLLOWING.contains(&next.as_str()) || REQUESTS.contains(&next.as_str()))
        })
}

/// What a model may not do by what it was told: "My guidelines prevent me …", "It would be inappropriate for me to …".
fn is_bound(text: &str) -> bool {
    let told = after_any(text, &["my guidelines", "my programming", "my instructions", "my training"]);
    told.is_some_and(|rest| words(rest).next().is_some_and(|verb| BINDING.contains(&verb.as_str())))
        || begins(text, DESIGNED)
        || NOT_SOMETHING.iter().any(|begin| text.strip_prefix(begin).is_some_and(|rest| begins(rest, CAN_DO)))
        || holds(text, INAPPROPRIATE)
        || holds(text, AGAINST)
}

/// "I need more context", "I don't have enough information to rewrite the question".
fn lacks(text: &str) -> bool {
    after_any(text, LACKING).is_some_and(|rest| ends_here(rest) || holds(rest, ITS_WORK))
        || begins(text, &["i don't have", "i do not have"]) && holds(text, YOUR_MATTERS)
}

/// A model that says that it is one: "As an AI language model, …", "I'm just an AI …". Not "As an AI engineer, …".
fn confesses(text: &str) -> bool {
    let Some(rest) = after_any(text, I_AM) else { return false };
    let mut named = false;
    let mut assists = false;
    let ends = |word: &str| word.ends_with([',', '.', ';', ':', '!', '—', '–']);
    let mut joined = true;
    for word in rest.split_whitespace() {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        if !MODEL_WORDS.contains(&bare) || bare == "and" && named {
            joined = JOINING.contains(&bare) || bare.starts_with("i'") || bare.ends_with("ed");
            break;
        }
        named |= matches!(bare, "ai" | "llm" | "chatbot" | "ai-powered")
            || bare == "intelligence"
            || bare == "language" && rest.contains("model");
        assists |= bare == "assistant";
        if ends(word) {
            break;
        }
    }
    // People are assistants, too.
    let negated = || text.starts_with("as ") && !is_own_matter(text) && holds(text, NOT);
    joined && (named || assists && negated())
}

/// A gateway's or provider's notice in place of a reply. "Content moderation is …" is none.
fn is_filtered(text: &str) -> bool {
    let bracketed = text.starts_with(['[', '(']) && text.ends_with([']', ')', '.']);
    let subject = FILTERED.iter().find_map(|subject| text.strip_prefix(subject));
    // A bank rejects requests, too, and a phone blocks messages.
    let verdict = || VERDICTS.iter().any(|verdict| text.split_once(verdict).is_some_and(|(_, rest)| ends_here(rest)));
    let filters = |rest: &str| holds(rest, VERDICTS) && holds(rest, FILTERS);
    !text.ends_with(QUESTION_MARKS)
        && (subject.is_some_and(|rest| filters(rest) || verdict())
            || bracketed && text.contains("content") && text.contains("filter"))
}

/// "What question would you like me to rewrite?", "Could you provide more context?", "How can I help you today?". Not
/// "Could you provide information on …?", "How can I help my dog?".
fn asks_back(text: &str) -> bool {
    let about = |words: &[&str]| holds(text, words);
    holds(text, MISSING) && about(ABOUT)
        || about(&["please provide more", "please give me more", "please share more"])
            && about(&["so that i can", "so i can"])
        || begins(text, ASKING_BACK)
        || begins(text, TELL_ME) && about(MEANING)
        || after_any(text, HELP_WITH_WHAT).is_some_and(|rest| {
            let you = after(rest.trim_start(), "you");
            ends_here(rest)
                || begins(rest.trim_start(), &["today"])
                || you.is_some_and(|rest| ends_here(rest) || begins(rest.trim_start(), &["today", "with", "further"]))
        })
        || after_any(text, WANTING).is_some_and(|rest| {
            let wanted = rest.split(['?', '.', '!']).next().unwrap_or_default();
            let only = words(wanted).all(|word| VAGUE.contains(&word.as_str()) || ABOUT.contains(&word.as_str()));
            !wanted.trim().is_empty() && only || holds(rest, ITS_WORK) || holds(rest, WHAT_YOU)
        })
}
