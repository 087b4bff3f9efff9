# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Five experiments on activations
#
# Small networks on MNIST-1D, a few seeds each, trained by `actstudy demo notebook`. This notebook
# reads the table that it wrote and trains nothing. All numbers below are of that table: with so few
# seeds they show what to look at, and a study (`make study`) says which differences are real.

# %%
import pandas as pd
from matplotlib import pyplot as plt

from actstudy.analysis.figures.demo_notebook import bars, curves, final, matrix, means
from actstudy.contract import demos

# %matplotlib inline
frame = pd.read_parquet(demos.FOLDER / "notebook.parquet")
frame.groupby(["experiment", "metric"]).size().unstack(fill_value=0)

# %% [markdown]
# ## 1. The same data, different activations
#
# Two hidden layers of 64 units, the same batches, the same initial draws.

# %%
figure, (losses, accuracies) = plt.subplots(1, 2, figsize=(11, 3.6), layout="constrained")
curves(losses, frame, "activations", "loss")
losses.set(xlabel="step", ylabel="training loss")
losses.legend(fontsize=8)
bars(accuracies, final(frame, "activations"))

# %% [markdown]
# Test accuracy, its standard deviation over seeds, and the share of units that are 0 for every
# training example:

# %%
final(frame, "activations").style.format("{:.1%}")

# %% [markdown]
# ## 2. Gradients before any training
#
# Twenty layers: the norm of the gradient at each layer over that at the last. On a log axis a
# factor per layer is a straight line.

# %%
figure, axes = plt.subplots(1, 2, figsize=(11, 3.6), layout="constrained")
for ax, scale in zip(axes, ("linear", "log"), strict=True):
    curves(ax, frame, "flow", "gradient")
    ax.set(xlabel="layer", ylabel="gradient", yscale=scale)
_ = axes[0].legend(fontsize=8)

# %%
flow = means(frame, "flow", "gradient")
flow[flow["step"] == 0].set_index("activation")[["mean", "std"]]

# %% [markdown]
# ## 3. Activation and initialisation belong together
#
# Eight layers, each activation with each initialisation.

# %%
figure, ax = plt.subplots(figsize=(6, 3.4), layout="constrained")
matrix(ax, final(frame, "pairs"), "activation", "initialisation")

# %% [markdown]
# ## 4. One activation early, another late
#
# Eight layers: rows name the activation of the first four, columns that of the last four.

# %%
figure, ax = plt.subplots(figsize=(5, 3), layout="constrained")
matrix(ax, final(frame, "hybrids"), "first four layers", "last four layers")

# %% [markdown]
# ## 5. Fewer bits
#
# Forward passes under autocast in bfloat16 and float16; weights and optimizer stay in float32.

# %%
figure, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
bars(ax, final(frame, "precisions"))

# %% [markdown]
# ## All of it in one table

# %%
tables = {name: final(frame, name) for name in ("activations", "pairs", "hybrids", "precisions")}
pd.concat(tables, names=["experiment"]).style.format("{:.1%}")
