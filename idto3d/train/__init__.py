"""Training of the networks that ship with the package; each module is one entry of `idto3d-eval train`."""
