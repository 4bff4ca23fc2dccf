//! Run path to libtorch, where it is linked.

fn main() {
    bertillon_build::libtorch_run_path();
}
