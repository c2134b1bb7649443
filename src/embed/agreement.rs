//! How near the vectors of two models of one folder are: what an int8 model has to show before it may stand for its
//! fp32 one.

use std::sync::Arc;

use ort::environment::Environment;

use super::{
    EmbedError, ModelFolder, Role,
    onnx::{Encoder, Model},
};

/// Short and long texts, questions and passages, plain and odd ones.
const SAMPLES: [&str; 16] = [
    "The courier left my order at the wrong door.",
    "half of my food is missing, who do i talk to",
    "refund",
    "How long does it take until a refund arrives in my bank account?",
    "Does vitamin D lower the risk of respiratory infections in adults over sixty?",
    "error code 0x80070057 when installing updates",
    "fn main() { println!(\"{}\", 6 * 7); }",
    "The committee adjourned without a vote; its report is expected in the spring.",
    "Yeast feeds on sugar and gives off carbon dioxide, which is what makes a dough rise. In a cold kitchen it works \
     slowly, so the same dough may need twice the time.",
    "Wie kündige ich mein Abonnement, wenn ich das Passwort vergessen habe?",
    "¿Dónde puedo ver el estado de mi pedido?",
    "La livraison est gratuite à partir de trente euros d'achat.",
    "退款需要多长时间?",
    "كيف يمكنني تغيير عنوان التسليم؟",
    "12,5 % VAT applies; see § 4(2) – \"reduced rates\" – of the 2019 act.",
    "We compared two groups of patients over twelve months. In the first, the drug was given daily; in the second, only \
     when symptoms returned. Neither mortality nor quality of life differed, but the second group took a third of the \
     doses and reported fewer side effects, which suggests that intermittent treatment is sufficient for mild cases.",
];

/// The cosines between two models' vectors of the same texts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Agreement {
    /// The smallest one.
    pub least: f32,
    /// Their mean.
    pub mean: f32,
}

/// Embeds the sample texts with both ONNX files.
pub(super) fn agreement(
    folder: &ModelFolder,
    environment: &Environment,
    [first, second]: [&[u8]; 2],
) -> Result<Agreement, EmbedError> {
    let encoder = Arc::new(Encoder::open(folder.clone())?);
    let vectors = |onnx: &[u8]| -> Result<Vec<Vec<f32>>, EmbedError> {
        let mut model = Model::open(environment, onnx, Arc::clone(&encoder), 1)?;
        let embed = |text: &&str| model.embed(Role::Passage, text).map(|embedding| embedding.vector);
        SAMPLES.iter().map(embed).collect()
    };
    // One after the other, so that only one model is in memory.
    let (first, second) = (vectors(first)?, vectors(second)?);
    let cosines: Vec<f32> = first.iter().zip(&second).map(|(a, b)| cosine(a, b)).collect();
    let least = cosines.iter().copied().fold(f32::INFINITY, f32::min);
    #[expect(clippy::cast_precision_loss, reason = "a handful of samples")]
    let mean = cosines.iter().sum::<f32>() / cosines.len() as f32;
    Ok(Agreement { least, mean })
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}
