//! Run path to libtorch for the tests, digest and documentation of the source for `bertillon describe`.

fn main() {
    bertillon_build::libtorch_run_path();
    bertillon_build::plugin_sources();
}
