"""Exports a network with the weights of a checkpoint, for `langevin models import`.

The network comes from its authors' code: write a small file with a function that builds it, for example

    # cifar.py, beside a clone of score_sde_pytorch
    import sys; sys.path.insert(0, "score_sde_pytorch")
    from configs.vp import cifar10_ddpmpp_continuous as c
    from models import ddpm, ncsnpp, utils

    def network():
        return utils.get_model(c.get_config().model.name)(c.get_config())

and run

    python3 docs/import_checkpoint.py cifar.py:network out/cifar.onnx --shape 3,32,32 --checkpoint checkpoint_26.pth

The script finds the weights in checkpoints of these forms, with any prefix before the names, such as `module.`, and
takes their running average if there is one:

    NCSN                            [weights, optimizer]
    NCSNv2, DDIM                    [weights, optimizer, epoch, step, average by name]
    Score SDE, rectified flow       {"model": weights, "ema": {"shadow_params": [average in order]}, ...}
    TorchCFM                        {"net_model": weights, "ema_model": average, ...}
    denoising-diffusion-pytorch     {"model": weights, "ema": {"ema_model.model.NAME": average, ...}, ...}
    improved and guided diffusion   weights, or the average in a file of its own

Without --checkpoint the function must return a network with its weights, as for EDM, whose pickled files contain it.
The script needs torch and nothing else.
"""

import argparse
import importlib.util
import inspect

import torch


def named(saved, net, wanted=""):
    """Returns the tensors of a dict whose names end with those of net, without what precedes the names.

    The prefix that gives most names is taken, among those that contain the wanted text.
    """
    if not isinstance(saved, dict):
        return {}
    best = {}
    names = net.state_dict().keys()
    first = min(names, key=len)
    prefixes = {key[: -len(name)] for name in [first, *net.state_dict()] for key in saved
                if isinstance(key, str) and (key == name or key.endswith("." + name))}
    for prefix in sorted(prefixes):
        found = {name: saved[prefix + name] for name in names if torch.is_tensor(saved.get(prefix + name))}
        if wanted in prefix and len(found) > len(best):
            best = found
    return best


def plain(saved, net):
    """Returns the weights of a checkpoint by name, as the optimizer left them."""
    if isinstance(saved, (list, tuple)):
        return named(saved[0], net)
    for key in ("model", "net_model", "state_dict"):
        if isinstance(saved.get(key), dict):
            return named(saved[key], net)
    return named(saved, net)


def average(saved, net):
    """Returns the running average of the weights by name; nothing if the checkpoint has none."""
    if isinstance(saved, (list, tuple)):
        return named(saved[-1], net) if len(saved) > 2 else {}
    ema = saved.get("ema", saved.get("ema_model"))
    if isinstance(ema, dict) and "shadow_params" in ema:
        trained = [name for name, p in net.named_parameters() if p.requires_grad]
        if len(trained) != len(ema["shadow_params"]):
            raise SystemExit(f"the average has {len(ema['shadow_params'])} tensors: want {len(trained)}, so build the "
                             "network with the configuration of its training")
        return dict(zip(trained, ema["shadow_params"]))
    return named(ema, net, "ema_model.") or named(ema, net)


def load(net, saved, raw=False):
    """Gives net the weights of a checkpoint, and returns how many tensors come from their average."""
    weights = plain(saved, net)
    averages = {} if raw else average(saved, net)
    weights.update(averages)
    missing = sorted(net.state_dict().keys() - weights.keys())
    if missing:
        raise SystemExit(f"the checkpoint lacks {len(missing)} tensors of the network, such as {missing[0]}: build the "
                         "network with the configuration of its training")
    net.load_state_dict(weights)
    return len(averages)


def export(net, path, shape, whole, classes=False):
    """Writes net, whose forward takes samples, the noise level and perhaps a class, as ONNX."""
    inputs = {"samples": torch.zeros(2, *shape), "level": torch.ones(2, dtype=torch.long if whole else torch.float32)}
    if classes:
        inputs["classes"] = torch.zeros(2, dtype=torch.long)
    dynamic = {name: {0: "N"} for name in (*inputs, "out")}
    # The exporter that newer releases prefer needs another package.
    older = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
    torch.onnx.export(net.eval(), tuple(inputs.values()), path, input_names=list(inputs), output_names=["out"],
                      dynamic_axes=dynamic, **older)


def build(text):
    """Calls the function of FILE.py:FUNCTION."""
    file, _, function = text.rpartition(":")
    spec = importlib.util.spec_from_file_location("network", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, function)()


def main(args=None):
    parser = argparse.ArgumentParser(description="exports a network with the weights of a checkpoint")
    parser.add_argument("network", help="FILE.py:FUNCTION, which builds the network")
    parser.add_argument("out", help="the ONNX file to write")
    parser.add_argument("--shape", required=True, help="of one sample, as 3,32,32")
    parser.add_argument("--checkpoint", help="of a form above; if none, the function loads the weights")
    parser.add_argument("--raw", action="store_true", help="take the weights, even if there is an average")
    parser.add_argument("--steps", action="store_true", help="the noise level is an index, int64")
    parser.add_argument("--classes", action="store_true", help="the network also takes a class, int64")
    o = parser.parse_args(args)
    net = build(o.network)
    if o.checkpoint:
        saved = torch.load(o.checkpoint, map_location="cpu", weights_only=True)
        averaged = load(net, saved, o.raw)
        print(f"weights of {o.checkpoint}: {averaged} of {len(net.state_dict())} tensors are running averages")
    export(net, o.out, [int(n) for n in o.shape.split(",")], o.steps, o.classes)


if __name__ == "__main__":
    main()
