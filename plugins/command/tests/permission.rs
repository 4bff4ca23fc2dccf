//! Programs start only once the user has allowed it. A file of its own: what is allowed stays so.

#![allow(clippy::unwrap_used, reason = "a test may stop at what it does not expect")]

use bertillon::registry::{self, Builder, PluginKind};
use bertillon_command as _;

#[test]
fn nothing_starts_until_it_is_allowed_whatever_the_plugin_is_part_of() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("was here");
    let script = folder.path().join("script.sh");
    std::fs::write(&script, format!("touch '{}'", trace.display())).unwrap();
    let parameters = serde_json::json!({ "script": script, "interpreter": ["sh"] }).to_string();
    let kinds = [PluginKind::Variant, PluginKind::Selector, PluginKind::Method];
    let errors = || {
        kinds.map(|kind| {
            let entry = registry::find(kind, "command").unwrap().unwrap();
            assert!(entry.starts_programs);
            let failed = match entry.builder {
                Builder::Variant(build) => build(&parameters).err(),
                Builder::Selector(build) => build(&parameters).err(),
                Builder::Method(build) => build(&parameters).err(),
                _ => unreachable!(),
            };
            failed.unwrap().to_string()
        })
    };
    for error in errors() {
        assert!(error.ends_with("allow it with --allow-commands"), "{error}");
    }
    assert!(!trace.exists());
    registry::allow_commands();
    for error in errors() {
        assert!(error.contains("instead of answering"), "{error}");
    }
    assert!(trace.exists());
}
