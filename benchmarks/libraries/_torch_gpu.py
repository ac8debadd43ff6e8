"""What PyTorch needs on a GPU: float32 that is float32, the device's clock, and a step as a CUDA graph."""

import torch

from benchmarks.libraries import Unavailable

CALLS = 10  # that are timed together


def begin():
    """No TF32; cuDNN takes the fastest of its algorithms."""
    if not torch.cuda.is_available():
        raise Unavailable("this PyTorch finds no GPU")
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark = False, True


def milliseconds(task):
    """Milliseconds from before a run to after the last kernel that it launched, in the mean of several where they can be."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    calls = CALLS if task.together else 1
    start.record()
    for _ in range(calls):
        task.run()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / calls


def graphed(update, network, optimizer, x):
    """`update(x)` captured as a CUDA graph: a function of a batch. The state is left as it was before."""
    before = [w.detach().clone() for w in network.parameters()]
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):
            optimizer.zero_grad()
            update(x)
    torch.cuda.current_stream().wait_stream(aside)
    optimizer.zero_grad()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loss = update(x)
    with torch.no_grad():
        for w, value in zip(network.parameters(), before):
            w.copy_(value)
            for moment in optimizer.state[w].values():
                moment.zero_()

    def replay(batch):
        x.copy_(batch)
        graph.replay()
        return loss

    return replay
