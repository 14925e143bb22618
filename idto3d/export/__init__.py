"""A head asset for other programs: blendshapes on one topology, a GLB with morph targets, OBJ with maps."""
