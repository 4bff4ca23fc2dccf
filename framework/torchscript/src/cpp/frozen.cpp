// Copies of modules that answer faster: weights are constants, normalisations folded into convolutions, zeros around
// images into their padding, activations computed within them. tch has neither freezing nor memory formats.

#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/script.h>

#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace {

using torch::jit::Graph;
using torch::jit::Module;
using torch::jit::Node;
using torch::jit::toIValue;
using torch::jit::Value;

Value* constant_before(Node* node, const c10::IValue& value) {
  const torch::jit::WithInsertPoint at(node);
  return node->owningGraph()->insertConstant(value);
}

// A convolution of images all of whose numbers are constants, traced (`_convolution`) or scripted (`conv2d`).
struct Convolution {
  Node* node;
  at::Tensor weight;
  std::vector<int64_t> stride, padding, dilation;
  int64_t groups;

  static std::optional<Convolution> of(Node* node) {
    const std::string kind = node->kind().toQualString();
    const bool traced = kind == "aten::_convolution";
    if (!traced && kind != "aten::conv2d") return std::nullopt;
    const size_t groups_at = traced ? 8 : 6;
    const auto weight = toIValue(node->input(1)), bias = toIValue(node->input(2)), groups = toIValue(node->input(groups_at));
    if (!weight || !weight->isTensor() || weight->toTensor().dim() != 4 || !bias || !groups) return std::nullopt;
    // A padding in words (`same`) is none in numbers.
    for (const size_t at : {3, 4, 5}) {
      const auto pair = toIValue(node->input(at));
      if (!pair || !pair->isIntList() || pair->toIntList().size() != 2) return std::nullopt;
    }
    if (traced) {
      const auto transposed = toIValue(node->input(6));
      if (!transposed || transposed->toBool()) return std::nullopt;
    }
    const auto pair = [node](size_t at) { return toIValue(node->input(at))->toIntVector(); };
    return Convolution{node, weight->toTensor(), pair(3), pair(4), pair(5), groups->toInt()};
  }
};

std::vector<Convolution> convolutions(Graph& graph) {
  std::vector<Convolution> found;
  for (Node* node : graph.nodes()) {
    if (auto convolution = Convolution::of(node)) found.push_back(std::move(*convolution));
  }
  return found;
}

// Zeros put around the images of a convolution, as many on opposite sides, become its own padding.
void fold_padding(Graph& graph) {
  for (const auto& convolution : convolutions(graph)) {
    Node* pad = convolution.node->input(0)->node();
    const std::string kind = pad->kind().toQualString();
    const bool named = kind == "aten::pad";
    if (!named && kind != "aten::constant_pad_nd") continue;
    if (named) {
      const auto mode = toIValue(pad->input(2));
      if (!mode || !mode->isString() || mode->toStringRef() != "constant") continue;
    }
    const auto margins = toIValue(pad->input(1)), value = toIValue(pad->inputs().back());
    if (!margins || !margins->isIntList() || !value) continue;
    if (!value->isNone() && value->toScalar().toDouble() != 0.0) continue;
    // Left, right, top, bottom.
    const auto around = margins->toIntVector();
    if (around.size() != 4 || around[0] != around[1] || around[2] != around[3]) continue;
    if (around[0] < 0 || around[2] < 0) continue;
    const std::vector<int64_t> padding = {convolution.padding[0] + around[2], convolution.padding[1] + around[0]};
    convolution.node->replaceInput(4, constant_before(convolution.node, padding));
    convolution.node->replaceInput(0, pad->input(0));
  }
}

// An activation that oneDNN computes within a convolution: its name for it, and its numbers.
struct Activation {
  Node* node;
  std::string name;
  std::vector<double> numbers;

