"""Boosters' documents to be spoilt, and the bytes that they make."""

from __future__ import annotations

import json
from typing import Any

import xgboost as xgb

Document = dict[str, Any]


def document_of(booster: xgb.Booster) -> Document:
    """Its JSON, decoded."""
    document: Document = json.loads(bytes(booster.save_raw("json")))
    return document


def model_of(document: Document) -> Document:
    """The part that holds the trees."""
    gradient = document["learner"]["gradient_booster"]
    model: Document = gradient.get("gbtree", gradient)["model"]
    return model


def tree_of(document: Document, index: int = 0) -> Document:
    """One of its trees."""
    tree: Document = model_of(document)["trees"][index]
    return tree


def to_bytes(document: Document) -> bytes:
    """As a file holds it."""
    return json.dumps(document).encode()
