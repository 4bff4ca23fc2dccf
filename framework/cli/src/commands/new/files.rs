//! The files of a new plugin: of its crate, or of its script.

use super::Kind;

/// Where the crate finds bertillon.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Framework {
    /// A checkout that the crate lies in, relative to it.
    Within(String),
    /// A checkout elsewhere.
    Beside(String),
    /// The public repository.
    Repository,
}

/// A crate to be written.
pub(super) struct Crate<'a> {
    pub(super) kind: Kind,
    pub(super) name: &'a str,
    pub(super) framework: &'a Framework,
    /// Version of rustc that this program was built with.
    pub(super) toolchain: &'a str,
}

/// Files of every crate, by their place in it.
const COMMON: [(&str, &str); 6] = [
    ("Cargo.toml", include_str!("../../../templates/Cargo.toml.txt")),
    ("build.rs", include_str!("../../../templates/build.rs.txt")),
    ("rust-toolchain.toml", include_str!("../../../templates/rust-toolchain.toml.txt")),
    (".gitignore", include_str!("../../../templates/gitignore.txt")),
    ("Makefile", include_str!("../../../templates/Makefile.txt")),
    ("README.md", include_str!("../../../templates/README.md.txt")),
];

impl Crate<'_> {
    /// Its name as Rust writes it.
    pub(super) fn module(&self) -> String {
        self.name.replace('-', "_")
    }

    /// Every file with its place.
    pub(super) fn files(&self) -> Vec<(String, String)> {
        let fill = |text: &str| self.filled(text);
        let source = match self.kind {
            Kind::Variant => include_str!("../../../templates/variant.rs.txt"),
            Kind::Selector => include_str!("../../../templates/selector.rs.txt"),
            Kind::Method => include_str!("../../../templates/method.rs.txt"),
        };
        let own = match self.kind {
            Kind::Variant => "plugin = \"{name}\"\ngrid   = { shift = [-0.1, 0.1] }",
            Kind::Selector => "selector = { plugin = \"{name}\" }",
            Kind::Method => "method   = \"{name}\"\nselector = \"random\"\nerrors   = 5.0",
        };
        let load = "plugins = [\"lib{module}.so\"]     # loaded with --allow-plugins only\n";
        let mut files: Vec<_> =
            COMMON.iter().map(|(path, text)| ((*path).to_owned(), fill(text))).collect();
        files.push(("src/lib.rs".to_owned(), fill(source)));
        files.push(("suite.toml".to_owned(), fill(&suite(self.kind, load, own))));
        if let Some(config) = self.config() {
            files.push((".cargo/config.toml".to_owned(), config));
        }
        files
    }

    /// Every file of a plugin in Python with its place.
    pub(super) fn script(&self) -> Vec<(String, String)> {
        let source = match self.kind {
            Kind::Variant => include_str!("../../../templates/variant.py.txt"),
            Kind::Selector => include_str!("../../../templates/selector.py.txt"),
            Kind::Method => include_str!("../../../templates/method.py.txt"),
        };
        let own = match self.kind {
            Kind::Variant => {
                "plugin = \"command\"            # started with --allow-commands only\nscript = \"{script}\"\n\
                 grid   = { parameters = [{ shift = -0.1 }, { shift = 0.1 }] }"
            }
            Kind::Selector => {
                "selector = { plugin = \"command\", script = \"{script}\" }   # started with --allow-commands only"
            }
            Kind::Method => {
                "method     = \"command\"        # started with --allow-commands only\nscript     = \"{script}\"\n\
                 selector   = \"random\"\nparameters = { errors = 5.0 }"
            }
        };
        let readme = include_str!("../../../templates/python.md.txt");
        vec![
            (self.script_name(), self.filled(source)),
            ("suite.toml".to_owned(), self.filled(&suite(self.kind, "", own))),
            ("README.md".to_owned(), self.filled(readme)),
        ]
    }

    /// Not its name alone: `random.py` would hide Python's own module.
    fn script_name(&self) -> String {
        format!("{}_{}.py", self.module(), self.kind.word())
    }

    fn filled(&self, text: &str) -> String {
        let camel: String = self.name.split('-').map(capitalised).collect();
        text.replace("{name}", self.name)
            .replace("{module}", &self.module())
            .replace("{Type}", &camel)
            .replace("{kind}", self.kind.word())
            .replace("{script}", &self.script_name())
            .replace("{toolchain}", self.toolchain)
            .replace("{version}", env!("CARGO_PKG_VERSION"))
            .replace("{bertillon}", &self.dependency("framework/core"))
            .replace("{bertillon-build}", &self.dependency("framework/build"))
            .replace("{target}", &self.target())
    }

    fn dependency(&self, folder: &str) -> String {
        match self.framework {
            Framework::Within(root) | Framework::Beside(root) => {
                format!("path = {:?}", format!("{root}/{folder}"))
            }
            Framework::Repository => {
                let version = env!("CARGO_PKG_VERSION");
                format!("git = {:?}, tag = \"v{version}\"", env!("CARGO_PKG_REPOSITORY"))
            }
        }
    }

    /// The folder that things are built in.
    fn target(&self) -> String {
        match self.framework {
            Framework::Within(root) | Framework::Beside(root) => format!("{root}/target"),
            Framework::Repository => "target".to_owned(),
        }
    }

    /// Cargo's settings: bertillon's own folder for what is compiled, and its libtorch.
    fn config(&self) -> Option<String> {
        let (root, libtorch) = match self.framework {
            // The settings of the checkout hold here too, and name its libtorch.
            Framework::Within(root) => (root, String::new()),
            Framework::Beside(root) => {
                let libtorch = format!("{root}/.libtorch/torch");
                (
                    root,
                    format!("\n[env]\nLIBTORCH = {{ value = {libtorch:?}, relative = false }}\n"),
                )
            }
            Framework::Repository => return None,
        };
        let target = format!("{root}/target");
        Some(format!(
            "# What bertillon has compiled is used again: torch-sys alone takes four minutes.\n[build]\ntarget-dir = \
             {target:?}\n{libtorch}"
        ))
    }
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Variant => "variant",
            Self::Selector => "selector",
            Self::Method => "method",
        }
    }
}

