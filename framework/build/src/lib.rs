//! What the build scripts of bertillon's crates and of plugin crates do.
//!
//! - [`libtorch_run_path`] lets programs and tests of a crate find libtorch without environment variables.
//! - [`plugin_sources`] records a digest and the module documentation of every plugin file, so that cached
//!   results of an edited plugin are never served again and `bertillon describe` can print its documentation.
//! - [`binary_interface`] records what a program and a library of plugins must have in common.

#![expect(clippy::print_stdout, reason = "build scripts speak to cargo on standard output")]

use std::{
    env, fmt, fs, io,
    path::{Path, PathBuf},
    process::Command,
};

/// Links the crate's programs and tests with a run path to the libtorch that they were built with.
///
/// The crate must depend on `torch-sys`, which tells where libtorch lies.
pub fn libtorch_run_path() {
    let Some(lib) = env::var_os("DEP_TCH_LIBTORCH_LIB") else {
        return;
    };
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", Path::new(&lib).display());
    // For a tree that is moved after its build: target/PROFILE/ and target/PROFILE/deps/.
    println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN/../../.libtorch/torch/lib");
    println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN/../../../.libtorch/torch/lib");
}

/// Writes `$OUT_DIR/sources.rs`: one `(module, digest, documentation)` for each file of `src/`.
///
/// Files in folders below `src/` serve all plugins of the crate: their content enters every digest. A plugin in `lib.rs`
/// has the digest of all files.
///
/// # Panics
/// When the sources can't be read or the table can't be written.
pub fn plugin_sources() {
    println!("cargo:rerun-if-changed=src");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let table = source_table(Path::new("src")).expect("src/ of this crate is readable");
    fs::write(out.join("sources.rs"), table).expect("OUT_DIR is writable");
}

/// Sets the environment variable `name` of the crate's compilation to a digest of all files in `src/`.
///
/// # Panics
/// When the sources can't be read.
pub fn crate_digest(name: &str) {
    digest_of(name, &["src"]);
}

/// Sets environment variables of the crate's compilation to what must be equal where Rust types cross between a program
/// and a library: `BERTILLON_RUSTC`, `BERTILLON_TARGET`, `BERTILLON_LIBTORCH`, and `BERTILLON_INTERFACE_DIGEST`, the digest
/// of all files in the folders `sources`.
///
/// # Panics
/// When the sources can't be read, or rustc can't be asked.
pub fn binary_interface(sources: &[&str]) {
    digest_of("BERTILLON_INTERFACE_DIGEST", sources);
    let rustc = env::var_os("RUSTC").expect("cargo names rustc");
    let said = Command::new(rustc).arg("--version").output().expect("rustc tells its version");
    println!("cargo:rustc-env=BERTILLON_RUSTC={}", String::from_utf8_lossy(&said.stdout).trim());
    println!("cargo:rustc-env=BERTILLON_TARGET={}", env::var("TARGET").expect("cargo sets TARGET"));
    let libtorch =
        env::var_os("DEP_TCH_LIBTORCH_LIB").and_then(|lib| libtorch_version(Path::new(&lib)));
    let libtorch = libtorch.unwrap_or_else(|| "of unknown version".to_owned());
    println!("cargo:rustc-env=BERTILLON_LIBTORCH={libtorch}");
}

/// What the files beside libtorch's libraries say of its version.
///
/// `lib` is the folder of the libraries.
pub fn libtorch_version(lib: &Path) -> Option<String> {
    let root = lib.parent()?;
    // `build-version` comes with the zip of pytorch.org, `version.py` with the Python package.
    if let Ok(text) = fs::read_to_string(root.join("build-version")) {
        return Some(text.trim().to_owned());
    }
    let text = fs::read_to_string(root.join("version.py")).ok()?;
    let line = text.lines().find(|line| line.starts_with("__version__"))?;
    line.split('\'').nth(1).map(str::to_owned)
}

fn digest_of(name: &str, folders: &[&str]) {
    let mut digest = blake3::Hasher::new();
    for folder in folders {
        println!("cargo:rerun-if-changed={folder}");
        for path in rust_files(Path::new(folder)).expect("the folder of sources is readable") {
            digest.update(&fs::read(path).expect("a source file is readable"));
        }
    }
    println!("cargo:rustc-env={name}={}", digest.finalize().to_hex());
}

fn source_table(src: &Path) -> io::Result<String> {
    let files = rust_files(src)?;
    let mut common = blake3::Hasher::new();
    for path in files.iter().filter(|path| path.parent() != Some(src)) {
        common.update(path.to_string_lossy().as_bytes());
        common.update(&fs::read(path)?);
    }
    let mut table = String::from("&[\n");
    for path in &files {
        let Some(module) = module_name(src, path) else { continue };
        let text = fs::read_to_string(path)?;
        let mut digest = common.clone();
        match path.ends_with("lib.rs") {
            true => {
                for file in &files {
                    digest.update(&fs::read(file)?);
                }
            }
            false => {
                digest.update(text.as_bytes());
            }
        }
        let digest = digest.finalize();
        fmt::Write::write_fmt(
            &mut table,
            format_args!(
                "({module:?}, {:?}, {:?}),\n",
                digest.to_hex().as_str(),
                module_doc(&text)
            ),
        )
        .expect("writing to a string");
    }
    table.push(']');
    Ok(table)
}

/// `src/NAME.rs`, `src/NAME/mod.rs` and `src/lib.rs` (by the crate's name) are modules that may register a plugin.
fn module_name(src: &Path, path: &Path) -> Option<String> {
    let folder = path.parent()?;
    let module = match path.file_stem()?.to_str()? {
        "lib" if folder == src => return Some(env::var("CARGO_PKG_NAME").ok()?.replace('-', "_")),
        "mod" if folder.parent() == Some(src) => folder.file_name()?.to_str()?,
        stem if folder == src => stem,
        _ => return None,
    };
    Some(module.to_owned())
}

/// The `//!` lines at the head of a file, without their marks.
fn module_doc(text: &str) -> String {
    let lines = text.lines().map_while(|line| line.strip_prefix("//!"));
    lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

fn rust_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
