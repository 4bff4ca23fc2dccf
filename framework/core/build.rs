//! Run path to libtorch and digest of the source.

fn main() {
    bertillon_build::libtorch_run_path();
    bertillon_build::crate_digest("BERTILLON_CORE_DIGEST");
}
