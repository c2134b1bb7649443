//! Loading ONNX Runtime itself: a shared library, opened at run time, once per process.
//!
//! The library is asked for its version before anything else, on a thread of its own with a time limit: opened
//! implicitly, a missing or foreign library would panic or hang instead.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError, mpsc},
    time::Duration,
};

use ort::environment::Environment;

use super::EmbedError;

/// The file name that the set-up step gives the library.
pub const FILE_NAME: &str = if cfg!(target_os = "macos") {
    "libonnxruntime.dylib"
} else if cfg!(target_os = "windows") {
    "onnxruntime.dll"
} else {
    "libonnxruntime.so"
};

/// Opening a sound library takes milliseconds; one that takes this long never comes back.
const LOAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The environment of the loaded library. A process can only ever have one.
static ENVIRONMENT: Mutex<Option<Environment>> = Mutex::new(None);

/// Where the set-up step installs the library, below the folder it is run in.
const SETUP_FOLDER: &str = ".asktwice/lib";

/// Where the library is looked for when no path is given, in this order: the set-up folder below the working
/// directory, next to the program, and the system's own folders.
#[must_use]
pub fn find() -> PathBuf {
    let program = std::env::current_exe().ok();
    let beside = program.as_deref().and_then(Path::parent);
    let folders = [Path::new(SETUP_FOLDER)].into_iter().chain(beside);
    let found = folders.map(|folder| folder.join(FILE_NAME)).find(|path| path.exists());
    // A bare name is left to the system's loader.
    found.unwrap_or_else(|| PathBuf::from(FILE_NAME))
}

/// Loads the library and returns its environment; once it is loaded, any later path returns the same.
///
/// # Errors
/// [`EmbedError::Library`] says what is wrong with the file and what to do.
pub fn load(path: &Path) -> Result<Environment, EmbedError> {
    let mut environment = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(environment) = &*environment {
        return Ok(environment.clone());
    }
    // A relative path would be looked up beside the program first.
    let absolute = if path.components().count() > 1 {
        std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
    } else {
        path.to_path_buf()
    };
    let loaded = load_in_time(absolute.clone())?;
    tracing::debug!(path = %absolute.display(), "loaded ONNX Runtime");
    *environment = Some(loaded.clone());
    Ok(loaded)
}

fn load_in_time(path: PathBuf) -> Result<Environment, EmbedError> {
    let (reply, loaded) = mpsc::channel();
    let opened = path.clone();
    std::thread::spawn(move || {
        let environment =
            ort::init_from(&opened).map_err(|error| describe(&opened, &error.to_string())).and_then(|builder| {
                let built = builder.with_name("asktwice").with_telemetry(false).build();
                built.map_err(|error| describe(&opened, &error.to_string()))
            });
        // Nobody listens any more after a time-out.
        let _ = reply.send(environment);
    });
    loaded.recv_timeout(LOAD_TIMEOUT).unwrap_or_else(|_| {
        let seconds = LOAD_TIMEOUT.as_secs();
        Err(describe(&path, &format!("it did not open within {seconds} s, or crashed while opening")))
    })
}

fn describe(path: &Path, problem: &str) -> EmbedError {
    let remedy = "install ONNX Runtime 1.28 or newer with `make setup`, or name its shared library (OnnxOptions::library; \
                  for the program, embed.library or ORT_DYLIB_PATH)";
    EmbedError::Library { problem: format!("{}: {problem}; {remedy}", path.display()) }
}

/// The version of the loaded library, as it names itself. Load it first.
#[must_use]
pub fn version() -> &'static str {
    ort::info()
}
