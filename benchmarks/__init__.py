"""Measurements that the documentation is written from; no contestant reports its use."""

from bentoml_ext.internals import telemetry

telemetry.switch_off()
