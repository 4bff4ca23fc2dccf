//! Run path to libtorch and digests of the plugin sources.

fn main() {
    bertillon_build::libtorch_run_path();
    bertillon_build::plugin_sources();
}
