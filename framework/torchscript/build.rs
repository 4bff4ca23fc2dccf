//! Run path to libtorch, digest of the source, and the C++ files.

fn main() {
    bertillon_build::libtorch_run_path();
    bertillon_build::crate_digest("BERTILLON_TORCHSCRIPT_DIGEST");
    let library =
        std::env::var_os("DEP_TCH_LIBTORCH_LIB").expect("torch-sys tells where libtorch is");
    let include = std::path::Path::new(&library).with_file_name("include");
    println!("cargo:rerun-if-changed=src/cpp");
    println!("cargo:rerun-if-env-changed=LIBTORCH_CXX11_ABI");
    let abi = std::env::var("LIBTORCH_CXX11_ABI").unwrap_or_else(|_| "1".to_owned());
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .pic(true)
        .warnings(false)
        .include(&include)
        .include(include.join("torch/csrc/api/include"))
        .define("_GLIBCXX_USE_CXX11_ABI", abi.as_str())
        .define("GLOG_USE_GLOG_EXPORT", None)
        .files(["src/cpp/code.cpp", "src/cpp/cuda.cpp", "src/cpp/frozen.cpp", "src/cpp/trace.cpp"])
        .compile("bertillon_torchscript");
}
