//! What the model calculates on: the CPU, or an accelerator that the loaded ONNX Runtime was built for.

use ort::{
    ep::{self, ExecutionProviderDispatch},
    session::builder::SessionBuilder,
};
use serde::{Deserialize, Serialize};

/// What the model calculates on: one of ONNX Runtime's execution providers. The CPU's own and CUDA's have been tested on
/// the real thing; the others are passed on to ONNX Runtime as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Provider {
    /// The CPU.
    #[default]
    Cpu,
    /// NVIDIA GPUs with CUDA; wants the library of ONNX Runtime's GPU build.
    Cuda,
    /// NVIDIA GPUs with `TensorRT`.
    TensorRt,
    /// Intel's CPUs, GPUs and NPUs with `OpenVINO`.
    OpenVino,
    /// Apple's CPUs, GPUs and Neural Engine.
    CoreMl,
    /// Any GPU on Windows with DirectX 12.
    DirectMl,
}

impl Provider {
    /// ONNX Runtime's own arrangement for this provider; it fails where the library was built without it.
    pub(super) fn register(self, builder: SessionBuilder) -> ort::Result<SessionBuilder> {
        let dispatch: ExecutionProviderDispatch = match self {
            // One text runs at a time, so what an arena keeps is bounded by the longest; without it, every text costs
            // page faults anew.
            Self::Cpu => ep::CPU::default().with_arena_allocator(true).build(),
            Self::Cuda => ep::CUDA::default().build(),
            Self::TensorRt => ep::TensorRT::default().build(),
            Self::OpenVino => ep::OpenVINO::default().build(),
            Self::CoreMl => ep::CoreML::default().build(),
            Self::DirectMl => ep::DirectML::default().build(),
        };
        Ok(builder.with_execution_providers([dispatch.error_on_failure()])?)
    }
}

impl std::fmt::Display for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::TensorRt => "tensorrt",
            Self::OpenVino => "openvino",
            Self::CoreMl => "coreml",
            Self::DirectMl => "directml",
        })
    }
}
