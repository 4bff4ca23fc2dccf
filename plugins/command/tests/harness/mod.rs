//! Programs to test with, and the Python that runs them.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use bertillon::{
    Configure, Entry, FingerprintMethod, InputSelector, Result, VariantGenerator,
    registry::{self, Builder, PluginKind},
};
use bertillon_command::Params;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder of scripts.
pub(crate) struct Scripts(TempDir);

impl Scripts {
    pub(crate) fn new() -> Self {
        registry::allow_commands();
        Self(tempfile::tempdir().unwrap())
    }

    /// A program that answers every request by what `answer` returns for it: a Python expression of `request`, or
    /// statements that return.
    pub(crate) fn answering(&self, name: &str, answer: &str) -> Value {
        let body = answer.lines().map(|line| format!("    {line}\n")).collect::<String>();
        let text = format!(
            "import json, os, subprocess, sys, time\n\ndef answer(request):\n{body}\n\
             for line in sys.stdin:\n    request = json.loads(line)\n    print(json.dumps({{'id': request['id'], **answer(request)}}))\n"
        );
        self.script(name, &text)
    }

    /// A program, as parameters.
    pub(crate) fn script(&self, name: &str, text: &str) -> Value {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        json!({ "script": path })
    }
}

/// `parameters` with more of them.
pub(crate) fn with(mut parameters: Value, key: &str, value: Value) -> Value {
    parameters[key] = value;
    parameters
}

fn entry(kind: PluginKind) -> &'static Entry {
    registry::find(kind, "command").unwrap().expect("registered")
}

/// As a suite makes it.
pub(crate) fn variant(parameters: &Value) -> Result<Box<dyn VariantGenerator>> {
    match entry(PluginKind::Variant).builder {
        Builder::Variant(build) => build(&parameters.to_string()),
        _ => unreachable!(),
    }
}

/// As a suite makes it.
pub(crate) fn selector(parameters: &Value) -> Result<Box<dyn InputSelector>> {
    match entry(PluginKind::Selector).builder {
        Builder::Selector(build) => build(&parameters.to_string()),
        _ => unreachable!(),
    }
}

/// As a suite makes it.
pub(crate) fn method(parameters: &Value) -> Result<Box<dyn FingerprintMethod>> {
    match entry(PluginKind::Method).builder {
        Builder::Method(build) => build(&parameters.to_string()),
        _ => unreachable!(),
    }
}

/// A selector without the guard that refuses indices beyond the pool.
pub(crate) fn bare_selector(parameters: &Value) -> bertillon_command::selector::Command {
    let parameters: Params = serde_json::from_value(parameters.clone()).unwrap();
    Configure::configure(parameters).unwrap()
}

/// An example, run by `python`.
pub(crate) fn example(name: &str, python: &Path) -> Value {
    registry::allow_commands();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    json!({ "script": script, "interpreter": [python] })
}

/// A Python with numpy (that `make test` fetched, or the one named in BERTILLON_TEST_PYTHON) and, if asked for, PyTorch;
/// none, with the reason printed, where there is no such thing.
pub(crate) fn python(module: &str, folder: &TempDir) -> Option<PathBuf> {
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.python");
    let named = env::var_os("BERTILLON_TEST_PYTHON").map(PathBuf::from);
    let program = named.unwrap_or_else(|| "python3".into());
    let shim = folder.path().join("python");
    let text = format!(
        "#!/bin/sh\nPYTHONPATH=\"$PYTHONPATH:{}\" exec '{}' \"$@\"\n",
        fetched.display(),
        program.display()
    );
    fs::write(&shim, text).unwrap();
    fs::set_permissions(&shim, fs::Permissions::from_mode(0o755)).unwrap();
    let imports = Command::new(&shim).args(["-c", &format!("import {module}")]).output();
    if imports.is_ok_and(|output| output.status.success()) {
        return Some(shim);
    }
    println!(
        "skipped: {} has no {module} (BERTILLON_TEST_PYTHON names another)",
        program.display()
    );
    None
}
