//! Run path to libtorch, digest of the source, and what libraries of plugins are held against.

fn main() {
    bertillon_build::libtorch_run_path();
    bertillon_build::crate_digest("BERTILLON_CORE_DIGEST");
    bertillon_build::binary_interface(&["src", "../measure/src"]);
}
