"""From photographs to an identity: reading faces, aligning them, embedding them."""
