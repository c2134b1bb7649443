//! The numbers that a model calculates with, and which of them suit the CPU at hand.

use serde::{Deserialize, Serialize};

/// The numbers that a model calculates with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", try_from = "String")]
#[non_exhaustive]
pub enum Precision {
    /// What the CPU at hand is fast with, of what the model's folder has.
    Auto,
    /// 8-bit weights: a quarter of the size, about twice as fast.
    #[default]
    Int8,
    /// 32-bit floating point, as published.
    Fp32,
}

impl Precision {
    /// The precisions that stand for this one, in order of preference.
    pub(super) fn choices(self) -> &'static [Self] {
        match self {
            Self::Int8 => &[Self::Int8],
            Self::Fp32 => &[Self::Fp32],
            Self::Auto if Int8Kernel::detect() == Int8Kernel::None => &[Self::Fp32, Self::Int8],
            Self::Auto => &[Self::Int8, Self::Fp32],
        }
    }

    /// The name that an import gives this precision's ONNX file.
    pub(super) fn file(self) -> &'static str {
        match self {
            Self::Fp32 => "model.onnx",
            Self::Int8 | Self::Auto => "model_int8.onnx",
        }
    }

    /// Where a folder may keep this precision's ONNX file, in order of preference: this program's own names, then those
    /// of sentence-transformers, optimum and transformers.js.
    pub(super) fn files(self) -> Vec<&'static str> {
        if self == Self::Fp32 {
            return vec![self.file(), "onnx/model.onnx"];
        }
        let kernel = Int8Kernel::detect();
        let full = kernel.adds_in_32_bits().then_some(FULL_RANGE_FILE);
        let of_kernel = match kernel {
            Int8Kernel::Vnni => Some("onnx/model_qint8_avx512_vnni.onnx"),
            Int8Kernel::DotProduct => Some("onnx/model_qint8_arm64.onnx"),
            Int8Kernel::Avx2 => Some("onnx/model_quint8_avx2.onnx"),
            Int8Kernel::None => None,
        };
        let general = ["onnx/model_int8.onnx", "onnx/model_quantized.onnx"];
        full.into_iter().chain([self.file()]).chain(of_kernel).chain(general).collect()
    }
}

/// The name of an int8 file whose weights use all 8 bits, for CPUs that add products in 32 bits.
pub(super) const FULL_RANGE_FILE: &str = "model_int8_full.onnx";

impl std::str::FromStr for Precision {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "auto" => Ok(Self::Auto),
            "int8" => Ok(Self::Int8),
            "fp32" => Ok(Self::Fp32),
            _ => Err(format!("{name:?} is not a precision; use auto, int8 or fp32")),
        }
    }
}

/// As it is written in settings and manifests.
impl TryFrom<String> for Precision {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        name.parse()
    }
}

impl std::fmt::Display for Precision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Int8 => "int8",
            Self::Fp32 => "fp32",
        })
    }
}

/// How the CPU at hand multiplies 8-bit numbers, as far as ONNX Runtime makes use of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Int8Kernel {
    /// In no way that would be faster than 32-bit numbers.
    None,
    /// AVX2: pairs of products are added in 16 bits, where weights of 8 bits overflow and weights of 7 bits do not.
    Avx2,
    /// AVX-512 VNNI or AVX-VNNI: products are added in 32 bits.
    Vnni,
    /// ARM's dot product: products are added in 32 bits.
    DotProduct,
}

impl Int8Kernel {
    /// Asks the CPU.
    #[must_use]
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512vnni") || is_x86_feature_detected!("avxvnni") {
                return Self::Vnni;
            }
            if is_x86_feature_detected!("avx2") {
                return Self::Avx2;
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("dotprod") {
            return Self::DotProduct;
        }
        Self::None
    }

    /// Whether weights may use all 8 bits.
    #[must_use]
    pub fn adds_in_32_bits(self) -> bool {
        matches!(self, Self::Vnni | Self::DotProduct)
    }
}

impl std::fmt::Display for Int8Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "no fast 8-bit products",
            Self::Avx2 => "AVX2",
            Self::Vnni => "VNNI",
            Self::DotProduct => "ARM dot product",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for precision in [Precision::Auto, Precision::Int8, Precision::Fp32] {
            assert_eq!(precision.to_string().parse(), Ok(precision));
        }
        assert!("int4".parse::<Precision>().unwrap_err().contains("auto, int8 or fp32"));
    }

    #[test]
    fn auto_is_one_of_the_two_and_falls_back_to_the_other() {
        let mut choices = Precision::Auto.choices().to_vec();
        choices.sort();
        assert_eq!(choices, [Precision::Int8, Precision::Fp32]);
    }

    #[test]
    fn weights_of_all_8_bits_are_only_looked_for_where_they_do_not_overflow() {
        let looked_for = Precision::Int8.files().contains(&FULL_RANGE_FILE);
        assert_eq!(looked_for, Int8Kernel::detect().adds_in_32_bits());
        assert!(Precision::Int8.files().contains(&"model_int8.onnx"));
    }
}