/// A suite that runs the plugin beside others.
fn suite(kind: Kind, load: &str, own: &str) -> String {
    let used = match kind {
        Kind::Variant => include_str!("../../../templates/variant.toml.txt"),
        Kind::Selector => include_str!("../../../templates/selector.toml.txt"),
        Kind::Method => include_str!("../../../templates/method.toml.txt"),
    };
    let template = include_str!("../../../templates/suite.toml.txt");
    template.replace("{load}", load).replace("{use}", used).replace("{own}", own)
}

fn capitalised(part: &str) -> String {
    let mut letters = part.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs, path::Path};

    use super::*;

    fn read(folder: &Path, below: &str, found: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder.join(below)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let path = if below.is_empty() { name } else { format!("{below}/{name}") };
            if entry.path().is_dir() {
                read(folder, &path, found);
            } else if path != "Cargo.lock" && !path.ends_with(".so") {
                found.insert(path.clone(), fs::read_to_string(entry.path()).unwrap());
            }
        }
    }

    #[test]
    fn the_template_in_the_repository_is_what_new_writes() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/template");
        let mut there = BTreeMap::new();
        read(&folder, "", &mut there);
        // The compiler is that of whoever builds; all else is the same everywhere.
        let toolchain = there["rust-toolchain.toml"].split('"').nth(1).unwrap();
        let framework = Framework::Within("../..".to_owned());
        let kind = Kind::Variant;
        let written = Crate { kind, name: "template", framework: &framework, toolchain };
        let written: BTreeMap<String, String> = written.files().into_iter().collect();
        assert_eq!(there, written);
    }

    #[test]
    fn every_placeholder_is_filled_for_every_kind() {
        let frameworks =
            [Framework::Within("..".into()), Framework::Beside("/b".into()), Framework::Repository];
        for framework in &frameworks {
            for kind in [Kind::Variant, Kind::Selector, Kind::Method] {
                let toolchain = "1.95.0";
                let written = Crate { kind, name: "my-own", framework, toolchain };
                for (path, text) in written.files().into_iter().chain(written.script()) {
                    for placeholder in [
                        "name",
                        "module",
                        "Type",
                        "kind",
                        "use",
                        "own",
                        "load",
                        "script",
                        "bertillon",
                        "target",
                    ] {
                        assert!(!text.contains(&format!("{{{placeholder}}}")), "{path}: {text}");
                    }
                }
            }
        }
    }
}
