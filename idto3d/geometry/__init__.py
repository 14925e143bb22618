"""Shape of a head: tetrahedral grid, differentiable marching, the expression field, and mesh hygiene."""