  static std::optional<Activation> behind(Node* convolution) {
    const auto& uses = convolution->output()->uses();
    if (uses.size() != 1) return std::nullopt;
    Node* node = uses[0].user;
    std::string kind = node->kind().toQualString();
    // `relu_` changes nothing that anyone else reads.
    if (kind.back() == '_') kind.pop_back();
    if (kind == "aten::relu") return Activation{node, "relu", {}};
    if (kind == "aten::relu6") return Activation{node, "hardtanh", {0.0, 6.0}};
    if (kind == "aten::silu") return Activation{node, "swish", {}};
    if (kind == "aten::hardswish") return Activation{node, "hardswish", {}};
    if (kind != "aten::hardtanh") return std::nullopt;
    const auto least = toIValue(node->input(1)), most = toIValue(node->input(2));
    if (!least || !most) return std::nullopt;
    return Activation{node, "hardtanh", {least->toScalar().toDouble(), most->toScalar().toDouble()}};
  }
};

// Convolutions and the activations behind them become one operation, which has no gradient.
void fuse_activations(Graph& graph) {
  constexpr const char* kFused = "mkldnn::_convolution_pointwise";
  if (!c10::Dispatcher::singleton().findSchema({kFused, ""})) return;
  for (const auto& [node, weight, stride, padding, dilation, groups] : convolutions(graph)) {
    const auto activation = Activation::behind(node);
    if (!activation || !weight.is_cpu() || weight.scalar_type() != at::kFloat) continue;
    const torch::jit::WithInsertPoint at(node);
    const auto constant = [&graph](const c10::IValue& value) { return graph.insertConstant(value); };
    std::vector<Value*> numbers;
    for (const double number : activation->numbers) numbers.push_back(constant(number));
    const auto optional_number = c10::OptionalType::create(c10::NumberType::get());
    Value* list = graph.insertNode(graph.createList(optional_number, numbers))->output();
    const std::vector<Value*> inputs = {
        node->input(0),     node->input(1),   node->input(2),             constant(padding), constant(stride),
        constant(dilation), constant(groups), constant(activation->name), list,              constant("")};
    Node* fused = graph.insertNode(graph.create(c10::Symbol::fromQualString(kFused), inputs));
    activation->node->output()->replaceAllUsesWith(fused->output());
  }
}

// One form for answers, one through which gradients flow to the images; they share their constants.
struct Frozen {
  Module module;
  torch::jit::GraphExecutor folded, fused;
};

template <typename Work>
char* message_of(const Work& work) {
  try {
    work();
    return nullptr;
  } catch (const std::exception& error) {
    return strdup(error.what());
  } catch (...) {
    return strdup("an unknown C++ exception");
  }
}

}  // namespace

extern "C" {

// Puts a copy of `module` into `frozen`, to be given to bertillon_frozen_free. Null, or what went wrong, to be given to
// bertillon_trace_free; so below.
char* bertillon_frozen_make(const Module* module, Frozen** frozen) {
  return message_of([&] {
    const at::NoGradGuard constants;
    // Without it nothing is inlined, and parts stay behind that freezing has removed.
    const torch::jit::GraphOptimizerEnabledGuard inlining(true);
    Module made = torch::jit::freeze(*module);
    const auto folded = made.get_method("forward").graph();
    torch::jit::Inline(*folded);
    fold_padding(*folded);
    torch::jit::EliminateDeadCode(folded);
    const auto fused = folded->copy();
    fuse_activations(*fused);
    torch::jit::EliminateDeadCode(fused);
    *frozen = new Frozen{made, {folded, "folded"}, {fused, "fused"}};
  });
}

void bertillon_frozen_free(Frozen* frozen) { delete frozen; }

// Puts logits, a tensor that is the caller's, into `logits`.
char* bertillon_frozen_answer(Frozen* frozen, const at::Tensor* images, at::Tensor** logits) {
  return message_of([&] {
    // The first passes would be profiled, and later ones optimised: not the same bits.
    const torch::jit::GraphOptimizerEnabledGuard profiling(false);
    const bool by_channel = images->is_cpu() && images->dim() == 4;
    const auto format = by_channel ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
    torch::jit::Stack stack = {frozen->module._ivalue(), images->contiguous(format)};
    (at::GradMode::is_enabled() ? frozen->folded : frozen->fused).run(stack);
    *logits = new at::Tensor(stack.at(0).toTensor());
  });
}

bool bertillon_gradients_wanted() { return at::GradMode::is_enabled(); }
}
