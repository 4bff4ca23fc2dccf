// Traces a model into a TorchScript file whose weights are parameters. tch's own tracing makes constants of them, which
// nobody can prune or train.

#include <torch/csrc/jit/frontend/tracer.h>
#include <torch/script.h>

#include <cstring>
#include <string>
#include <vector>

namespace {

using torch::jit::Module;

// A module with its parts; part `n` of the path of a parameter `a.n.weight` is the module `n` in the module `a`.
struct Tree {
  std::vector<std::pair<std::string, Tree>> parts;
  std::vector<std::pair<std::string, at::Tensor>> tensors;

  void insert(const std::string& path, const at::Tensor& tensor) {
    const auto dot = path.find('.');
    if (dot == std::string::npos) {
      tensors.emplace_back(path, tensor);
      return;
    }
    const auto head = path.substr(0, dot);
    for (auto& [name, part] : parts) {
      if (name == head) return part.insert(path.substr(dot + 1), tensor);
    }
    parts.emplace_back(head, Tree{});
    parts.back().second.insert(path.substr(dot + 1), tensor);
  }

  Module module(const std::shared_ptr<torch::jit::CompilationUnit>& unit) const {
    Module made("__torch__.Model", unit, /*shouldMangle=*/true);
    for (const auto& [name, tensor] : tensors) made.register_parameter(name, tensor, /*is_buffer=*/false);
    for (const auto& [name, part] : parts) made.register_module(name, part.module(unit));
    return made;
  }
};

}  // namespace

extern "C" {

// Puts logits, a tensor that the caller gives away, into `logits`; 0 where it can't.
using Forward = int (*)(void* context, const at::Tensor* images, at::Tensor** logits);

// Null, or what went wrong, to be given to bertillon_trace_free.
char* bertillon_trace(const char* path, size_t count, const char* const* names, const at::Tensor* const* tensors,
                      const at::Tensor* images, Forward forward, void* context) {
  try {
    Tree tree;
    for (size_t i = 0; i < count; ++i) tree.insert(names[i], *tensors[i]);
    Module module = tree.module(std::make_shared<torch::jit::CompilationUnit>());
    const auto answer = [&](torch::jit::Stack inputs) -> torch::jit::Stack {
      at::Tensor* logits = nullptr;
      const at::Tensor input = inputs.at(0).toTensor();
      if (!forward(context, &input, &logits)) throw std::runtime_error("the model failed");
      const std::unique_ptr<at::Tensor> owned(logits);
      return {*owned};
    };
    const auto unnamed = [](const at::Tensor&) { return std::string(); };
    const auto traced = torch::jit::tracer::trace({*images}, answer, unnamed, /*strict=*/true,
                                                  /*force_outplace=*/true, &module, {"images"});
    const auto name = c10::QualifiedName(*module.type()->name(), "forward");
    module.type()->addMethod(
        module._ivalue()->compilation_unit()->create_function(name, traced.first->graph));
    module.save(path);
    return nullptr;
  } catch (const std::exception& error) {
    return strdup(error.what());
  } catch (...) {
    return strdup("an unknown C++ exception");
  }
}

void bertillon_trace_free(char* message) { free(message); }
}
