//! Run path to libtorch.

fn main() {
    bertillon_build::libtorch_run_path();
}
