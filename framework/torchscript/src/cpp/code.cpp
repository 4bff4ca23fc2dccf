// What a TorchScript file would run, read before it is loaded: to load it runs some of it (`__setstate__`).

#include <caffe2/serialize/inline_container.h>
#include <caffe2/serialize/read_adapter_interface.h>
#include <torch/csrc/jit/runtime/print_handler.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>

namespace {

// Code of the largest networks has some megabytes; more would be unpacked from nothing.
constexpr size_t most_code = size_t{256} << 20;

class Memory final : public caffe2::serialize::ReadAdapterInterface {
 public:
  Memory(const char* data, size_t size) : data_(data), size_(size) {}

  size_t size() const override { return size_; }

  size_t read(uint64_t at, void* to, size_t count, const char*) const override {
    if (at >= size_) return 0;
    const size_t there = std::min<uint64_t>(count, size_ - at);
    memcpy(to, data_ + at, there);
    return there;
  }

 private:
  const char* data_;
  size_t size_;
};

// Names are found whatever their case, so they are told apart whatever their case.
std::string lower(std::string name) {
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return name;
}

bool ends_with(const std::string& name, const std::string& end) {
  return name.size() >= end.size() && name.compare(name.size() - end.size(), end.size(), end) == 0;
}

}  // namespace

extern "C" {

// Hands every file of code in an archive to `see`, by the reader that loads it. Null, or what went wrong, to be given to
// bertillon_trace_free.
char* bertillon_code(const char* data, size_t size, void (*see)(void* context, const char* code, size_t size), void* context) {
  try {
    // What a network prints would stand among results.
    static std::once_flag silenced;
    std::call_once(silenced, [] { torch::jit::setPrintHandler([](const std::string&) {}); });
    caffe2::serialize::PyTorchStreamReader reader(std::make_shared<Memory>(data, size));
    size_t seen = 0;
    for (const std::string& name : reader.getAllRecords()) {
      const std::string known = lower(name);
      if (known == "model.json") throw std::runtime_error("an archive of before 2019");
      if (!ends_with(known, ".py")) continue;
      seen += reader.getRecordSize(name);
      if (seen > most_code) throw std::runtime_error("more code than any network has");
      const auto [code, length] = reader.getRecord(name);
      see(context, static_cast<const char*>(code.get()), length);
    }
    return nullptr;
  } catch (const std::exception& error) {
    return strdup(error.what());
  } catch (...) {
    return strdup("an unknown C++ exception");
  }
}
}
