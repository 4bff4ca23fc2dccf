"""Writes the files beside it: what people hand over in place of a traced module. Needs PyTorch 2.11, without a GPU."""

import pathlib

import torch

HERE = pathlib.Path(__file__).parent


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(4, 2)

    def forward(self, x):
        return self.linear(x.flatten(1))


class OnCuda(Net):
    """Traced on a GPU, its code names the device of the tensors that it makes."""

    def forward(self, x):
        return self.linear(x.flatten(1)) + torch.zeros([2], device=torch.device("cuda:0"))


class Dictionary(Net):
    def forward(self, x):
        return {"logits": self.linear(x.flatten(1))}


class Dropout(Net):
    """Scripted: it follows the mode."""

    def forward(self, x):
        return torch.nn.functional.dropout(self.linear(x.flatten(1)), 0.5, self.training)


class Writes(Net):
    """TorchScript has a way to write files."""

    def forward(self, x):
        torch.save(x, "written-by-a-network")
        return self.linear(x.flatten(1))


class WritesWhenLoaded(Net):
    """What `__setstate__` says is done while the file is loaded."""

    @torch.jit.export
    def __getstate__(self):
        return (self.linear.weight, self.training)

    @torch.jit.export
    def __setstate__(self, state: tuple[torch.Tensor, bool]):
        torch.save(state[0], "written-when-loaded")
        self.training = state[1]


torch.manual_seed(0)
model = Net().eval()
torch.save(model.state_dict(), HERE / "state_dict.pt")
torch.save({"epoch": 3, "state_dict": model.state_dict()}, HERE / "checkpoint.pt")
torch.save(model, HERE / "pickled_model.pt")
legacy = {"_use_new_zipfile_serialization": False}
torch.save(model.state_dict(), HERE / "state_dict_legacy.pt", **legacy)
torch.save(model, HERE / "pickled_model_legacy.pt", **legacy)
torch.jit.script(OnCuda().eval()).save(HERE / "on_cuda.pt")
torch.jit.script(Dictionary().eval()).save(HERE / "dictionary.pt")
torch.jit.script(Dropout().eval()).save(HERE / "dropout.pt")
torch.jit.script(Writes().eval()).save(HERE / "writes.pt")
torch.jit.script(WritesWhenLoaded().eval()).save(HERE / "writes_when_loaded.pt")
