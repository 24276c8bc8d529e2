//! What the user may choose about the embedder: its device, its engine and its precision.

use candle_core::utils::{cuda_is_available, metal_is_available};
use candle_core::{DType, Device, DeviceLocation, Tensor};
use strum::{Display, EnumString, VariantArray};

use super::EmbedError;
use super::fused::{self, Precision, Width};

/// The device that was asked for (`EMBEDDING_DEVICE`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Display, EnumString, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum DeviceChoice {
    /// CUDA or Metal if this build has it and the machine too, else the CPU.
    #[default]
    Auto,
    Cpu,
    Cuda,
    Metal,
}

impl DeviceChoice {
    /// Opens the device; one that was named and is not there is an error, never a silent CPU.
    pub fn open(self) -> Result<Device, EmbedError> {
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Cuda if !cuda_is_available() => Err(lacks_feature(self)),
            Self::Metal if !metal_is_available() => Err(lacks_feature(self)),
            Self::Cuda => Device::new_cuda(0).and_then(tried).map_err(|error| lacks_device(self, &error)),
            Self::Metal => Device::new_metal(0).and_then(tried).map_err(|error| lacks_device(self, &error)),
            Self::Auto => {
                let accelerator = Self::Cuda.open().or_else(|_| Self::Metal.open());
                Ok(accelerator.unwrap_or(Device::Cpu))
            }
        }
    }
}

impl DeviceChoice {
    /// Names the device that would be used: never `Auto`.
    pub fn resolve(self) -> Result<Self, EmbedError> {
        Ok(match self.open()?.location() {
            DeviceLocation::Cpu => Self::Cpu,
            DeviceLocation::Cuda { .. } => Self::Cuda,
            DeviceLocation::Metal { .. } => Self::Metal,
        })
    }
}

/// Computes something: a device for which this build has no kernels opens and takes weights all the same.
///
/// An addition, because its kernels are few: a driver that sees them first compiles them now.
fn tried(device: Device) -> candle_core::Result<Device> {
    (Tensor::zeros(1, DType::F32, &device)? + 1.0)?.to_vec1::<f32>()?;
    Ok(device)
}

fn lacks_feature(device: DeviceChoice) -> EmbedError {
    EmbedError::Unavailable(format!(
        "EMBEDDING_DEVICE={device}, but this build has no {device}; \
         hint: build with `--features {device}`, or set EMBEDDING_DEVICE=auto"
    ))
}

fn lacks_device(device: DeviceChoice, error: &candle_core::Error) -> EmbedError {
    EmbedError::Unavailable(format!(
        "EMBEDDING_DEVICE={device}, but no such device works here ({error}); hint: set EMBEDDING_DEVICE=auto"
    ))
}

/// The engine that was asked for (`EMBEDDING_ENGINE`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Display, EnumString, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum EngineChoice {
    /// The fused engine where it is the faster one and fits the model, else Candle.
    #[default]
    Auto,
    Candle,
}

/// All that may be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EmbedderChoice {
    pub device: DeviceChoice,
    pub engine: EngineChoice,
    pub precision: Precision,
}

impl EmbedderChoice {
    /// Refuses what no machine can do: only the fused engine, on a CPU, knows other precisions than f32.
    pub fn check(self) -> Result<(), EmbedError> {
        let Self { device, engine, precision } = self;
        if precision == Precision::F32 {
            return Ok(());
        }
        if engine == EngineChoice::Candle {
            return Err(EmbedError::Unavailable(format!(
                "EMBEDDING_PRECISION={precision} with EMBEDDING_ENGINE=candle, which has f32 only; \
                 hint: set EMBEDDING_ENGINE=auto"
            )));
        }
        if matches!(device, DeviceChoice::Cuda | DeviceChoice::Metal) {
            return Err(EmbedError::Unavailable(format!(
                "EMBEDDING_PRECISION={precision} with EMBEDDING_DEVICE={device}, which has f32 only; \
                 hint: set EMBEDDING_DEVICE=cpu"
            )));
        }
        Ok(())
    }

    /// Gives the width that the fused engine is to run on, or `None` where Candle is to run.
    ///
    /// Candle is the faster one on a GPU, on a Mac with its own library of matrices, and where the fused
    /// kernels are plain Rust: those run only for a precision that Candle does not have.
    pub(super) fn fused_width(self, device: &Device) -> Option<Width> {
        if self.precision != Precision::F32 {
            return Some(fused::fastest().unwrap_or_else(|| {
                tracing::warn!(
                    precision = %self.precision,
                    "this machine has neither AVX2 nor AVX-512, so EMBEDDING_PRECISION=f32 is faster"
                );
                Width::Portable
            }));
        }
        if self.engine == EngineChoice::Candle || !device.is_cpu() || cfg!(target_os = "macos") {
            return None;
        }
        fused::fastest()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_this_build_lacks_is_an_error_that_names_the_way_out() {
        for (choice, lacks, name) in [
            (DeviceChoice::Cuda, !cuda_is_available(), "cuda"),
            (DeviceChoice::Metal, !metal_is_available(), "metal"),
        ] {
            if lacks {
                let message = choice.open().unwrap_err().to_string();
                assert!(message.contains(&format!("EMBEDDING_DEVICE={name}")), "{message}");
                assert!(message.contains(&format!("--features {name}")), "{message}");
            }
        }
        assert!(DeviceChoice::Auto.open().is_ok());
    }

    #[test]
    fn a_precision_that_the_engine_or_the_device_lacks_is_an_error_that_names_the_way_out() {
        let check = |device, engine, precision, expected: Option<&str>| {
            let found =
                EmbedderChoice { device, engine, precision }.check().err().map(|error| error.to_string());
            match expected {
                None => assert_eq!(found, None),
                Some(hint) => assert!(found.as_ref().is_some_and(|found| found.contains(hint)), "{found:?}"),
            }
        };
        use {DeviceChoice as Device, EngineChoice as Engine};
        check(Device::Cuda, Engine::Candle, Precision::F32, None);
        check(Device::Auto, Engine::Auto, Precision::Int8, None);
        check(Device::Cpu, Engine::Candle, Precision::Int8, Some("hint: set EMBEDDING_ENGINE=auto"));
        check(Device::Metal, Engine::Auto, Precision::Bf16, Some("hint: set EMBEDDING_DEVICE=cpu"));
    }

    #[test]
    fn candle_runs_where_it_was_asked_for_and_the_fused_engine_only_where_its_kernels_are() {
        let width = |engine, precision| {
            EmbedderChoice { device: DeviceChoice::Cpu, engine, precision }.fused_width(&Device::Cpu)
        };
        assert_eq!(width(EngineChoice::Candle, Precision::F32), None);
        let expected = if cfg!(target_os = "macos") { None } else { fused::fastest() };
        assert_eq!(width(EngineChoice::Auto, Precision::F32), expected);
        assert_ne!(width(EngineChoice::Auto, Precision::F32), Some(Width::Portable));
        assert!(width(EngineChoice::Auto, Precision::Int8).is_some());
    }
}
