//! How questions are cut into parts for cross-validation: the same questions are cut the same way every time.

use std::collections::HashMap;

use super::{JudgedQuestion, random::SplitMix64};
use crate::ranking::PointId;

/// How many parts the questions are cut into.
pub(super) const FOLDS: usize = 5;
/// Any number; fixed, so that the same questions are cut the same way.
const SEED: u64 = 0x666f_6c64;

/// Which fold each question is in: folds of the same size, at random, since questions beside each other in a file are often
/// alike.
pub(super) fn at_random(questions: usize) -> Vec<usize> {
    let mut folds: Vec<usize> = (0..questions).map(|question| question % FOLDS).collect();
    SplitMix64::new(SEED).shuffle(&mut folds);
    folds
}

/// Folds in which no right answer is in two of them: questions that share one are kept together, and whoever shares one
/// with those, too.
pub(super) fn by_answer(questions: &[&JudgedQuestion]) -> Vec<usize> {
    let mut groups: Vec<usize> = (0..questions.len()).collect();
    let mut first: HashMap<PointId, usize> = HashMap::new();
    for (place, question) in questions.iter().enumerate() {
        for answer in question.answers() {
            let (one, other) = (groups[*first.entry(answer).or_insert(place)], groups[place]);
            groups.iter_mut().filter(|group| **group == other).for_each(|group| *group = one);
        }
    }
    let mut numbers: HashMap<usize, usize> = HashMap::new();
    let next = |numbers: &HashMap<usize, usize>| numbers.len() % FOLDS;
    groups
        .into_iter()
        .map(|group| {
            let new = next(&numbers);
            *numbers.entry(group).or_insert(new)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_are_equal_and_the_same_every_time() {
        let cut = at_random(23);
        assert_eq!(cut, at_random(23));
        for fold in 0..FOLDS {
            assert!((4..=5).contains(&cut.iter().filter(|own| **own == fold).count()));
        }
    }

    #[test]
    fn questions_that_share_an_answer_share_a_fold() {
        let question = |answers: &[u64]| JudgedQuestion {
            id: String::new(),
            text: String::new(),
            grades: answers.iter().map(|answer| (PointId::Number(*answer), 1)).collect(),
        };
        let questions = [&[1][..], &[2], &[1, 3], &[3], &[4], &[2, 5]].map(question);
        let folds = by_answer(&questions.iter().collect::<Vec<_>>());
        assert_eq!((folds[0], folds[2]), (folds[2], folds[3]), "by way of the third question");
        assert_eq!(folds[1], folds[5]);
        assert!(folds[0] != folds[1] && folds[0] != folds[4] && folds[1] != folds[4]);
    }
}
